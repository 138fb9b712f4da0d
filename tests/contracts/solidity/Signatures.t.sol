// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {OrderTerms, ReadingTerms} from "contracts/Packing.sol";
import {SmartMicrogrid} from "contracts/SmartMicrogrid.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";
import {World} from "./support/World.sol";

/// @notice The market with its hashes and its recovery laid open.
contract OpenSignatures is SmartMicrogrid {
    constructor(Rules memory rules) SmartMicrogrid(rules) {}

    function recover(bytes32 digest, bytes32 r, bytes32 vs) external view returns (address) {
        return _recover(digest, r, vs);
    }

    function hashTerms(bytes32 domain, OrderTerms terms, uint256 slot, bool sells) external pure returns (bytes32) {
        return _hashTerms(domain, terms, slot, sells);
    }

    function hashReading(bytes32 domain, ReadingTerms terms) external pure returns (bytes32) {
        return _hashReading(domain, terms);
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }
}

/// @notice Hand-written hashes and recovery against the standard's words and OpenZeppelin's library.
contract SignaturesPackingTest is World {
    uint256 private constant HALF = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    OpenSignatures private open;

    function setUp() public {
        token = deployToken();
        open = new OpenSignatures(
            SmartMicrogrid.Rules(
                IERC20(address(token)), address(this), 0, address(1), CAP, FEE, 8, 1, 0, false, tariffOf(1, 0)
            )
        );
        domain = Typed.domain(block.chainid, address(open));
    }

    function testFuzz_Domain(uint64 chain) public {
        chain = uint64(bound(chain, 1, type(uint64).max - 1));
        vm.chainId(chain);
        vm.assertEq(open.domainSeparator(), Typed.domain(chain, address(open)));
    }

    function testFuzz_OrderHashes(uint256 word, uint32 slot, bool sells, bytes32 any) public view {
        ISmartMicrogrid.Order memory order = orderOf(OrderTerms.wrap(word), slot, sells ? SELL : BUY);
        vm.assertEq(open.hashTerms(domain, OrderTerms.wrap(word), slot, sells), Typed.order(domain, order));
        vm.assertEq(open.hashTerms(any, OrderTerms.wrap(word), slot, sells), Typed.order(any, order));
        vm.assertEq(open.hashOrder(order), Typed.order(domain, order));
        order.expirySlot = uint32(uint256(any));
        vm.assertEq(open.hashOrder(order), Typed.order(domain, order));
    }

    function testFuzz_ReadingHashes(uint256 word, bytes32 any) public view {
        Typed.Reading memory reading = Typed.Reading(
            uint32(word >> 192), uint32(word >> 160), uint32(word >> 128), uint64(word >> 64), uint64(word)
        );
        vm.assertEq(open.hashReading(any, ReadingTerms.wrap(word)), Typed.reading(any, reading));
    }

    function testFuzz_RecoveryOfSignatures(uint256 key, bytes32 digest, uint256 edit) public view {
        key = bound(key, 1, type(uint128).max);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        vm.assertEq(open.recover(digest, r, vs), vm.addr(key));
        if (edit == 0) return;
        vs ^= bytes32(edit);
        compare(digest, r, vs);
        compare(digest, r ^ bytes32(edit), vs ^ bytes32(edit));
        compare(digest ^ bytes32(edit), r, vs);
    }

    /// @dev Near all edges: s of zero, half the order and one more, r of zero and beyond the order.
    function testFuzz_RecoveryOfAnything(bytes32 digest, bytes32 r, uint256 s, bool v) public view {
        if (s % 3 == 0) s = HALF + (s >> 8) % 3 - 1;
        if (s % 7 == 0) s = (s >> 8) % 2;
        if (uint256(r) % 5 == 0) r = bytes32(uint256(r) % 2 == 0 ? 0 : type(uint256).max);
        bytes32 vs = bytes32((s << 1 >> 1) | (v ? uint256(1) << 255 : 0));
        compare(digest, r, vs);
    }

    function compare(bytes32 digest, bytes32 r, bytes32 vs) private view {
        (address signer, ECDSA.RecoverError fault,) = ECDSA.tryRecover(digest, r, vs);
        vm.assertEq(open.recover(digest, r, vs), fault == ECDSA.RecoverError.NoError ? signer : address(0));
    }
}
