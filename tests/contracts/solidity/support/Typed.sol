// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";

/// @title EIP-712 as the standard has it, written again here: the contract's own hashes are not taken on trust
library Typed {
    struct Reading {
        uint32 member;
        uint32 slot;
        uint32 sequence;
        uint64 importRegisterWh;
        uint64 exportRegisterWh;
    }

    string internal constant ORDER =
        "Order(uint32 member,uint32 slot,uint8 side,uint64 energyWh,uint96 limitPrice,uint32 expirySlot,uint64 salt)";
    string internal constant READING =
        "MeterReading(uint32 member,uint32 slot,uint32 sequence,uint64 importRegisterWh,uint64 exportRegisterWh)";
    string internal constant DOMAIN =
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

    function domain(uint256 chain, address grid) internal pure returns (bytes32) {
        bytes memory words = abi.encode(keccak256("SmartMicrogrid"), keccak256("1"), chain, grid);
        return keccak256(bytes.concat(keccak256(bytes(DOMAIN)), words));
    }

    function digest(bytes32 domain_, bytes memory words) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"1901", domain_, keccak256(words)));
    }

    function order(bytes32 domain_, ISmartMicrogrid.Order memory o) internal pure returns (bytes32) {
        bytes memory words = abi.encode(
            keccak256(bytes(ORDER)), o.member, o.slot, o.side, o.energyWh, o.limitPrice, o.expirySlot, o.salt
        );
        return digest(domain_, words);
    }

    function reading(bytes32 domain_, Reading memory r) internal pure returns (bytes32) {
        bytes memory words =
            abi.encode(keccak256(bytes(READING)), r.member, r.slot, r.sequence, r.importRegisterWh, r.exportRegisterWh);
        return digest(domain_, words);
    }
}
