// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Bench} from "./support/Bench.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// @notice Offers of delivered energy. Member 1 delivered 5000 Wh in the slot FIRST.
contract WindowTest is Bench {
    function setUp() public {
        openBench();
    }

    function offered() private pure returns (ISmartMicrogrid.Order memory) {
        return ISmartMicrogrid.Order(1, FIRST, SELL, 3000, PRICE, FIRST + 4, 1);
    }

    function signOffer(uint256 key, ISmartMicrogrid.Order memory offer) private view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, Typed.order(domain, offer));
        return abi.encodePacked(r, vs);
    }

    function take(ISmartMicrogrid.Order memory offer, uint32 buyer, uint64 wh) private {
        bytes memory signature = signOffer(OWNER_KEYS + offer.member, offer);
        vm.prank(ownerOf(buyer));
        grid.transferEnergy(offer, signature, buyer, wh);
    }

    function refuse(ISmartMicrogrid.Order memory offer, uint32 buyer, uint64 wh, ISmartMicrogrid.Fault fault) private {
        bytes memory signature = signOffer(OWNER_KEYS + offer.member, offer);
        bytes32 digest = Typed.order(domain, offer);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.OfferInvalid.selector, digest, fault));
        vm.prank(ownerOf(buyer));
        grid.transferEnergy(offer, signature, buyer, wh);
    }

    function testFuzz_AnOfferIsOneExactSwap(uint64 wh, uint96 price) public {
        wh = uint64(bound(wh, 1, 3000));
        ISmartMicrogrid.Order memory offer = offered();
        offer.limitPrice = uint96(bound(price, 0, CAP));
        uint256 cost = (uint256(wh) * (offer.limitPrice + FEE) + 999) / 1000;
        vm.expectEmit(address(grid));
        emit ISmartMicrogrid.EnergyTransferred(FIRST, 1, 2, wh, offer.limitPrice, cost, ISmartMicrogrid.TradeKind.Offer);
        take(offer, 2, wh);
        uint256 proceeds = uint256(wh) * offer.limitPrice / 1000;
        vm.assertEq(grid.escrowOf(1), FUNDS + proceeds);
        vm.assertEq(grid.escrowOf(2), FUNDS - cost);
        vm.assertEq(grid.uncollected(), cost - proceeds);
        vm.assertEq(grid.positions(FIRST, 1), int256(5000 - uint256(wh)));
        vm.assertEq(grid.positions(FIRST, 2), int256(uint256(wh)));
        (uint32 slot, uint32 seller, uint32 buyer, uint64 energyWh, uint96 paid) = grid.transactions(0);
        vm.assertTrue(slot == FIRST && seller == 1 && buyer == 2 && energyWh == wh && paid == cost, "audit");
    }

    function testFuzz_PartsUpToTheWhole(uint64[3] memory parts) public {
        uint256 left = 3000;
        for (uint32 i = 0; i < 3; ++i) {
            parts[i] = uint64(parts[i] % 3 == 0 ? left : bound(parts[i], 0, 2000));
            if (parts[i] == 0) {
                refuse(offered(), 2, 0, ISmartMicrogrid.Fault.NoEnergy);
            } else if (parts[i] > left) {
                refuse(offered(), 3, parts[i], ISmartMicrogrid.Fault.OverFilled);
            } else {
                take(offered(), 2 + i % 2, parts[i]);
                left -= parts[i];
            }
            vm.assertEq(grid.filledWh(Typed.order(domain, offered())), 3000 - left);
        }
        vm.assertEq(grid.positions(FIRST, 1), int256(2000 + left));
    }

    function test_EachFaultIsNamed() public {
        ISmartMicrogrid.Order memory offer = offered();
        offer.side = BUY;
        refuse(offer, 2, 1, ISmartMicrogrid.Fault.NotAnOffer);
        offer = offered();
        offer.expirySlot = FIRST;
        refuse(offer, 2, 1, ISmartMicrogrid.Fault.NotAnOffer);
        (offer.slot, offer.expirySlot) = (FIRST + 1, FIRST + 9);
        refuse(offer, 2, 1, ISmartMicrogrid.Fault.SlotNotOver);
        refuse(offered(), 1, 1, ISmartMicrogrid.Fault.SelfTrade);
        vm.prank(ownerOf(1));
        grid.cancelOrder(offered());
        refuse(offered(), 2, 1, ISmartMicrogrid.Fault.Cancelled);
    }

    /// @dev Through its last slot, and never beyond the window.
    function testFuzz_AnOfferExpires(uint32 expiry, uint32 time) public {
        ISmartMicrogrid.Order memory offer = offered();
        offer.expirySlot = expiry = uint32(bound(expiry, FIRST + 1, FIRST + 12));
        time = uint32(bound(time, FIRST + 1, FIRST + 12));
        if (time > FIRST + 1) grid.advanceTo(time);
        bool over = time > expiry || time > FIRST + WINDOW;
        if (over) refuse(offer, 2, 100, ISmartMicrogrid.Fault.Expired);
        else take(offer, 2, 100);
        vm.assertEq(grid.positions(FIRST, 2), over ? int256(0) : int256(100));
    }

    /// @dev Nobody else's signature, and none of other terms, whatever is edited.
    function testFuzz_OnlyTheSellersWordCounts(uint256 key, uint8 field, uint32 by) public {
        ISmartMicrogrid.Order memory offer = offered();
        if (by == 0) by = 1;
        key = field % 6 == 0 ? bound(key, 1, type(uint128).max) : OWNER_KEYS + 1;
        vm.assume(field % 6 != 0 || key != OWNER_KEYS + 1);
        bytes memory signature = signOffer(key, offer);
        unchecked {
            if (field % 6 == 1) offer.limitPrice -= uint96(1 + by % PRICE);
            if (field % 6 == 2) offer.energyWh += by;
            if (field % 6 == 3) offer.expirySlot += 1 + by % 1000;
            if (field % 6 == 4) offer.salt += by;
            if (field % 6 == 5) offer.member = 3;
        }
        meter(3, FIRST, 0, 5000);
        bytes32 digest = Typed.order(domain, offer);
        vm.expectRevert(
            abi.encodeWithSelector(ISmartMicrogrid.OfferInvalid.selector, digest, ISmartMicrogrid.Fault.NotSigned)
        );
        vm.prank(ownerOf(2));
        grid.transferEnergy(offer, signature, 2, 100);
    }

    /// @dev Delivered in the slot and not sold, and no more than the whole balance.
    function testFuzz_OnlyWhatIsThereIsSold(uint64 imported, uint64 wh) public {
        grid.advanceTo(FIRST + 2);
        imported = uint64(bound(imported, 0, 7000));
        submit(signReading(METER_KEYS + 1, Typed.Reading(1, FIRST + 1, FIRST + 1, imported, 5000)));
        wh = uint64(bound(wh, 1, 3000));
        uint256 there = imported > 5000 ? 0 : 5000 - imported;
        if (there < wh) {
            bytes memory signature = signOffer(OWNER_KEYS + 1, offered());
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.InsufficientEnergy.selector, 1, there, wh));
            vm.prank(ownerOf(2));
            grid.transferEnergy(offered(), signature, 2, wh);
        } else {
            take(offered(), 2, wh);
        }
        vm.assertEq(grid.positions(FIRST, 2), there < wh ? int256(0) : int256(uint256(wh)));
    }

    function testFuzz_OnlyTheBuyersOwnerBuys(address caller) public {
        vm.assume(caller != ownerOf(2));
        bytes memory signature = signOffer(OWNER_KEYS + 1, offered());
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.NotOwner.selector, 2, caller));
        vm.prank(caller);
        grid.transferEnergy(offered(), signature, 2, 100);
    }

    function test_WhoCannotPayOrIsOutBuysNothing() public {
        bytes memory signature = signOffer(OWNER_KEYS + 1, offered());
        vm.startPrank(ownerOf(2));
        grid.withdraw(2, FUNDS - 109_999);
        vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.InsufficientEscrow.selector, 2, 109_999, 110_000));
        grid.transferEnergy(offered(), signature, 2, 1000);
        vm.stopPrank();
        for (uint32 out = 1; out <= 3; out += 2) {
            grid.setActive(out, false);
            vm.expectRevert(abi.encodeWithSelector(ISmartMicrogrid.UnknownMember.selector, out));
            vm.prank(ownerOf(3));
            grid.transferEnergy(offered(), signature, 3, 100);
            grid.setActive(out, true);
        }
        grid.setPaused(true);
        vm.expectRevert(ISmartMicrogrid.MarketPaused.selector);
        vm.prank(ownerOf(3));
        grid.transferEnergy(offered(), signature, 3, 100);
    }
}
