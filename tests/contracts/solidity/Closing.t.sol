// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Tariff} from "contracts/Packing.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Bench} from "./support/Bench.sol";
import {vm} from "./support/Vm.sol";

/// @notice The utility nets what is left of a slot, at tariffs that were known before.
contract ClosingWindowTest is Bench {
    function setUp() public {
        openBench();
    }

    function post(uint32 slot, uint256 retail, uint256 feedIn) private {
        Tariff[] memory tariffs = new Tariff[](1);
        tariffs[0] = tariffOf(retail, feedIn);
        grid.postTariffs(slot, tariffs);
    }

    /// @dev Feed-in for what is left, rounded down; retail for what is missing, rounded up; to the base unit.
    function testFuzz_TheUtilityNetsAtItsTariff(uint64 imported, uint64 exported, uint256 retail, uint256 feedIn)
        public
    {
        (imported, exported) = (uint64(bound(imported, 0, CAPACITY)), uint64(bound(exported, 0, CAPACITY)));
        retail = bound(retail, 1, CAP);
        feedIn = bound(feedIn, 0, retail);
        uint32 slot = FIRST + 3;
        post(slot, retail, feedIn);
        grid.advanceTo(slot + 1);
        meter(2, slot, imported, 0);
        meter(3, slot, 0, exported);
        grid.advanceTo(slot + WINDOW + 1);
        uint256 pays = (uint256(imported) * retail + 999) / 1000;
        uint256 gets = uint256(exported) * feedIn / 1000;
        if (imported != 0) {
            vm.expectEmit(address(grid));
            emit ISmartMicrogrid.SlotClosed(slot, 2, -int256(uint256(imported)));
            vm.expectEmit(address(grid));
            emit ISmartMicrogrid.EnergyTransferred(
                slot, 0, 2, imported, uint96(retail), pays, ISmartMicrogrid.TradeKind.Utility
            );
        }
        vm.prank(STRANGER);
        close(slot, 2, 3);
        vm.assertEq(grid.escrowOf(2), FUNDS - pays);
        vm.assertEq(grid.escrowOf(3), FUNDS + gets);
        vm.assertEq(grid.escrowOf(0), FUNDS + pays - gets);
        vm.assertEq(grid.energyBalance(0), int256(uint256(exported)) - int256(uint256(imported)));
        vm.assertEq(grid.positions(slot, 2) + grid.positions(slot, 3), int256(0));
    }

    function test_ClosingTwiceMovesNothingMore() public {
        windowOver(FIRST);
        uint32[] memory twice = new uint32[](4);
        (twice[0], twice[1], twice[2], twice[3]) = (1, 1, 0, 4_000_000_000);
        grid.closeSlot(FIRST, twice);
        grid.closeSlot(FIRST, twice);
        vm.assertEq(grid.escrowOf(1), FUNDS + 400_000);
        vm.assertEq(grid.escrowOf(0), FUNDS - 400_000);
        vm.assertEq(grid.energyBalance(0), int256(5000));
    }

    function testFuzz_NotBeforeTheWindowIsOver(uint32 slot) public {
        grid.advanceTo(FIRST + 5);
        slot = uint32(slot % 2 == 0 ? bound(slot, FIRST - 10, FIRST + 6) : slot);
        uint256 last = uint256(slot) + WINDOW;
        if (last >= FIRST + 5) {
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.WindowStillOpen.selector, slot, last, FIRST + 5));
        }
        grid.closeSlot(slot, new uint32[](0));
    }

    /// @dev Of an old slot, whose place serves another by now, there is nothing to close; fees of that other go to the
    /// utility early, which is nobody's loss.
    function test_AnOldSlotIsClosedWithoutHarm() public {
        grid.advanceTo(FIRST + 129);
        close(FIRST, 1, 3);
        meter(1, FIRST + 128, 0, 9000);
        close(FIRST, 1, 3);
        vm.assertEq(grid.positions(FIRST + 128, 1), int256(4000));
    }

    // ---- tariffs ----------------------------------------------------------------------------------------------

    function testFuzz_TariffsAreKnownAheadAndNeverChanged(uint32 slot, uint256 retail, uint256 feedIn) public {
        slot = uint32(bound(slot, FIRST, FIRST + 6));
        (retail, feedIn) = (bound(retail, 0, 2 * CAP), bound(feedIn, 0, 2 * CAP));
        if (slot < FIRST + 3) {
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.TariffTooLate.selector, slot));
        } else if (retail == 0) {
            vm.expectRevert(ISmartMicrogrid.TooSmall.selector);
        } else if (retail > CAP || feedIn > retail) {
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.TariffTooHigh.selector, retail, feedIn));
        }
        post(slot, retail, feedIn);
        bool done = slot >= FIRST + 3 && retail != 0 && retail <= CAP && feedIn <= retail;
        (uint256 r, uint256 f) = grid.tariffAt(slot);
        vm.assertEq(r, done ? retail : RETAIL);
        vm.assertEq(f, done ? feedIn : FEED_IN);
        if (!done) return;
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.TariffTooLate.selector, slot));
        post(slot, 1, 0);
        (r,) = grid.tariffAt(slot + 1);
        vm.assertEq(r, RETAIL, "the next slot has the market's own tariff");
    }

    function test_ManyTariffsAtOnceAreAllOrNone() public {
        post(FIRST + 5, 7, 3);
        Tariff[] memory tariffs = new Tariff[](3);
        (tariffs[0], tariffs[1], tariffs[2]) = (tariffOf(1, 0), tariffOf(2, 1), tariffOf(3, 2));
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.TariffTooLate.selector, FIRST + 5));
        grid.postTariffs(FIRST + 4, tariffs);
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.TariffPosted(FIRST + 8, 3, 2);
        grid.postTariffs(FIRST + 6, tariffs);
        (uint256 retail, uint256 feedIn) = grid.tariffAt(FIRST + 7);
        vm.assertTrue(retail == 2 && feedIn == 1, "in their order");
    }

    function testFuzz_OnlyTheTariffRolePosts(address caller) public {
        vm.assume(caller != address(this));
        bytes32 role = keccak256("TARIFF_ROLE");
        Tariff[] memory tariffs = new Tariff[](1);
        tariffs[0] = tariffOf(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, role));
        vm.prank(caller);
        grid.postTariffs(FIRST + 5, tariffs);
    }
}
