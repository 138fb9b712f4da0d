// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill, OrderTerms} from "contracts/Packing.sol";
import {Bench} from "./support/Bench.sol";
import {vm} from "./support/Vm.sol";

/// @notice What a clearing can do with orders, and what it cannot.
contract AuctionTest is Bench {
    function setUp() public {
        openBench();
    }

    function test_ATradeIsExact() public {
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.EnergyTransferred(FIRST, 1, 2, 1001, PRICE, 110_110, ISmartMicrogrid.TradeKind.Auction);
        settlePair(sold(3000, 1), bought(2, 2000, 1), 1001);
        vm.assertEq(grid.positions(FIRST, 1), int256(3999));
        vm.assertEq(grid.positions(FIRST, 2), int256(1001));
        vm.assertEq(grid.escrowOf(1), FUNDS + 100_100);
        vm.assertEq(grid.escrowOf(2), FUNDS - 110_110);
        vm.assertEq(grid.uncollected(), uint256(10_010));
        vm.assertEq(grid.escrowOf(0), FUNDS);
        vm.assertTrue(grid.slotState(FIRST) == ISmartMicrogrid.SlotState.Settled);
        bytes32 words = keccak256(abi.encode(uint256(0), FIRST, 1, 2, 1001, PRICE, 110_110, 0));
        vm.assertEq(uint256(grid.tradesHash(FIRST)), uint256(uint160(uint256(words))));
    }

    function testFuzz_RoundingIsNeverForAMember(uint64 wh, uint96 price) public {
        wh = uint64(bound(wh, 1, 20_000));
        price = uint96(bound(price, 0, CAP));
        ISmartMicrogrid.SignedTerms memory sell = signed(SELL, 1, wh, 0, 1);
        ISmartMicrogrid.SignedTerms memory buy = signed(BUY, 2, wh, price + FEE, 1);
        grid.settle(clearing(FIRST, price, 1), pair(sell, buy), fillsOf(fill(0, 1, wh)));
        uint256 paid = FUNDS - grid.escrowOf(2);
        uint256 earned = grid.escrowOf(1) + grid.totalCollateral() - FUNDS;
        uint256 exact = uint256(wh) * (price + FEE);
        vm.assertTrue(paid * 1000 >= exact && paid * 1000 < exact + 1000, "cost is rounded up");
        exact = uint256(wh) * price;
        vm.assertTrue(earned * 1000 <= exact && exact < earned * 1000 + 1000, "proceeds are rounded down");
        vm.assertEq(grid.uncollected(), paid - earned);
        windowOver(FIRST);
        grid.closeSlot(FIRST, new uint32[](0));
        vm.assertEq(grid.escrowOf(0), FUNDS + paid - earned, "fee and dust are the utility's");
        vm.assertEq(grid.uncollected(), uint256(0));
    }

    function testFuzz_BothLimitsHold(uint96 price, uint96 least, uint96 most) public {
        price = uint96(bound(price, 0, 2 * CAP));
        least = uint96(bound(least, 0, 2 * CAP));
        most = uint96(bound(most, 0, 2 * CAP));
        // Near the limit half of the time.
        if (least % 2 == 0) least = price + uint96(least % 3) - (price == 0 ? 0 : 1);
        if (most % 2 == 0) most = price + FEE + uint96(most % 3) - 1;
        ISmartMicrogrid.SignedTerms memory sell = signed(SELL, 1, 1000, least, 1);
        ISmartMicrogrid.SignedTerms memory buy = signed(BUY, 2, 1000, most, 1);
        if (least > price) expectRefusal(sell, SELL, ISmartMicrogrid.Fault.LimitPassed);
        if (most < price + FEE) expectRefusal(buy, BUY, ISmartMicrogrid.Fault.LimitPassed);
        grid.settle(clearing(FIRST, price, 1), pair(sell, buy), fillsOf(fill(0, 1, 1000)));
        bool fair = least <= price && most >= price + FEE;
        vm.assertEq(grid.positions(FIRST, 2), fair ? int256(1000) : int256(0));
    }

    /// @dev No price is high enough to wrap around: neither limit nor cost.
    function testFuzz_HugePricesAreNoWayAround(uint96 price, uint96 most) public {
        price = uint96(bound(price, type(uint96).max - 2 * FEE, type(uint96).max));
        ISmartMicrogrid.SignedTerms memory buy = signed(BUY, 2, 5000, most, 1);
        grid.settle(clearing(FIRST, price, 1), pair(sold(5000, 1), buy), fillsOf(fill(0, 1, 5000)));
        assertUntouched();
    }

    function testFuzz_NoOrderIsOverFilled(uint64[4] memory wh, uint64 most) public {
        most = uint64(bound(most, 1, 4000));
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](3);
        (orders[0], orders[1], orders[2]) = (sold(most, 1), bought(2, 2000, 1), bought(3, 2000, 1));
        Fill[] memory fills = new Fill[](4);
        uint256 left = most;
        uint256[2] memory buyersLeft = [uint256(2000), 2000];
        for (uint32 i = 0; i < 4; ++i) {
            wh[i] = uint64(wh[i] % 4 == 0 ? wh[i] : bound(wh[i], 0, 2500));
            fills[i] = fill(0, 1 + i % 2, wh[i]);
            if (wh[i] == 0 || wh[i] > left || wh[i] > buyersLeft[i % 2]) {
                expectNoFill(0, 1 + i % 2, ISmartMicrogrid.Fault.OverFilled);
                continue;
            }
            left -= wh[i];
            buyersLeft[i % 2] -= wh[i];
        }
        grid.settle(clearing(FIRST, PRICE, 1), orders, fills);
        vm.assertEq(grid.positions(FIRST, 1), int256(5000 - most + left));
        vm.assertEq(grid.positions(FIRST, 2), int256(2000 - buyersLeft[0]));
        vm.assertEq(grid.positions(FIRST, 3), int256(2000 - buyersLeft[1]));
    }

    /// @dev Member, quantity, limit and salt are all signed.
    function testFuzz_EditedTermsAreNotSigned(uint256 edit, bool seller) public {
        if (edit % 3 != 0) edit = 1 << (edit % 256);
        ISmartMicrogrid.SignedTerms memory sell = sold(3000, 1);
        ISmartMicrogrid.SignedTerms memory buy = bought(2, 3000, 1);
        ISmartMicrogrid.SignedTerms memory edited = seller ? sell : buy;
        edited.terms = OrderTerms.wrap(OrderTerms.unwrap(edited.terms) ^ edit);
        settlePair(sell, buy, 1000);
        if (edit != 0) assertUntouched();
        else vm.assertEq(grid.positions(FIRST, 2), int256(1000));
    }

    function testFuzz_FillsOfNothingAreLeftOut(uint32 sell, uint32 buy, uint32 sells) public {
        (sell, buy) = (sell % 2 == 0 ? sell : sell % 4, buy % 2 == 0 ? buy : buy % 4);
        sells = sells % 2 == 0 ? sells : sells % 4;
        ISmartMicrogrid.SignedTerms[] memory orders = pair(sold(1000, 1), bought(2, 1000, 1));
        bool good = sell == 0 && buy == 1 && sells == 1;
        grid.settle(clearing(FIRST, PRICE, sells), orders, fillsOf(fill(sell, buy, 1000)));
        if (good) vm.assertEq(grid.positions(FIRST, 2), int256(1000));
        else assertUntouched();
    }

    function test_IndicesBeyondTheBookAreNamed() public {
        uint32[2][4] memory places = [[uint32(1), 1], [uint32(0), 0], [uint32(0), 2], [type(uint32).max, 1]];
        Fill[] memory fills = new Fill[](4);
        for (uint256 i = 0; i < 4; ++i) {
            fills[i] = fill(places[i][0], places[i][1], 1);
            expectNoFill(places[i][0], places[i][1], ISmartMicrogrid.Fault.NoSuchOrder);
        }
        grid.settle(clearing(FIRST, PRICE, 1), pair(sold(1000, 1), bought(2, 1000, 1)), fills);
        assertUntouched();
    }

    /// @dev One bad order and one bad fill cost only themselves, wherever they stand.
    function testFuzz_ABadOrderDoesNotBlockOthers(uint256 place, bytes32 r, bytes32 vs, uint64 wh) public {
        place %= 3;
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](5);
        for (uint64 i = 0; i < 3; ++i) {
            orders[i] = sold(1000, i);
        }
        (orders[3], orders[4]) = (bought(2, 1000, 1), bought(3, 1000, 1));
        (orders[place].r, orders[place].vs) = (r, vs);
        Fill[] memory fills = new Fill[](3);
        (fills[0], fills[1]) = (fill(uint32(place), 3, wh), fill(uint32((place + 1) % 3), 3, 1000));
        fills[2] = fill(uint32((place + 2) % 3), 4, 1000);
        grid.settle(clearing(FIRST, PRICE, 3), orders, fills);
        vm.assertEq(grid.positions(FIRST, 2), int256(1000));
        vm.assertEq(grid.positions(FIRST, 3), int256(1000));
    }
}
