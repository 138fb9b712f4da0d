// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill, OrderTerms} from "contracts/Packing.sol";
import {Typed} from "./Typed.sol";
import {vm} from "./Vm.sol";
import {World} from "./World.sol";

/// @title Short ways to settle small books of the slot FIRST, and to say what must come of them
abstract contract Bench is World {
    uint96 internal constant PRICE = 100_000;

    /// @notice Members 1 to 3, the slot FIRST over; member 1 has delivered 5000 Wh in it.
    function openBench() internal {
        openMarket();
        for (uint32 m = 1; m <= 3; ++m) {
            join(m);
        }
        grid.advanceTo(FIRST + 1);
        meter(1, FIRST, 0, 5000);
    }

    function digestOf(ISmartMicrogrid.SignedTerms memory order, ISmartMicrogrid.Side side)
        internal
        view
        returns (bytes32)
    {
        return Typed.order(domain, orderOf(order.terms, FIRST, side));
    }

    function settlePair(ISmartMicrogrid.SignedTerms memory sell, ISmartMicrogrid.SignedTerms memory buy, uint64 wh)
        internal
    {
        grid.settle(clearing(FIRST, PRICE, 1), pair(sell, buy), fillsOf(fill(0, 1, wh)));
    }

    /// @notice The next call leaves out this order for this reason.
    function expectRefusal(
        ISmartMicrogrid.SignedTerms memory order,
        ISmartMicrogrid.Side side,
        ISmartMicrogrid.Fault fault
    ) internal {
        uint32 member = uint32(OrderTerms.unwrap(order.terms) >> 224);
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.OrderRejected(FIRST, member, digestOf(order, side), fault);
    }

    function expectNoFill(uint32 sell, uint32 buy, ISmartMicrogrid.Fault fault) internal {
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.FillRejected(FIRST, sell, buy, fault);
    }

    /// @notice Nothing moved, apart from what member 1 delivered.
    function assertUntouched() internal view {
        vm.assertEq(grid.positions(FIRST, 1), int256(5000), "energy of 1");
        vm.assertEq(grid.positions(FIRST, 2), int256(0), "energy of 2");
        vm.assertEq(grid.positions(FIRST, 3), int256(0), "energy of 3");
        for (uint256 m = 0; m <= 3; ++m) {
            vm.assertEq(grid.escrowOf(m), FUNDS, "money");
        }
        vm.assertEq(grid.uncollected() + grid.totalCollateral(), uint256(0), "nothing held");
    }

    function sold(uint64 wh, uint64 salt) internal view returns (ISmartMicrogrid.SignedTerms memory) {
        return signed(SELL, 1, wh, PRICE, salt);
    }

    function bought(uint32 member, uint64 wh, uint64 salt) internal view returns (ISmartMicrogrid.SignedTerms memory) {
        return signed(BUY, member, wh, PRICE + FEE, salt);
    }
}
