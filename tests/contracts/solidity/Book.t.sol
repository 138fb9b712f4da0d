// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill, OrderTerms} from "contracts/Packing.sol";
import {Bench} from "./support/Bench.sol";
import {vm} from "./support/Vm.sol";

/// @notice Which orders count: whose, for which slot and side, how often, and until when they can be withdrawn.
contract BookAuctionTest is Bench {
    function setUp() public {
        openBench();
    }

    function test_AnOrderIsForOneSlotAndOneSide() public {
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 1000, 1);
        ISmartMicrogrid.SignedTerms memory sell = signTerms(OWNER_KEYS + 1, terms(1, 1000, PRICE, 1), FIRST + 1, SELL);
        expectRefusal(sell, SELL, ISmartMicrogrid.Fault.NotSigned);
        settlePair(sell, buy, 1000);
        assertUntouched();
    }

    function test_ABuyOrderIsNoSellOrder() public {
        ISmartMicrogrid.SignedTerms memory sell = signed(BUY, 1, 1000, PRICE, 1);
        expectRefusal(sell, SELL, ISmartMicrogrid.Fault.NotSigned);
        settlePair(sell, bought(2, 1000, 1), 1000);
        assertUntouched();
    }

    function testFuzz_NobodySignsForAnother(uint256 key, bool seller) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != OWNER_KEYS + 1 && key != OWNER_KEYS + 2);
        if (key % 4 == 0) key = METER_KEYS + 1;
        if (key % 4 == 1) key = UTILITY_KEY;
        ISmartMicrogrid.SignedTerms memory sell = sold(1000, 1);
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 1000, 1);
        if (seller) sell = signTerms(key, sell.terms, FIRST, SELL);
        else buy = signTerms(key, buy.terms, FIRST, BUY);
        settlePair(sell, buy, 1000);
        assertUntouched();
    }

    /// @dev The account of nobody, to which bad signatures lead, is not the utility's.
    function testFuzz_TheUtilityAndStrangersDoNotTrade(uint32 member, bytes32 vs, bool zero) public {
        if (member < 4 && member != 0) member = 0;
        ISmartMicrogrid.SignedTerms memory sell = signTerms(UTILITY_KEY, terms(member, 1000, 0, 1), FIRST, SELL);
        if (zero) sell = ISmartMicrogrid.SignedTerms(sell.terms, bytes32(uint256(1)), vs);
        expectRefusal(sell, SELL, ISmartMicrogrid.Fault.NotSigned);
        settlePair(sell, bought(2, 1000, 1), 1000);
        assertUntouched();
    }

    /// @dev Listed as often as one likes, in any order, with others between: an order is filled once.
    function testFuzz_AnOrderListedOftenIsFilledOnce(uint256 chance) public {
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](12);
        Fill[] memory fills = new Fill[](18);
        for (uint32 i = 0; i < 6; ++i) {
            uint64 salt = uint64((chance >> (8 * i)) % 3);
            orders[i] = salt == 2 ? ISmartMicrogrid.SignedTerms(OrderTerms.wrap(0), 0, 0) : sold(1000, salt);
            salt = uint64((chance >> (64 + 8 * i)) % 3);
            orders[6 + i] = salt == 2 ? sold(1, 1) : bought(2, 1000, salt);
            for (uint32 j = 0; j < 3; ++j) {
                fills[3 * i + j] = fill((i + j) % 6, 6 + i, 1000);
            }
        }
        grid.settle(clearing(FIRST, PRICE, 6), orders, fills);
        vm.assertLe(grid.positions(FIRST, 2), int256(2000), "two buy orders of 1000 Wh");
        vm.assertGe(grid.positions(FIRST, 1), int256(3000));
    }

    function test_WhatDoesNotRiseIsLeftOut() public {
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](5);
        (orders[0], orders[1]) = (sold(1000, 2), sold(1000, 1));
        (orders[2], orders[3], orders[4]) = (bought(2, 1000, 1), bought(3, 1000, 1), bought(3, 1000, 1));
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.OrderRejected(FIRST, 1, 0, ISmartMicrogrid.Fault.NotRising);
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.OrderRejected(FIRST, 3, 0, ISmartMicrogrid.Fault.NotRising);
        Fill[] memory fills = new Fill[](3);
        (fills[0], fills[1], fills[2]) = (fill(1, 2, 500), fill(0, 4, 500), fill(0, 3, 500));
        grid.settle(clearing(FIRST, PRICE, 2), orders, fills);
        vm.assertEq(grid.positions(FIRST, 1), int256(4500));
        vm.assertEq(grid.positions(FIRST, 3), int256(500));
    }

    // ---- withdrawn orders -------------------------------------------------------------------------------------

    function testFuzz_AnOrderIsBindingOnceItsSlotRuns(uint32 slot) public {
        slot = uint32(bound(slot, FIRST - 2, FIRST + 5));
        OrderTerms these = terms(2, 1000, PRICE + FEE, 1);
        bool binding = slot <= FIRST + 1;
        if (binding) vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.OrderBinding.selector, slot, FIRST + 1));
        vm.prank(ownerOf(2));
        grid.cancelOrder(orderOf(these, slot, BUY));
        if (slot < FIRST) return;
        if (slot > FIRST) grid.advanceTo(slot + 1 > FIRST + 2 ? slot + 1 : FIRST + 2);
        ISmartMicrogrid.SignedTerms memory sell = signTerms(OWNER_KEYS + 1, terms(1, 1000, PRICE, 1), slot, SELL);
        ISmartMicrogrid.SignedTerms memory buy = signTerms(OWNER_KEYS + 2, these, slot, BUY);
        grid.settle(clearing(slot, PRICE, 1), pair(sell, buy), fillsOf(fill(0, 1, 700)));
        vm.assertEq(grid.positions(slot, 2), binding ? int256(700) : int256(0));
    }

    /// @dev All between the running slot and the last are void, no other, and another cancellation revives none.
    function testFuzz_CancelThroughVoidsExactlyTheSlotsBetween(uint32 through, uint32 more, uint32 slot) public {
        through = uint32(bound(through, FIRST + 2, FIRST + 9));
        more = uint32(bound(more, FIRST + 2, FIRST + 9));
        slot = uint32(bound(slot, FIRST, FIRST + 12));
        vm.startPrank(ownerOf(2));
        grid.cancelThrough(2, through);
        grid.cancelThrough(2, more);
        vm.stopPrank();
        if (slot > FIRST) grid.advanceTo(slot + 1 > FIRST + 2 ? slot + 1 : FIRST + 2);
        ISmartMicrogrid.SignedTerms memory sell = signTerms(OWNER_KEYS + 1, terms(1, 1000, PRICE, 1), slot, SELL);
        ISmartMicrogrid.SignedTerms memory buy = signTerms(OWNER_KEYS + 2, terms(2, 1000, PRICE + FEE, 1), slot, BUY);
        grid.settle(clearing(slot, PRICE, 1), pair(sell, buy), fillsOf(fill(0, 1, 700)));
        uint32 last = through > more ? through : more;
        bool void = slot > FIRST + 1 && slot <= last;
        vm.assertEq(grid.positions(slot, 2), void ? int256(0) : int256(700));
    }

    function test_CancelThroughMayNotForgetSlotsThatCanStillBeSettled() public {
        vm.prank(ownerOf(2));
        grid.cancelThrough(2, FIRST + 3);
        grid.advanceTo(FIRST + 5);
        vm.expectRevert(
            abi.encodeWithSelector(ISmartMicrogrid.CancelledBefore.selector, uint64(FIRST + 3), uint64(FIRST + 5))
        );
        vm.prank(ownerOf(2));
        grid.cancelThrough(2, FIRST + 6);
        grid.advanceTo(FIRST + 3 + WINDOW + 1);
        vm.prank(ownerOf(2));
        grid.cancelThrough(2, FIRST + 3 + WINDOW + 2);
    }

    function testFuzz_OnlyTheOwnerCancels(address caller) public {
        vm.assume(caller != ownerOf(2));
        vm.startPrank(caller);
        bytes memory refusal = abi.encodeWithSelector(ISmartMicrogrid.NotOwner.selector, 2, caller);
        vm.expectRevert(refusal);
        grid.cancelThrough(2, FIRST + 3);
        vm.expectRevert(refusal);
        grid.cancelOrder(orderOf(terms(2, 1000, PRICE, 1), FIRST + 3, BUY));
    }

    function test_WhoIsTakenOutDoesNotTradeAndIsNamed() public {
        grid.setActive(1, false);
        ISmartMicrogrid.SignedTerms memory sell = sold(1000, 1);
        expectRefusal(sell, SELL, ISmartMicrogrid.Fault.NotActive);
        settlePair(sell, bought(2, 1000, 1), 1000);
        assertUntouched();
    }
}
