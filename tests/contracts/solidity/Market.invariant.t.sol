// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {InvariantTest} from "./support/InvariantTest.sol";
import {MarketHandler} from "./support/MarketHandler.sol";
import {IGrid} from "./support/Grid.sol";
import {ITestToken} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice A market that anybody may do anything with keeps to the model, and neither money nor energy comes or goes.
contract MarketInvariantTest is InvariantTest {
    uint256 private constant MEMBERS = 6;
    uint32 private constant RECENT = 6;
    MarketHandler private handler;
    IGrid private grid;
    ITestToken private token;

    function setUp() public {
        handler = new MarketHandler();
        (grid, token) = handler.market();
        target(address(handler), calls());
    }

    /// @dev One that is listed more often is called more often.
    function calls() private view returns (bytes4[] memory selectors) {
        bytes4[26] memory listed = [
            handler.settle.selector,
            handler.settle.selector,
            handler.settle.selector,
            handler.settle.selector,
            handler.meter.selector,
            handler.meter.selector,
            handler.meter.selector,
            handler.advance.selector,
            handler.meter.selector,
            handler.advance.selector,
            handler.advance.selector,
            handler.transferEnergy.selector,
            handler.transferEnergy.selector,
            handler.close.selector,
            handler.close.selector,
            handler.deposit.selector,
            handler.withdraw.selector,
            handler.deposit.selector,
            handler.payClaim.selector,
            handler.cancelOrder.selector,
            handler.cancelThrough.selector,
            handler.cancelOffer.selector,
            handler.post.selector,
            handler.people.selector,
            handler.pause.selector,
            handler.intrude.selector
        ];
        selectors = new bytes4[](listed.length);
        for (uint256 i = 0; i < listed.length; ++i) {
            selectors[i] = listed[i];
        }
    }

    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_MoneyAndEnergyAreConserved() public view {
        checkMoney();
        checkEnergy();
        uint32 current = handler.current();
        for (uint32 slot = current - RECENT; slot <= current; ++slot) {
            checkSlot(slot);
        }
    }

    function checkMoney() private view {
        uint256 sum = grid.uncollected() + grid.totalCollateral();
        uint256 claims;
        for (uint256 m = 0; m <= MEMBERS; ++m) {
            sum += grid.escrowOf(m);
            claims += grid.claimOf(m);
            vm.assertEq(grid.escrowOf(m), handler.money(m), "money moves only as its owner or its meter allowed");
            vm.assertEq(grid.debtOf(m), handler.debt(m), "debt");
            vm.assertEq(grid.claimOf(m), handler.claim(m), "claim");
            vm.assertLe(grid.debtOf(m), handler.consumption(m), "debt is for what its meter counted");
            vm.assertTrue(grid.debtOf(m) == 0 || grid.escrowOf(m) == 0, "who is in debt has no money");
        }
        vm.assertEq(grid.totalEscrow(), sum, "the total is the sum of all money");
        vm.assertEq(token.balanceOf(address(grid)), sum, "the tokens are there, to the base unit");
        vm.assertEq(grid.totalClaims(), claims, "the total is the sum of all claims");
        vm.assertEq(grid.totalCollateral(), handler.held(), "collateral");
    }

    function checkEnergy() private view {
        int256 sum = grid.energyBalance(0);
        vm.assertEq(sum, handler.balance(0), "the utility's energy");
        for (uint256 m = 1; m <= MEMBERS; ++m) {
            vm.assertEq(
                grid.energyBalance(m), handler.balance(m), "energy moves only as its owner or its meter allowed"
            );
            sum += grid.energyBalance(m);
        }
        vm.assertEq(sum, handler.meteredWh(), "energy comes from meters only");
    }

    function checkSlot(uint32 slot) private view {
        for (uint256 m = 0; m <= MEMBERS; ++m) {
            vm.assertEq(grid.positions(slot, m), handler.position(slot, m), "position");
            vm.assertEq(grid.collateralOf(slot, m), handler.collateral(slot, m), "collateral of a slot");
        }
    }

    // ---- the end ----------------------------------------------------------------------------------------------

    /// @notice Whatever has happened: positions add up, owners take out what is free, and when all is closed, everything.
    function afterInvariant() public {
        for (uint256 m = 1; m <= MEMBERS; ++m) {
            int256 sum;
            for (uint256 i = 0; i < handler.touchedCount(); ++i) {
                sum += grid.positions(handler.touched(i), m);
            }
            vm.assertEq(sum, grid.energyBalance(m), "a balance is the sum of its positions");
            handler.takeOut(m);
        }
        handler.takeOut(0);
        checkMoney();
        handler.finish();
        for (uint256 i = 0; i < handler.touchedCount(); ++i) {
            handler.closeAll(handler.touched(i));
        }
        checkMoney();
        for (uint256 m = 1; m <= MEMBERS; ++m) {
            vm.assertEq(grid.energyBalance(m), int256(0), "all energy is closed");
            handler.takeOut(m);
            vm.assertEq(grid.escrowOf(m), uint256(0), "all money is out");
        }
        vm.assertEq(grid.totalCollateral(), uint256(0), "no collateral is left");
        vm.assertEq(grid.uncollected(), uint256(0), "no fee is left");
        vm.assertEq(token.balanceOf(address(grid)), grid.escrowOf(0), "what is left is the utility's");
        checkEnergy();
    }

    /// @notice What the handler never does is not tested: a long run of it has everything.
    function test_EverythingHappens() public {
        bytes4[] memory selectors = calls();
        for (uint256 i = 0; i < 6000; ++i) {
            uint256 chance = uint256(keccak256(abi.encode("happens", i)));
            bytes memory call = abi.encodeWithSelector(selectors[chance % selectors.length], chance);
            (bool done, bytes memory why) = address(handler).call(call);
            vm.assertTrue(done, string(why));
        }
        string[6][4] memory names = [
            ["deposited", "withdrawn", "metered", "settled", "traded", "collateral"],
            ["collateral released", "offer taken", "offer withdrawn", "order withdrawn", "all withdrawn", "closed"],
            ["fed in", "bought from the utility", "in debt", "debt repaid", "claim", "claim paid"],
            ["tariff posted", "meter changed", "owner proposed", "owner changed", "intruder refused", "traded"]
        ];
        for (uint256 i = 0; i < 24; ++i) {
            vm.assertGe(handler.happened(names[i / 6][i % 6]), uint256(2), names[i / 6][i % 6]);
        }
        for (uint256 fault = 1; fault <= uint256(ISmartMicrogrid.Fault.CollateralShort); ++fault) {
            if (ISmartMicrogrid.Fault(fault) == ISmartMicrogrid.Fault.NoEnergy) continue;
            vm.assertGe(handler.refused(ISmartMicrogrid.Fault(fault)), uint256(1), "each fault is met");
        }
        invariant_MoneyAndEnergyAreConserved();
        afterInvariant();
    }
}
