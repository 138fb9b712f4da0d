// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Bench} from "./support/Bench.sol";
import {vm} from "./support/Vm.sol";

interface IPermit {
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    function permit(address, address, uint256, uint256, uint8, bytes32, bytes32) external;
}

/// @notice Money in and out, what is kept for missing energy, debts and claims.
contract MoneyTest is Bench {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    function setUp() public {
        openBench();
    }

    function testFuzz_AnyonePaysIn(address from, uint256 member, uint256 amount) public {
        vm.assume(from != address(0) && from != address(grid));
        (member, amount) = (member % 4, bound(amount, 0, 1e12));
        token.mint(from, amount);
        vm.prank(from);
        require(token.approve(address(grid), amount));
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.Deposited(member, from, amount);
        vm.prank(from);
        grid.deposit(member, amount);
        vm.assertEq(grid.escrowOf(member), FUNDS + amount);
        vm.assertEq(grid.totalEscrow(), 4 * FUNDS + amount);
    }

    function testFuzz_NoMoneyForUnknownMembers(uint256 member) public {
        vm.assume(member > 3);
        token.mint(address(this), 5);
        require(token.approve(address(grid), 5));
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.UnknownMember.selector, member));
        grid.deposit(member, 5);
    }

    function testFuzz_AllMoneyFitsInto96Bits(uint256 amount) public {
        uint256 room = type(uint96).max - grid.totalEscrow();
        amount = amount % 2 == 0 ? bound(amount, room + 1, type(uint256).max) : room + 1;
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.TooLarge.selector, amount, room));
        grid.deposit(1, amount);
    }

    // ---- permit -----------------------------------------------------------------------------------------------

    function signPermit(uint256 key, uint256 amount, uint256 deadline)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 words = keccak256(abi.encode(PERMIT, vm.addr(key), address(grid), amount, uint256(0), deadline));
        return vm.sign(key, keccak256(abi.encodePacked(hex"1901", IPermit(address(token)).DOMAIN_SEPARATOR(), words)));
    }

    function testFuzz_APermitPaysInWhoeverRelaysItFirst(uint256 amount, bool relayed) public {
        amount = bound(amount, 1, 1e12);
        address payer = vm.addr(77);
        token.mint(payer, amount);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(77, amount, block.timestamp);
        if (relayed) IPermit(address(token)).permit(payer, address(grid), amount, block.timestamp, v, r, s);
        vm.prank(payer);
        grid.depositWithPermit(2, amount, block.timestamp, v, r, s);
        vm.assertEq(grid.escrowOf(2), FUNDS + amount);
    }

    /// @dev Somebody else's permit moves nothing: it is the caller's that counts.
    function testFuzz_APermitIsTheCallersOwn(address caller, uint256 amount) public {
        amount = bound(amount, 1, 1e12);
        vm.assume(caller != vm.addr(77) && caller != address(0));
        token.mint(vm.addr(77), amount);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(77, amount, block.timestamp);
        vm.expectRevert();
        vm.prank(caller);
        grid.depositWithPermit(1, amount, block.timestamp, v, r, s);
        vm.assertEq(token.balanceOf(vm.addr(77)), amount);
    }

    // ---- withdrawing ------------------------------------------------------------------------------------------

    function testFuzz_OnlyTheOwnerTakesOut(address caller, uint256 member, uint256 amount) public {
        member %= 4;
        vm.assume(caller != ownerOf(member));
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.NotOwner.selector, member, caller));
        vm.prank(caller);
        grid.withdraw(member, amount);
    }

    /// @dev What it lacks is reserved at the price cap; all else is free, also while the market is paused.
    function testFuzz_WhatIsFreeCanAlwaysBeTakenOut(uint64 importedWh, uint256 amount, bool stop) public {
        importedWh = uint64(bound(importedWh, 0, CAPACITY));
        meter(2, FIRST, importedWh, 0);
        uint256 free = FUNDS - (uint256(importedWh) * CAP + 999) / 1000;
        vm.assertEq(grid.freeFunds(2), free);
        amount = bound(amount, 0, free);
        grid.setPaused(stop);
        vm.startPrank(ownerOf(2));
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.Withdrawn(2, ownerOf(2), amount);
        grid.withdraw(2, amount);
        vm.expectRevert(
            abi.encodeWithSelector(ISmartMicrogrid.InsufficientEscrow.selector, 2, free - amount, free - amount + 1)
        );
        grid.withdraw(2, free - amount + 1);
        vm.assertEq(token.balanceOf(ownerOf(2)), amount);
        vm.assertEq(token.balanceOf(address(grid)), grid.totalEscrow());
    }

    function test_PausedTakesNoMoneyIn() public {
        grid.setPaused(true);
        vm.expectRevert(ISmartMicrogrid.MarketPaused.selector);
        grid.deposit(1, 1);
        vm.expectRevert(ISmartMicrogrid.MarketPaused.selector);
        grid.depositWithPermit(1, 1, 0, 0, 0, 0);
    }

    // ---- debt and claims --------------------------------------------------------------------------------------

    /// @dev Member 2 uses energy that it cannot pay; the rest is its debt, and whatever comes to it repays that first.
    function testFuzz_ADebtIsRepaidFirst(uint64 wh, uint256 left, uint256 later) public {
        wh = uint64(bound(wh, 1000, CAPACITY));
        left = bound(left, 0, 200_000);
        vm.prank(ownerOf(2));
        grid.withdraw(2, FUNDS - left);
        meter(2, FIRST, wh, 0);
        windowOver(FIRST);
        uint256 owed = (uint256(wh) * RETAIL + 999) / 1000 - left;
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.DebtRecorded(2, owed);
        close(FIRST, 2, 2);
        vm.assertEq(grid.debtOf(2), owed);
        vm.assertEq(grid.escrowOf(2), uint256(0));
        vm.assertEq(grid.escrowOf(0), FUNDS + left);
        later = bound(later, 1, 2 * owed);
        depositFor(2, later);
        uint256 repaid = later < owed ? later : owed;
        vm.assertEq(grid.debtOf(2), owed - repaid);
        vm.assertEq(grid.escrowOf(2), later - repaid);
        vm.assertEq(grid.escrowOf(0), FUNDS + left + repaid);
    }

    function test_ProceedsRepayADebtToo() public {
        vm.prank(ownerOf(1));
        grid.withdraw(1, FUNDS);
        meter(1, FIRST + 1, 0, 5000);
        grid.advanceTo(FIRST + 2);
        meter(1, FIRST + 1, 1000, 10_000);
        vm.assertEq(grid.positions(FIRST + 1, 1), int256(4000));
        grid.advanceTo(FIRST + 3);
        meter(1, FIRST + 2, 2000, 10_000);
        grid.advanceTo(FIRST + 2 + WINDOW + 1);
        close(FIRST + 2, 1, 1);
        vm.assertEq(grid.debtOf(1), uint256(300_000));
        close(FIRST + 1, 1, 1);
        vm.assertEq(grid.debtOf(1), uint256(0));
        vm.assertEq(grid.escrowOf(1), uint256(20_000));
    }

    /// @dev A utility without money owes; it cannot take money out past that, and anyone may have the claim paid.
    function testFuzz_AClaimIsPaidWhenThereIsMoney(uint256 left, uint256 later) public {
        left = bound(left, 0, 399_999);
        vm.prank(ownerOf(0));
        grid.withdraw(0, FUNDS - left);
        windowOver(FIRST);
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.UtilityShort(FIRST, 1, 400_000);
        close(FIRST, 1, 1);
        vm.assertEq(grid.claimOf(1), uint256(400_000));
        vm.assertEq(grid.escrowOf(1), FUNDS);
        vm.assertEq(grid.energyBalance(1), int256(0));
        later = bound(later, 0, 800_000);
        depositFor(0, later);
        uint256 money = left + later;
        vm.assertEq(grid.freeFunds(0), money > 400_000 ? money - 400_000 : 0);
        vm.prank(STRANGER);
        grid.payClaim(1);
        uint256 paid = money < 400_000 ? money : 400_000;
        vm.assertEq(grid.escrowOf(1), FUNDS + paid);
        vm.assertEq(grid.escrowOf(0), money - paid);
        vm.assertEq(grid.claimOf(1), 400_000 - paid);
        vm.assertEq(grid.totalClaims(), 400_000 - paid);
    }
}
