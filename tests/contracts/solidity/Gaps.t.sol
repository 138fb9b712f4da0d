// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill} from "contracts/Packing.sol";
import {vm} from "./support/Vm.sol";
import {World} from "./support/World.sol";

contract GapsTest is World {
    function setUp() public {
        token = deployToken();
        Rules memory these = rules();
        these.gridFee = 50_000;
        openMarket(these);
        join(1);
        join(2);
        grid.advanceTo(FIRST + 1);
    }

    function test_AnOrderThatIsSentTwiceIsFilledOnce() public {
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](6);
        orders[0] = signed(SELL, 1, 1000, 100_000, 7);
        orders[2] = orders[0];
        orders[3] = signed(BUY, 2, 1000, 300_000, 7);
        orders[5] = orders[3];
        // Between them one that makes the next one rise again.
        Fill[] memory fills = new Fill[](2);
        (fills[0], fills[1]) = (fill(0, 3, 1000), fill(2, 5, 1000));
        grid.settle(clearing(FIRST, 200_000, 3), orders, fills);
        vm.assertEq(grid.positions(FIRST, 2), int256(1000));
        vm.assertEq(grid.positions(FIRST, 1), -int256(1000));
        vm.assertEq(grid.escrowOf(2), FUNDS - 250_000);
    }
}
