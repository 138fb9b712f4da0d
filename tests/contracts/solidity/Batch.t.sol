// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill} from "contracts/Packing.sol";
import {vm} from "./support/Vm.sol";
import {World} from "./support/World.sol";

/// @notice A whole neighbourhood settles in one transaction, which may use 2^24 gas (EIP-7825).
/// @dev Isolated: each call is a transaction of its own, with cold storage and the price of its data.
/// forge-config: default.isolate = true
contract BatchTest is World {
    uint256 private constant TRANSACTION_GAS = 16_777_216;
    uint32 private constant SLOT = FIRST + 129;

    event Used(string what, uint256 trades, uint256 gas);

    /// @dev A market in its second round of the slot ring, in which every member has traded and metered before.
    function openBatch(bool audit, uint32 pairs) private {
        token = deployToken();
        Rules memory these = rules();
        these.auditBatches = audit;
        openMarket(these);
        for (uint32 m = 1; m <= 2 * pairs; ++m) {
            join(m);
        }
        grid.advanceTo(FIRST + 2);
        meterAll(FIRST + 1, pairs, 1000);
        settleAll(FIRST + 1, pairs);
        grid.advanceTo(SLOT + 1);
        close(FIRST + 1, 1, 2 * pairs);
    }

    function meterAll(uint32 slot, uint32 pairs, uint64 register) private {
        for (uint32 m = 1; m <= 2 * pairs; ++m) {
            meter(m, slot, m > pairs ? register : 0, m > pairs ? 0 : register);
        }
    }

    /// @dev Each of `pairs` sellers sells to a buyer of its own.
    function settleAll(uint32 slot, uint32 pairs) private returns (uint256) {
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](2 * pairs);
        Fill[] memory fills = new Fill[](pairs);
        for (uint32 i = 0; i < pairs; ++i) {
            orders[i] = signTerms(OWNER_KEYS + 1 + i, terms(1 + i, 1000, 100_000, 1), slot, SELL);
            uint32 buyer = 1 + pairs + i;
            orders[pairs + i] = signTerms(OWNER_KEYS + buyer, terms(buyer, 1000, 200_000, 1), slot, BUY);
            fills[i] = fill(i, pairs + i, 1000);
        }
        grid.settle(clearing(slot, 150_000, pairs), orders, fills);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        vm.assertEq(grid.positions(slot, 2 * pairs) - grid.positions(slot, 0), grid.positions(slot, pairs + 1));
        return gas;
    }

    function measure(string memory what, bool audit, bool metered, uint32 pairs) private {
        openBatch(audit, pairs);
        if (metered) meterAll(SLOT, pairs, 2500);
        uint256 gas = settleAll(SLOT, pairs);
        vm.assertEq(grid.escrowOf(2 * pairs), grid.escrowOf(pairs + 1), "all have traded");
        vm.assertEq(grid.totalCollateral() == 0, metered, "who has metered needs no collateral");
        emit Used(what, pairs, gas);
        vm.assertLt(gas, TRANSACTION_GAS, what);
    }

    function test_FourHundredTradesOfDeliveredEnergyFit() public {
        measure("delivered", false, true, 400);
    }

    function test_TheMostTradesOfDeliveredEnergy() public {
        measure("delivered, most", false, true, 560);
    }

    function test_TradesInTheAuditArray() public {
        measure("delivered, audited", true, true, 300);
    }

    function test_TradesWithCollateral() public {
        measure("lacking", false, false, 270);
    }

    function test_TradesWithCollateralInTheAuditArray() public {
        measure("lacking, audited", true, false, 195);
    }
}
