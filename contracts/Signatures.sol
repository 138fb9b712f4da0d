// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ISmartMicrogrid} from "./ISmartMicrogrid.sol";
import {OrderTerms, ReadingTerms} from "./Packing.sol";

/// @title What members and meters sign, and how that is checked
abstract contract Signatures is ISmartMicrogrid, EIP712 {
    /// @notice Gas that a contract wallet may use to check one signature.
    uint256 private constant WALLET_GAS = 100_000;
    /// @dev Half the order of secp256k1: a signature with a greater s has a twin with a smaller one (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(uint32 member,uint32 slot,uint8 side,uint64 energyWh,uint96 limitPrice,uint32 expirySlot,uint64 salt)"
    );
    bytes32 private constant READING_TYPEHASH = keccak256(
        "MeterReading(uint32 member,uint32 slot,uint32 sequence,uint64 importRegisterWh,uint64 exportRegisterWh)"
    );

    constructor() EIP712("SmartMicrogrid", "1") {}

    /// @inheritdoc ISmartMicrogrid
    function hashOrder(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    /// @dev The EIP-712 digest of a reading, in scratch memory: a batch of hundreds would pay for the growth of its memory
    /// with the square of its length.
    function _hashReading(bytes32 domain, ReadingTerms terms) internal pure returns (bytes32 digest) {
        bytes32 typeHash = READING_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), and(shr(192, terms), 0xffffffff))
            mstore(add(free, 0x40), and(shr(160, terms), 0xffffffff))
            mstore(add(free, 0x60), and(shr(128, terms), 0xffffffff))
            mstore(add(free, 0x80), and(shr(64, terms), 0xffffffffffffffff))
            mstore(add(free, 0xa0), and(terms, 0xffffffffffffffff))
            mstore(add(free, 0x42), keccak256(free, 0xc0))
            mstore(add(free, 0x22), domain)
            mstore(add(free, 0x02), 0x1901)
            digest := keccak256(add(free, 0x20), 0x42)
        }
    }

    /// @dev The same as hashOrder for an order that expires with its slot, in scratch memory.
    function _hashTerms(bytes32 domain, OrderTerms terms, uint256 slot, bool sells)
        internal
        pure
        returns (bytes32 digest)
    {
        bytes32 typeHash = ORDER_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), shr(224, terms))
            mstore(add(free, 0x40), slot)
            mstore(add(free, 0x60), sells) // Side.Sell is 1
            mstore(add(free, 0x80), and(shr(160, terms), 0xffffffffffffffff))
            mstore(add(free, 0xa0), and(shr(64, terms), 0xffffffffffffffffffffffff))
            mstore(add(free, 0xc0), slot)
            mstore(add(free, 0xe0), and(terms, 0xffffffffffffffff))
            mstore(add(free, 0x42), keccak256(free, 0x100))
            mstore(add(free, 0x22), domain)
            mstore(add(free, 0x02), 0x1901)
            digest := keccak256(add(free, 0x20), 0x42)
        }
    }

    /// @dev Who signed with a plain key; zero for what is no signature, twins with a high s included. The same as
    /// OpenZeppelin's ECDSA.tryRecover, for a third of its overhead; a test compares them.
    function _recover(bytes32 digest, bytes32 r, bytes32 vs) internal view returns (address signer) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, digest)
            mstore(add(free, 0x20), add(27, shr(255, vs)))
            mstore(add(free, 0x40), r)
            let s := shr(1, shl(1, vs))
            mstore(add(free, 0x60), s)
            mstore(0x00, 0)
            if iszero(gt(s, HALF_ORDER)) { pop(staticcall(gas(), 1, free, 0x80, 0x00, 0x20)) }
            signer := mload(0x00)
        }
    }

    /// @dev ECDSA (64 bytes: r, vs) first, ERC-1271 as fall-back.
    function _isSignedBy(address owner, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (signature.length == 64) {
            if (_recover(digest, bytes32(signature[:32]), bytes32(signature[32:])) == owner) return true;
        }
        return _isAcceptedByWallet(owner, digest, signature);
    }

    /// @dev With a cap on gas and on what is read back, so that no wallet can use up a batch; and never with less than
    /// the cap, so that whoever sends the batch cannot make a good signature fail.
    function _isAcceptedByWallet(address wallet, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        if (wallet.code.length == 0) return false;
        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        uint256 needed = WALLET_GAS * 64 / 63 + 5000;
        if (gasleft() < needed) revert GasTooLow(gasleft(), needed);
        (bool success, bytes32 answer,) = _askWallet(wallet, question);
        return success && answer == bytes32(IERC1271.isValidSignature.selector);
    }

    function _askWallet(address wallet, bytes memory question)
        private
        view
        returns (bool success, bytes32 answer, uint256 size)
    {
        assembly ("memory-safe") {
            mstore(0x00, 0)
            success := staticcall(WALLET_GAS, wallet, add(question, 0x20), mload(question), 0x00, 0x20)
            answer := mload(0x00)
            size := returndatasize()
        }
        success = success && size >= 32;
    }
}
