// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill} from "contracts/Packing.sol";
import {Bench} from "./support/Bench.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// @notice A signature counts once, for one market on one chain, in one form.
contract ReplayWalletsTest is Bench {
    uint256 private constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    /// @dev The x coordinate of the generator: the `r` of who signs with the nonce 1.
    uint256 private constant GX = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798;

    function setUp() public {
        openBench();
    }

    function testFuzz_OrdersOfAnotherChainAreNotSigned(uint64 chain) public {
        chain = uint64(bound(chain, 1, type(uint64).max - 1));
        vm.assume(chain != block.chainid);
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 1000, 1);
        ISmartMicrogrid.SignedTerms memory sell = sold(1000, 1);
        vm.chainId(chain);
        settlePair(sell, buy, 1000);
        assertUntouched();
        // The same market, split off with its chain, takes what is signed for the new chain.
        domain = Typed.domain(chain, address(grid));
        meter(2, FIRST, 0, 700);
        vm.assertEq(grid.positions(FIRST, 2), int256(700));
    }

    function test_ReadingsOfAnotherChainAreNotSigned() public {
        ISmartMicrogrid.SignedReading memory reading = signReading(METER_KEYS + 2, Typed.Reading(2, FIRST, 1, 0, 700));
        vm.chainId(4242);
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.ReadingRejected(2, FIRST, ISmartMicrogrid.Fault.NotSigned);
        submit(reading);
        vm.chainId(31_337);
        submit(reading);
        vm.assertEq(grid.positions(FIRST, 2), int256(700));
    }

    function test_OrdersAndReadingsOfAnotherMarketAreNotSigned() public {
        ISmartMicrogrid.SignedTerms memory sell = sold(1000, 1);
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 1000, 1);
        ISmartMicrogrid.SignedReading memory reading = signReading(METER_KEYS + 1, Typed.Reading(1, FIRST, 1, 0, 5000));
        ISmartMicrogrid.Order memory offer = ISmartMicrogrid.Order(1, FIRST, SELL, 500, PRICE, FIRST + 5, 1);
        (bytes32 r, bytes32 vs) = vm.signCompact(OWNER_KEYS + 1, Typed.order(domain, offer));
        settlePair(sell, buy, 1000);
        vm.assertEq(grid.positions(FIRST, 2), int256(1000));
        openBench();
        settlePair(sell, buy, 1000);
        submit(reading);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISmartMicrogrid.OfferInvalid.selector, Typed.order(domain, offer), ISmartMicrogrid.Fault.NotSigned
            )
        );
        vm.prank(ownerOf(2));
        grid.transferEnergy(offer, abi.encodePacked(r, vs), 2, 100);
        assertUntouched();
    }

    function testFuzz_AnOrderIsOfOneSlotOnly(uint32 later) public {
        later = uint32(bound(later, FIRST + 1, FIRST + 300));
        ISmartMicrogrid.SignedTerms memory sell = sold(1000, 1);
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 1000, 1);
        settlePair(sell, buy, 400);
        grid.advanceTo(later + 1);
        Fill[] memory fills = fillsOf(fill(0, 1, 400));
        grid.settle(clearing(later, PRICE, 1), pair(sell, buy), fills);
        vm.assertEq(grid.positions(later, 2), int256(0));
        vm.assertEq(grid.escrowOf(2), FUNDS - 44_000);
    }

    /// @dev The plain twin (r, n - s) does not even fit the short form, for nearly all signatures.
    function test_TheTwinOfASignatureIsNone() public {
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 1000, 1);
        uint256 s = uint256(buy.vs) << 1 >> 1;
        buy.vs = bytes32((N - s) ^ (uint256(buy.vs) >> 255 == 0 ? uint256(1) << 255 : 0));
        settlePair(sold(1000, 1), buy, 1000);
        assertUntouched();
    }

    /// @dev A key made for the order, so that its signature has any s we like: just above half the order is refused,
    /// though the curve accepts it; half the order is the most.
    function testFuzz_AHighSIsNoSignature(uint8 above, bool high) public {
        uint256 s = high ? N / 2 + 1 + above : N / 2 - above;
        ISmartMicrogrid.SignedTerms memory buy =
            ISmartMicrogrid.SignedTerms(terms(7, 1000, PRICE + FEE, 1), bytes32(GX), bytes32(s));
        uint256 digest = uint256(digestOf(buy, BUY));
        // s = (digest + r * key) / nonce, with the nonce 1, solved for the key.
        uint256 key = mulmod(addmod(s, N - digest % N, N), inverse(GX), N);
        vm.assertEq(ecrecover(bytes32(digest), 27, bytes32(GX), bytes32(s)), vm.addr(key), "the curve accepts it");
        grid.register(7, vm.addr(key), address(0), 0);
        depositFor(7, FUNDS);
        settlePair(sold(1000, 1), buy, 1000);
        vm.assertEq(grid.positions(FIRST, 7), high ? int256(0) : int256(1000));
    }

    /// @dev x^(n-2) is 1/x.
    function inverse(uint256 x) private pure returns (uint256 y) {
        y = 1;
        for (uint256 power = N - 2; power != 0; power >>= 1) {
            if (power & 1 != 0) y = mulmod(y, x, N);
            x = mulmod(x, x, N);
        }
    }
}
