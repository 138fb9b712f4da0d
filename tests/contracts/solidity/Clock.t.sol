// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill} from "contracts/Packing.sol";
import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice A clock of slots of 900 s, which its keeper can hold back for a week at most, and never hurry.
contract ClockTest is World {
    uint256 private constant OPENED = 1_800_000_000;
    uint32 private constant SECONDS = 900;

    function setUp() public {
        vm.warp(OPENED);
        token = deployToken();
        Rules memory these = rules();
        these.slotSeconds = SECONDS;
        openMarket(these);
        join(1);
    }

    /// @dev The slot FIRST may have begun just before the market opened, so it is never more than a slot ahead.
    function testFuzz_NeverAheadOfTimeByMoreThanASlot(uint32 passed, uint32 slot) public {
        passed = uint32(bound(passed, 0, 3000 days));
        uint256 latest = FIRST + 1 + uint256(passed) / SECONDS;
        slot = uint32(slot % 2 == 0 ? bound(slot, latest - 2, latest + 2) : slot);
        vm.warp(OPENED + passed);
        bool late = slot <= FIRST;
        if (late) {
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.SlotNotInFuture.selector, FIRST, slot));
        } else if (slot > latest) {
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.ClockTooFast.selector, slot, latest));
        } else {
            vm.expectEmit(address(grid));
            emit ISmartMicrogrid.SlotAdvanced(slot);
        }
        grid.advanceTo(slot);
        vm.assertEq(grid.currentSlot(), late || slot > latest ? FIRST : slot);
    }

    function testFuzz_ItNeverGoesBack(uint32 slot) public {
        vm.warp(OPENED + 30 * SECONDS);
        grid.advanceTo(FIRST + 20);
        slot = uint32(bound(slot, 0, FIRST + 20));
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.SlotNotInFuture.selector, FIRST + 20, slot));
        grid.advanceTo(slot);
    }

    /// @dev A week of silence of the keeper, since it last spoke; then anyone, within the same bounds.
    function testFuzz_AStalledClockIsMovedByAnyone(address caller, uint32 spoke, uint32 silent) public {
        vm.assume(caller != address(this));
        spoke = uint32(bound(spoke, SECONDS, 30 days));
        silent = uint32(silent % 2 == 0 ? bound(silent, 7 days - 2, 7 days + 2) : bound(silent, 0, 30 days));
        vm.warp(OPENED + spoke);
        grid.advanceTo(FIRST + 1);
        vm.warp(OPENED + spoke + silent);
        uint256 latest = FIRST + 1 + uint256(spoke + silent) / SECONDS;
        bytes memory refusal =
            abi.encodeWithSelector(ISmartMicrogrid.ClockNotStalled.selector, OPENED + spoke, OPENED + spoke + silent);
        vm.startPrank(caller);
        if (silent > 7 days) {
            refusal = abi.encodeWithSelector(ISmartMicrogrid.ClockTooFast.selector, latest + 1, latest);
        }
        vm.expectRevert(refusal);
        grid.advanceTo(uint32(latest + 1));
        if (silent <= 7 days) vm.expectRevert(refusal);
        grid.advanceTo(uint32(latest));
        vm.assertEq(grid.currentSlot(), silent > 7 days ? latest : FIRST + 1);
    }

    /// @dev However long the keeper is silent and whoever is against it, members get their money: the clock is moved,
    /// the slot closed, the collateral and the rest taken out.
    function test_NobodyCanHoldMoneyForEver() public {
        vm.warp(OPENED + SECONDS);
        grid.advanceTo(FIRST + 1);
        meter(1, FIRST, 1000, 0);
        grid.setPaused(true);
        grid.setActive(1, false);
        grid.setSettler(address(0));
        vm.startPrank(ownerOf(1));
        grid.withdraw(1, FUNDS - 1_000_000);
        vm.warp(OPENED + 8 days);
        grid.advanceTo(FIRST + WINDOW + 1);
        uint32[] memory members = new uint32[](1);
        members[0] = 1;
        grid.closeSlot(FIRST, members);
        grid.withdraw(1, 700_000);
        vm.assertEq(grid.escrowOf(1), uint256(0));
    }

    function test_PausingIsSaidAndUndone() public {
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.PauseChanged(true);
        grid.setPaused(true);
        vm.assertTrue(grid.paused());
        grid.setPaused(false);
        depositFor(1, 1);
        vm.assertEq(grid.escrowOf(1), FUNDS + 1);
    }

    function testFuzz_StatesOfASlot(uint32 slot, bool settled) public {
        vm.warp(OPENED + 100 * SECONDS);
        grid.advanceTo(FIRST + 12);
        if (settled) grid.settle(clearing(FIRST + 7, 0, 0), new ISmartMicrogrid.SignedTerms[](0), new Fill[](0));
        slot = uint32(slot % 2 == 0 ? bound(slot, FIRST, FIRST + 14) : slot);
        ISmartMicrogrid.SlotState expected = ISmartMicrogrid.SlotState.Open;
        if (slot < FIRST + 12 - WINDOW) expected = ISmartMicrogrid.SlotState.Closed;
        if (slot == FIRST + 7 && settled) expected = ISmartMicrogrid.SlotState.Settled;
        vm.assertTrue(grid.slotState(slot) == expected);
        vm.assertTrue(grid.slotState(FIRST + 7) == ISmartMicrogrid.SlotState.Settled == settled);
    }
}
