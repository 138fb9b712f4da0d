// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {BadToken} from "./support/BadTokens.sol";
import {ITestToken} from "./support/Test.sol";
import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice Whatever the payment token does, the market never believes in money that it has not got, nor forgets any.
contract BadTokensMoneyTest is World {
    BadToken private bad;

    function setUp() public {
        bad = new BadToken();
        token = ITestToken(address(bad));
        openMarket(rules());
        grid.register(1, address(this), meterOf(1), CAPACITY);
        bad.mint(address(this), FUNDS);
        grid.deposit(1, FUNDS);
        bad.mint(address(this), FUNDS);
    }

    function assertKept() private view {
        vm.assertEq(grid.escrowOf(1), FUNDS);
        vm.assertEq(grid.totalEscrow(), FUNDS);
        vm.assertEq(bad.balanceOf(address(grid)), FUNDS);
    }

    function testFuzz_AFeeOrNothingIsNoDeposit(uint256 amount, bool nothing) public {
        amount = bound(amount, 100, FUNDS);
        bad.set(nothing ? BadToken.Way.MovesNothing : BadToken.Way.TakesFee);
        uint256 received = nothing ? 0 : amount - amount / 100;
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.ReceivedLess.selector, amount, received));
        grid.deposit(1, amount);
        assertKept();
    }

    function testFuzz_FalseAndRevertsAreNoTransfers(uint256 amount, bool reverts) public {
        amount = bound(amount, 0, FUNDS);
        bad.set(reverts ? BadToken.Way.Reverts : BadToken.Way.ReturnsFalse);
        vm.expectRevert();
        grid.deposit(1, amount);
        vm.expectRevert();
        grid.withdraw(1, amount);
        assertKept();
    }

    function testFuzz_ATokenThatReturnsNothingWorks(uint256 amount) public {
        amount = bound(amount, 0, FUNDS);
        bad.set(BadToken.Way.ReturnsNothing);
        grid.deposit(1, amount);
        grid.withdraw(1, amount);
        assertKept();
    }

    /// @dev Whatever it calls in between, money in and out is counted once; money cannot be taken while some is on its way.
    function testFuzz_ReEnteringGainsNothing(uint8 which, bool in_, uint256 amount) public {
        amount = bound(amount, 1, FUNDS);
        bad.reEnter(address(grid), call(which % 7, amount));
        if (in_) grid.deposit(1, amount);
        else grid.withdraw(1, amount);
        vm.assertEq(grid.escrowOf(1), in_ ? FUNDS + amount : FUNDS - amount);
        vm.assertEq(grid.totalEscrow(), in_ ? FUNDS + amount : FUNDS - amount);
        vm.assertEq(bad.balanceOf(address(grid)), grid.totalEscrow());
        // Taking and paying in are locked; what moves no token may go on.
        vm.assertEq(bad.entered(), which % 7 > 3);
        bytes memory locked = abi.encodeWithSignature("ReentrancyGuardReentrantCall()");
        if (which % 7 < 3) vm.assertEq(bad.answer(), locked);
    }

    /// @dev The token is a member's owner itself, so that its withdrawals are allowed but for the lock.
    function test_ReEnteringByAnOwnerIsLocked() public {
        grid.register(2, address(bad), address(0), 0);
        grid.deposit(2, 1000);
        bad.reEnter(address(grid), abi.encodeCall(grid.withdraw, (2, 1000)));
        grid.withdraw(1, 10);
        vm.assertFalse(bad.entered());
        vm.assertEq(bad.answer(), abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
        vm.assertEq(grid.escrowOf(2), uint256(1000));
    }

    function call(uint256 which, uint256 amount) private view returns (bytes memory) {
        if (which == 0) return abi.encodeCall(grid.deposit, (1, amount));
        if (which == 1) return abi.encodeCall(grid.withdraw, (1, amount));
        if (which == 2) return abi.encodeCall(grid.depositWithPermit, (1, amount, 0, 0, 0, 0));
        if (which == 3) return abi.encodeCall(grid.acceptOwner, (1));
        if (which == 4) return abi.encodeCall(grid.payClaim, (1));
        if (which == 5) return abi.encodeCall(grid.submitReadings, (new ISmartMicrogrid.SignedReading[](0)));
        return abi.encodeCall(grid.closeSlot, (FIRST - WINDOW - 1, new uint32[](1)));
    }
}
