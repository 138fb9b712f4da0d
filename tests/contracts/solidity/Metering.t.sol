// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {ReadingTerms} from "contracts/Packing.sol";
import {Bench} from "./support/Bench.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// @notice Only a meter's own signature counts energy, each Wh once, and no more than its connection carries.
contract MeteringTest is Bench {
    uint32 private constant M = 2;
    uint32 private constant RUNNING = FIRST + 6;

    /// @dev Member 2 was registered in slot FIRST; slot FIRST + 6 is running, the window is of 8 slots.
    function setUp() public {
        openBench();
        grid.advanceTo(RUNNING);
    }

    function reading(uint32 slot, uint32 sequence, uint64 imported, uint64 exported)
        private
        pure
        returns (Typed.Reading memory)
    {
        return Typed.Reading(M, slot, sequence, imported, exported);
    }

    function send(Typed.Reading memory one) private {
        submit(signReading(METER_KEYS + M, one));
    }

    function refuse(Typed.Reading memory one, ISmartMicrogrid.Fault fault) private {
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.ReadingRejected(one.member, one.slot, fault);
        send(one);
    }

    function assertMeter(uint32 slot, uint32 sequence, uint64 imported, uint64 exported) private view {
        ISmartMicrogrid.Meter memory known = grid.meterOf(M);
        vm.assertEq(known.member, M);
        vm.assertEq(known.lastSlot, slot);
        vm.assertEq(known.sequence, sequence);
        vm.assertEq(known.importRegisterWh, imported);
        vm.assertEq(known.exportRegisterWh, exported);
        vm.assertEq(grid.energyBalance(M), int256(uint256(exported)) - int256(uint256(imported)));
    }

    function test_AReadingCountsWhatTheRegistersRose() public {
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.EnergyMetered(M, FIRST, 300, 1000);
        send(reading(FIRST, 1, 300, 1000));
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.EnergyMetered(M, FIRST + 1, 50, 0);
        send(reading(FIRST + 1, 2, 350, 1000));
        vm.assertEq(grid.positions(FIRST, M), int256(700));
        vm.assertEq(grid.positions(FIRST + 1, M), -int256(50));
        assertMeter(FIRST + 1, 2, 350, 1000);
    }

    /// @dev What was withheld or lost comes with the next reading, in the later slot, with the capacity of all its slots.
    function testFuzz_ASkippedReadingIsMadeUpFor(uint8 skipped, uint64 wh) public {
        skipped = uint8(bound(skipped, 0, 5));
        uint64 most = uint64(CAPACITY) * (1 + skipped);
        wh = uint64(wh % 2 == 0 ? bound(wh, most - 2, most + 2) : bound(wh, 0, 2 * most));
        if (wh > most) refuse(reading(FIRST + skipped, 1, 0, wh), ISmartMicrogrid.Fault.AboveCapacity);
        else send(reading(FIRST + skipped, 1, 0, wh));
        vm.assertEq(grid.positions(FIRST + skipped, M), wh > most ? int256(0) : int256(uint256(wh)));
        if (wh > most) refuse(reading(FIRST + skipped, 1, wh, 0), ISmartMicrogrid.Fault.AboveCapacity);
    }

    /// @dev Sequence and slot both rise, or nothing is counted; whatever the registers say.
    function testFuzz_SequenceAndSlotBothRise(uint32 slot, uint32 sequence, uint64 exported) public {
        send(reading(FIRST + 2, 10, 100, 100));
        slot = uint32(bound(slot, FIRST - 2, FIRST + 5));
        if (sequence % 2 == 0) sequence = uint32(bound(sequence, 8, 12));
        exported = uint64(bound(exported, 100, 10_000));
        bool isNew = slot > FIRST + 2 && sequence > 10;
        if (isNew) send(reading(slot, sequence, 100, exported));
        else refuse(reading(slot, sequence, 100, exported), ISmartMicrogrid.Fault.NotNew);
        if (isNew) assertMeter(slot, sequence, 100, exported);
        else assertMeter(FIRST + 2, 10, 100, 100);
    }

    function testFuzz_RegistersNeverFall(uint64 imported, uint64 exported) public {
        send(reading(FIRST, 1, 5000, 6000));
        (imported, exported) = (uint64(bound(imported, 0, 10_000)), uint64(bound(exported, 0, 12_000)));
        bool fell = imported < 5000 || exported < 6000;
        if (fell) refuse(reading(FIRST + 1, 2, imported, exported), ISmartMicrogrid.Fault.RegisterFell);
        else send(reading(FIRST + 1, 2, imported, exported));
        if (fell) assertMeter(FIRST, 1, 5000, 6000);
        else assertMeter(FIRST + 1, 2, imported, exported);
    }

    function testFuzz_NeitherEarlyNorLate(uint32 slot) public {
        grid.advanceTo(FIRST + 20);
        slot = uint32(slot % 2 == 0 ? bound(slot, FIRST + 10, FIRST + 22) : slot);
        if (slot >= FIRST + 20) refuse(reading(slot, 1, 0, 100), ISmartMicrogrid.Fault.SlotNotOver);
        else if (slot < FIRST + 20 - WINDOW) refuse(reading(slot, 1, 0, 100), ISmartMicrogrid.Fault.WindowOver);
        else send(reading(slot, 1, 0, 100));
        bool open = slot < FIRST + 20 && slot >= FIRST + 20 - WINDOW;
        vm.assertEq(grid.energyBalance(M), open ? int256(100) : int256(0));
    }

    /// @dev Neither a stranger, nor the owner, nor another meter; nor a meter for another member, or for the utility.
    function testFuzz_OnlyTheMetersKeySigns(uint256 key, uint32 member) public {
        key = bound(key, 1, type(uint128).max);
        if (key % 3 == 0) key = OWNER_KEYS + M;
        if (key % 3 == 1) key = METER_KEYS + 1 + key % 3;
        if (member % 2 == 0) member = M;
        vm.assume(key != METER_KEYS + member);
        if (member == 1 || member == 3) member = 0;
        ISmartMicrogrid.SignedReading memory one = signReading(key, Typed.Reading(member, FIRST + 1, 9, 0, 100));
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.ReadingRejected(member, FIRST + 1, ISmartMicrogrid.Fault.NotSigned);
        submit(one);
        vm.assertEq(grid.energyBalance(M) + grid.energyBalance(0) + grid.energyBalance(3), int256(0));
    }

    function testFuzz_ForgedReadingsCountNothing(uint256 edit, bytes32 r, bytes32 vs, bool random) public {
        ISmartMicrogrid.SignedReading memory one = signReading(METER_KEYS + M, reading(FIRST, 1, 100, 500));
        if (random) (one.r, one.vs) = (r, vs);
        // The highest 32 bits mean nothing.
        edit = uint192(edit) | (uint256(uint32(edit)) << 192);
        if (edit == 0) edit = 1;
        one.terms = ReadingTerms.wrap(ReadingTerms.unwrap(one.terms) ^ edit);
        submit(one);
        vm.assertEq(grid.energyBalance(M), int256(0));
    }

    function test_AReplayCountsNothing() public {
        ISmartMicrogrid.SignedReading[] memory twice = new ISmartMicrogrid.SignedReading[](3);
        twice[0] = signReading(METER_KEYS + M, reading(FIRST, 1, 0, 500));
        (twice[1], twice[2]) = (twice[0], signReading(METER_KEYS + M, reading(FIRST + 1, 2, 0, 900)));
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.ReadingRejected(M, FIRST, ISmartMicrogrid.Fault.NotNew);
        grid.submitReadings(twice);
        grid.submitReadings(twice);
        assertMeter(FIRST + 1, 2, 0, 900);
    }

    function test_WhoIsTakenOutIsNotMeteredUntilItIsBack() public {
        grid.setActive(M, false);
        refuse(reading(FIRST, 1, 0, 500), ISmartMicrogrid.Fault.AboveCapacity);
        grid.setActive(M, true);
        send(reading(FIRST, 1, 0, 500));
        assertMeter(FIRST, 1, 0, 500);
    }

    /// @dev Metering goes on while trade is paused.
    function test_MeteringNeverStops() public {
        grid.setPaused(true);
        send(reading(FIRST, 1, 0, 500));
        assertMeter(FIRST, 1, 0, 500);
    }

    // ---- the ring ---------------------------------------------------------------------------------------------

    /// @dev Energy of a slot that nobody closed blocks the one 128 later, for the seven who share its word; closing by
    /// anyone frees it.
    function test_ASlotThatIsNotClosedBlocksItsPlace() public {
        send(reading(FIRST, 1, 0, 500));
        uint32 later = FIRST + 128;
        grid.advanceTo(later + 1);
        refuse(reading(later, 2, 0, 800), ISmartMicrogrid.Fault.PositionFull);
        vm.assertEq(grid.positions(FIRST, M), int256(500), "nothing is lost");
        close(FIRST, 1, 1);
        refuse(reading(later, 2, 0, 800), ISmartMicrogrid.Fault.PositionFull);
        vm.prank(STRANGER);
        close(FIRST, 2, 2);
        send(reading(later, 2, 0, 800));
        vm.assertEq(grid.positions(later, M), int256(300));
        vm.assertEq(grid.positions(FIRST, M), int256(0));
    }
}
