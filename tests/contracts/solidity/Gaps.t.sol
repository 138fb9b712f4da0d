// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill, OrderTerms, Settlement, Tariff} from "contracts/Packing.sol";
import {ITestToken, Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

struct Rules {
    ITestToken token;
    address admin;
    uint48 adminDelay;
    address utility;
    uint96 priceCap;
    uint96 gridFee;
    uint32 settlementWindow;
    uint32 firstSlot;
    uint32 slotSeconds;
    bool auditBatches;
    Tariff tariff;
}

contract GapsTest is Test {
    uint256 private constant SELLER = 0xA11CE;
    uint256 private constant BUYER = 0xB0B;
    ITestToken private token;
    ISmartMicrogrid private grid;

    function setUp() public {
        token = deployToken();
        Tariff tariff = Tariff.wrap((400_000 << 96) | 80_000);
        Rules memory rules = Rules(token, address(this), 0, address(0x0717), 1_000_000, 50_000, 4, 10, 0, false, tariff);
        grid = ISmartMicrogrid(deployGrid(abi.encode(rules)));
        grid.register(1, vm.addr(SELLER), address(0x51), 5000);
        grid.register(2, vm.addr(BUYER), address(0x52), 5000);
        token.mint(address(this), 1e9);
        token.approve(address(grid), 1e9);
        grid.deposit(1, 5e8);
        grid.deposit(2, 5e8);
        grid.advanceTo(11);
    }

    function sign(uint256 key, uint32 member, ISmartMicrogrid.Side side, uint64 wh, uint96 limit)
        private
        view
        returns (ISmartMicrogrid.SignedTerms memory)
    {
        ISmartMicrogrid.Order memory order = ISmartMicrogrid.Order(member, 10, side, wh, limit, 10, 7);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, grid.hashOrder(order));
        uint256 word = (uint256(member) << 224) | (uint256(wh) << 160) | (uint256(limit) << 64) | 7;
        return ISmartMicrogrid.SignedTerms(OrderTerms.wrap(word), r, vs);
    }

    function test_AnOrderThatIsSentTwiceIsFilledOnce() public {
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](6);
        orders[0] = sign(SELLER, 1, ISmartMicrogrid.Side.Sell, 1000, 100_000);
        orders[2] = orders[0];
        orders[3] = sign(BUYER, 2, ISmartMicrogrid.Side.Buy, 1000, 300_000);
        orders[5] = orders[3];
        // Between them one that makes the next one rise again.
        Fill[] memory fills = new Fill[](2);
        fills[0] = Fill.wrap((uint256(0) << 96) | (uint256(3) << 64) | 1000);
        fills[1] = Fill.wrap((uint256(2) << 96) | (uint256(5) << 64) | 1000);
        grid.settle(Settlement.wrap((uint256(200_000) << 64) | (10 << 32) | 3), orders, fills);
        vm.assertEq(grid.positions(10, 2), int256(1000));
        vm.assertEq(grid.positions(10, 1), -int256(1000));
        vm.assertEq(grid.escrowOf(2), 5e8 - 250_000);
    }
}
