// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill} from "contracts/Packing.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";
import {World} from "./support/World.sol";

/// @notice The most that the operator sends at once fits into a transaction in the worst case: storage that was never used,
/// the audit array on, energy that sellers lack, a utility that cannot pay. The figures are those of contracts/gas.py.
/// forge-config: default.isolate = true
contract FittingTest is World {
    uint256 private constant TRANSACTION_GAS = 16_777_216;
    uint256 private constant GAS_BASE = 150_000;
    uint256 private constant GAS_ORDER = 25_000;
    uint256 private constant GAS_FILL = 45_000;
    uint256 private constant GAS_READING = 50_000;
    uint32 private constant READINGS_AT_ONCE = 300;
    uint32 private constant CLOSED_AT_ONCE = 200;

    function openFor(uint32 members) private {
        token = deployToken();
        Rules memory these = rules();
        these.auditBatches = true;
        openMarket(these);
        for (uint32 m = 1; m <= members; ++m) {
            join(m);
        }
        grid.advanceTo(FIRST + 1);
    }

    function meterAll(uint32 count) private {
        ISmartMicrogrid.SignedReading[] memory readings = new ISmartMicrogrid.SignedReading[](count);
        for (uint32 m = 1; m <= count; ++m) {
            uint64 imported = m % 2 == 0 ? 1000 : 0;
            Typed.Reading memory reading = Typed.Reading(m, FIRST, FIRST, imported, 1000 - imported);
            readings[m - 1] = signReading(METER_KEYS + m, reading);
        }
        grid.submitReadings(readings);
    }

    function test_ReadingsAtOnce() public {
        openFor(READINGS_AT_ONCE);
        meterAll(READINGS_AT_ONCE);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        vm.assertEq(grid.energyBalance(READINGS_AT_ONCE), -int256(1000));
        vm.assertLt(gas, GAS_BASE + GAS_READING * READINGS_AT_ONCE);
        vm.assertLt(GAS_BASE + GAS_READING * READINGS_AT_ONCE, TRANSACTION_GAS);
    }

    /// @dev Nobody has money: the utility owes what it buys, and who bought from it is in debt.
    function test_ClosedAtOnce() public {
        openFor(CLOSED_AT_ONCE);
        for (uint32 m = 1; m <= CLOSED_AT_ONCE; ++m) {
            vm.prank(ownerOf(m));
            grid.withdraw(m, FUNDS);
        }
        meterAll(CLOSED_AT_ONCE);
        windowOver(FIRST);
        close(FIRST, 1, CLOSED_AT_ONCE);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        vm.assertGt(grid.claimOf(1), 0);
        vm.assertGt(grid.debtOf(2), 0);
        vm.assertLt(gas, TRANSACTION_GAS);
    }

    function test_APairIsAsCheapAsTheOperatorTakesItFor() public {
        settle(100, 100);
    }

    function test_OneSellerOfManyBuyersToo() public {
        settle(1, 200);
    }

    function test_OneBuyerOfManySellersToo() public {
        settle(200, 1);
    }

    function settle(uint32 sells, uint32 buys) private {
        openFor(sells + buys);
        uint32 count = sells > buys ? sells : buys;
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](sells + buys);
        for (uint32 i = 0; i < sells + buys; ++i) {
            bool sell = i < sells;
            uint64 wh = sell ? count / sells : count / buys;
            orders[i] =
                signTerms(OWNER_KEYS + 1 + i, terms(1 + i, wh, sell ? 100_000 : 200_000, 1), FIRST, sell ? SELL : BUY);
        }
        Fill[] memory fills = new Fill[](count);
        for (uint32 i = 0; i < count; ++i) {
            fills[i] = fill(i % sells, sells + i % buys, 1);
        }
        grid.settle(clearing(FIRST, 150_000, sells), orders, fills);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        vm.assertEq(grid.transactionCount(), count);
        vm.assertGt(grid.totalCollateral(), 0);
        vm.assertLt(gas, GAS_BASE + GAS_ORDER * orders.length + GAS_FILL * count);
    }
}
