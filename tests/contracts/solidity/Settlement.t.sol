// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill} from "contracts/Packing.sol";
import {Bench} from "./support/Bench.sol";
import {vm} from "./support/Vm.sol";

/// @notice Who can pay trades, who can back sales, and who settles when.
contract SettlementAuctionTest is Bench {
    function setUp() public {
        openBench();
    }

    function testFuzz_ABuyerPaysInFullOrNotAtAll(uint256 left) public {
        left = bound(left, 109_998, 110_002);
        vm.prank(ownerOf(2));
        grid.withdraw(2, FUNDS - left);
        if (left < 110_000) expectNoFill(0, 1, ISmartMicrogrid.Fault.EscrowShort);
        settlePair(sold(1000, 1), bought(2, 1000, 1), 1000);
        bool paid = left >= 110_000;
        vm.assertEq(grid.escrowOf(2), paid ? left - 110_000 : left);
        vm.assertEq(grid.positions(FIRST, 2), paid ? int256(1000) : int256(0));
    }

    /// @dev Member 2 has no energy: what it sells costs it the price cap until the slot is closed.
    function testFuzz_ASellerWithoutEnergyHasItsPriceHeldBack(uint256 left, uint64 wh) public {
        wh = uint64(bound(wh, 1, 6000));
        uint256 backing = (uint256(wh) * CAP + 999) / 1000;
        left = left % 2 == 0 ? bound(left, backing - 2, backing + 2) : bound(left, 0, FUNDS);
        vm.prank(ownerOf(2));
        grid.withdraw(2, FUNDS - left);
        if (left < backing) expectNoFill(0, 1, ISmartMicrogrid.Fault.CollateralShort);
        settlePair(signed(SELL, 2, wh, PRICE, 1), bought(3, wh, 1), wh);
        bool sale = left >= backing;
        vm.assertEq(grid.positions(FIRST, 2), sale ? -int256(uint256(wh)) : int256(0));
        vm.assertEq(grid.positions(FIRST, 3), sale ? int256(uint256(wh)) : int256(0));
        vm.assertEq(grid.collateralOf(FIRST, 2), sale ? backing : 0);
        vm.assertEq(grid.totalCollateral(), sale ? backing : 0);
        vm.assertEq(grid.escrowOf(2), sale ? left - backing + uint256(wh) * PRICE / 1000 : left);
    }

    /// @dev Held back is what is lacked at the time of each sale, in the slot; all of it comes back when the slot closes.
    function testFuzz_OnlyWhatIsLackedIsHeldBackAndItComesBack(uint64 has, uint64 first, uint64 second) public {
        (has, first, second) =
        (uint64(bound(has, 0, 5000)), uint64(bound(first, 1, 4000)), uint64(bound(second, 1, 4000)));
        meter(2, FIRST, 0, has);
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](2);
        (orders[0], orders[1]) = (signed(SELL, 2, 8000, 0, 1), signed(BUY, 3, 8000, FEE, 1));
        Fill[] memory fills = new Fill[](2);
        (fills[0], fills[1]) = (fill(0, 1, first), fill(0, 1, second));
        grid.settle(clearing(FIRST, 0, 1), orders, fills);
        uint256 lacked = first + second > has ? first + second - has : 0;
        vm.assertEq(grid.collateralOf(FIRST, 2), lacked * CAP / 1000);
        windowOver(FIRST);
        close(FIRST, 1, 3);
        vm.assertEq(grid.totalCollateral(), uint256(0));
        uint256 cost = (lacked * RETAIL + 999) / 1000;
        uint256 left = has > first + second ? has - first - second : 0;
        vm.assertEq(grid.escrowOf(2), FUNDS - cost + left * FEED_IN / 1000);
        vm.assertEq(grid.debtOf(2), uint256(0));
    }

    /// @dev The attack that collateral is for: sell what one has not, to a friend who sells it to the utility.
    function testFuzz_SellingNothingDrainsNobody(uint64 wh, uint96 price, uint256 funds) public {
        wh = uint64(bound(wh, 1, 1_000_000));
        price = uint96(bound(price, 0, CAP));
        funds = bound(funds, 0, 2 * FUNDS);
        grid.register(4, ownerOf(4), address(0), 0);
        depositFor(4, funds);
        ISmartMicrogrid.SignedTerms[] memory orders =
            pair(signed(SELL, 4, wh, 0, 1), signed(BUY, 2, wh, price + FEE, 1));
        grid.settle(clearing(FIRST, price, 1), orders, fillsOf(fill(0, 1, wh)));
        windowOver(FIRST);
        close(FIRST, 2, 4);
        vm.assertGe(grid.escrowOf(0), FUNDS, "the utility loses nothing");
        vm.assertLe(grid.escrowOf(2) + grid.escrowOf(4), FUNDS + funds, "the friends win nothing");
        vm.assertEq(grid.debtOf(4), uint256(0), "no debt for what was sold");
    }

    function test_NobodyTradesWithItself() public {
        expectNoFill(0, 1, ISmartMicrogrid.Fault.SelfTrade);
        settlePair(sold(1000, 1), bought(1, 1000, 1), 1000);
        assertUntouched();
    }

    // ---- when and by whom -------------------------------------------------------------------------------------

    function empty(uint32 slot) private {
        grid.settle(clearing(slot, 0, 0), new ISmartMicrogrid.SignedTerms[](0), new Fill[](0));
    }

    function test_ASlotIsSettledOnce() public {
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.SlotEmpty(FIRST);
        empty(FIRST);
        ISmartMicrogrid.SignedTerms memory sell = sold(1000, 1);
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 1000, 1);
        for (uint32 later = FIRST + 1; later <= FIRST + WINDOW; ++later) {
            if (later > FIRST + 1) grid.advanceTo(later);
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.SlotAlreadySettled.selector, FIRST));
            settlePair(sell, buy, 1000);
        }
        grid.advanceTo(FIRST + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.SlotWindowOver.selector, FIRST, FIRST + WINDOW + 1));
        settlePair(sell, buy, 1000);
        assertUntouched();
    }

    /// @dev A place of the ring serves every 128th slot, each once, whatever came before at that place.
    function testFuzz_EachSlotOfAPlaceIsSettledOnce(uint32 laps, uint32 more) public {
        uint32 slot = FIRST + 128 * uint32(bound(laps, 0, 8_000_000));
        empty(FIRST);
        if (slot != FIRST) {
            grid.advanceTo(slot + 1);
            empty(slot);
        }
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.SlotAlreadySettled.selector, slot));
        empty(slot);
        uint32 next = slot + uint32(bound(more, 1, 200));
        grid.advanceTo(next + 1);
        empty(next);
    }

    function testFuzz_TheSettlerFirstThenAnyone(address caller, uint32 time) public {
        vm.assume(caller != address(this));
        time = uint32(bound(time, FIRST + 1, FIRST + WINDOW + 3));
        if (time > FIRST + 1) grid.advanceTo(time);
        if (time > FIRST + WINDOW) {
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.SlotWindowOver.selector, FIRST, time));
        } else if (time <= FIRST + WINDOW / 2) {
            vm.expectRevert(
                abi.encodeWithSelector(ISmartMicrogrid.SettlerFirst.selector, FIRST, FIRST + WINDOW / 2 + 1)
            );
        }
        vm.prank(caller);
        empty(FIRST);
    }

    function testFuzz_ASlotThatIsNotOverIsNotSettled(uint32 slot) public {
        slot = uint32(bound(slot, FIRST + 1, type(uint32).max));
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.SlotNotOver.selector, slot, FIRST + 1));
        empty(slot);
    }

    function test_NothingIsSettledWhilePaused() public {
        grid.setPaused(true);
        vm.expectRevert(ISmartMicrogrid.MarketPaused.selector);
        empty(FIRST);
    }
}
