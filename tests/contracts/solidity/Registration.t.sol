// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Bench} from "./support/Bench.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// @notice Who is who: nobody becomes, replaces or moves a member without the rights for it.
contract RegistrationTest is Bench {
    address private constant NEW = address(0x1234);

    function setUp() public {
        openBench();
    }

    function owner(uint256 member) private view returns (address who) {
        (who,,,) = grid.buildings(member);
    }

    function testFuzz_AMemberIsRegisteredAsSaid(uint32 member, address who, address itsMeter, uint32 capacity) public {
        vm.assume(member > 3 && who != address(0) && grid.memberOf(who) == 0);
        vm.assume(itsMeter != meterOf(1) && itsMeter != meterOf(2) && itsMeter != meterOf(3));
        if (itsMeter == address(0)) capacity = 0;
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.MemberRegistered(member, who, itsMeter, capacity);
        grid.register(member, who, itsMeter, capacity);
        (address o, address m, bool active, uint32 c) = grid.buildings(member);
        vm.assertTrue(o == who && m == itsMeter && active && c == capacity, "as said");
        vm.assertEq(grid.memberOf(who), member);
        vm.assertEq(grid.escrowOf(member), uint256(0));
        if (itsMeter != address(0)) {
            vm.assertEq(grid.meterOf(member).lastSlot, FIRST, "what came before it does not count");
            vm.assertEq(grid.meterOf(member).capacityWh, capacity);
        }
    }

    function testFuzz_NothingIsTakenTwice(uint256 member) public {
        member %= 4;
        bytes memory taken = abi.encodeWithSelector(ISmartMicrogrid.AlreadyRegistered.selector, member, ownerOf(member));
        vm.expectRevert(taken);
        grid.register(member, NEW, address(0), 0);
        if (member == 0) return;
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.AddressTaken.selector, ownerOf(member), member));
        grid.register(9, ownerOf(member), address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.AddressTaken.selector, meterOf(member), member));
        grid.register(9, NEW, meterOf(member), 1);
    }

    function testFuzz_WhatMakesNoMemberIsRefused(uint256 member, uint32 capacity) public {
        vm.expectRevert(ISmartMicrogrid.ZeroAddress.selector);
        grid.register(9, address(0), NEW, 1);
        member = bound(member, uint256(type(uint32).max) + 1, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.TooLarge.selector, member, type(uint32).max));
        grid.register(member, NEW, NEW, 1);
        if (capacity == 0) capacity = 1;
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.CapacityWithoutMeter.selector, 9));
        grid.register(9, NEW, address(0), capacity);
    }

    function testFuzz_StrangersRegisterNobody(address caller, uint32 member) public {
        vm.assume(caller != address(this));
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, caller, keccak256("REGISTRAR_ROLE")
        );
        vm.startPrank(caller);
        vm.expectRevert(refusal);
        grid.register(member, caller, address(0), 0);
        vm.expectRevert(refusal);
        grid.setActive(member, false);
        vm.expectRevert(refusal);
        grid.proposeMeter(member, caller, 1);
    }

    // ---- another owner ----------------------------------------------------------------------------------------

    /// @dev Money, energy and registers move as they are; what the old owner signed is void, what the new one signs counts.
    function testFuzz_AMemberIsHandedOverWhole(uint256 key, uint256 left) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(grid.memberOf(vm.addr(key)) == 0);
        left = bound(left, 200_000, FUNDS);
        vm.startPrank(ownerOf(1));
        grid.withdraw(1, FUNDS - left);
        grid.cancelThrough(1, FIRST + 4);
        grid.proposeOwner(1, vm.addr(key));
        vm.stopPrank();
        vm.assertEq(owner(1), ownerOf(1), "not before it is accepted");
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.OwnerChanged(1, ownerOf(1), vm.addr(key));
        vm.prank(vm.addr(key));
        grid.acceptOwner(1);
        vm.assertEq(grid.escrowOf(1), left);
        vm.assertEq(grid.energyBalance(1), int256(5000));
        vm.assertEq(grid.memberOf(ownerOf(1)), uint256(0));
        vm.assertEq(grid.memberOf(vm.addr(key)), uint256(1));
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](3);
        orders[0] = signTerms(key, terms(1, 1000, PRICE, 1), FIRST, SELL);
        (orders[1], orders[2]) = (sold(1000, 2), bought(2, 2000, 1));
        expectRefusal(orders[1], SELL, ISmartMicrogrid.Fault.NotSigned);
        grid.settle(clearing(FIRST, PRICE, 2), orders, fillsOf(fill(0, 2, 1000)));
        vm.assertEq(grid.escrowOf(1), left + 100_000);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.NotOwner.selector, 1, ownerOf(1)));
        vm.prank(ownerOf(1));
        grid.withdraw(1, 1);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.NothingProposed.selector, 1));
        vm.prank(vm.addr(key));
        grid.acceptOwner(1);
    }

    function testFuzz_OnlyWhomTheOwnerNamedTakesOver(address caller, uint256 member) public {
        member %= 4;
        vm.assume(caller != ownerOf(member) && caller != NEW && caller != address(0));
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.NotOwner.selector, member, caller));
        vm.prank(caller);
        grid.proposeOwner(member, caller);
        vm.prank(ownerOf(member));
        grid.proposeOwner(member, NEW);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.NothingProposed.selector, member));
        vm.prank(caller);
        grid.acceptOwner(member);
        vm.prank(NEW);
        grid.acceptOwner(member);
        vm.assertEq(owner(member), NEW);
        vm.assertEq(grid.escrowOf(member), FUNDS);
        vm.prank(NEW);
        grid.withdraw(member, 1);
    }

    function test_AWalletHasOneMember() public {
        vm.prank(ownerOf(1));
        grid.proposeOwner(1, ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.AddressTaken.selector, ownerOf(2), 2));
        vm.prank(ownerOf(2));
        grid.acceptOwner(1);
    }

    // ---- another meter ----------------------------------------------------------------------------------------

    /// @dev The registrar certifies, the owner accepts; the new meter goes on where the old one ended.
    function testFuzz_AMeterIsReplacedWithoutCountingTwice(uint64 exported, uint32 capacity) public {
        exported = uint64(bound(exported, 5000, 6000));
        capacity = uint32(bound(capacity, 1000, CAPACITY));
        grid.proposeMeter(1, vm.addr(55), capacity);
        vm.assertEq(grid.meterOf(1).capacityWh, CAPACITY, "not before the owner accepts");
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.MeterChanged(1, meterOf(1), vm.addr(55), capacity);
        vm.prank(ownerOf(1));
        grid.acceptMeter(1);
        grid.advanceTo(FIRST + 2);
        meter(1, FIRST + 1, 0, exported);
        vm.assertEq(grid.energyBalance(1), int256(5000), "the old key is void");
        submit(signReading(55, Typed.Reading(1, FIRST + 1, FIRST + 1, 0, exported)));
        vm.assertEq(grid.positions(FIRST + 1, 1), int256(uint256(exported)) - 5000);
        vm.assertEq(grid.meterOf(1).capacityWh, capacity);
    }

    function testFuzz_OnlyTheOwnerAcceptsAMeter(address caller) public {
        vm.assume(caller != ownerOf(1));
        grid.proposeMeter(1, NEW, 1);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.NotOwner.selector, 1, caller));
        vm.prank(caller);
        grid.acceptMeter(1);
        vm.prank(ownerOf(1));
        grid.acceptMeter(1);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.NothingProposed.selector, 1));
        vm.prank(ownerOf(1));
        grid.acceptMeter(1);
    }

    function test_AMeterIsNotTakenFromAnotherNorTakenAway() public {
        grid.proposeMeter(1, meterOf(2), 1);
        vm.startPrank(ownerOf(1));
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.AddressTaken.selector, meterOf(2), 2));
        grid.acceptMeter(1);
        vm.stopPrank();
        grid.proposeMeter(1, address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.CapacityWithoutMeter.selector, 1));
        vm.prank(ownerOf(1));
        grid.acceptMeter(1);
    }

    function test_WhoIsTakenOutKeepsItsMoneyAndComesBack() public {
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.MemberActive(1, false);
        grid.setActive(1, false);
        vm.assertEq(grid.meterOf(1).capacityWh, uint256(0));
        vm.prank(ownerOf(1));
        grid.withdraw(1, FUNDS);
        grid.setActive(1, true);
        vm.assertEq(grid.meterOf(1).capacityWh, CAPACITY);
        settlePair(sold(1000, 1), bought(2, 1000, 1), 1000);
        vm.assertEq(grid.escrowOf(1), uint256(100_000));
    }
}
