// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {MarketBooks} from "./MarketBooks.sol";
import {Typed} from "./Typed.sol";
import {vm} from "./Vm.sol";

/// @title Offers of delivered energy, and orders that are withdrawn
abstract contract MarketOffers is MarketBooks {
    /// @dev Few different ones, so that the same offer is bought from, bought out and withdrawn.
    function makeOffer() private returns (ISmartMicrogrid.Order memory offer) {
        uint32 slot = uint32(current - 1 - draw(SLOTS_OPEN + 1) + draw(2));
        offer.member = drawMember();
        (offer.slot, offer.expirySlot, offer.side) = (slot, slot + SLOTS_OPEN, SELL);
        offer.energyWh = uint64(1000 * (1 + draw(2)));
        offer.limitPrice = uint96(60_000 * draw(2));
    }

    function transferEnergy(uint256 chance) external by(chance) {
        ISmartMicrogrid.Order memory offer = makeOffer();
        for (uint256 i = 0; i < 4 && position[offer.slot][offer.member] <= 0; ++i) {
            offer = makeOffer();
        }
        (bytes memory signature, bool good) = signOffer(offer, draw(3) == 0 ? draw(6) : 0);
        bytes32 digest = Typed.order(domain, offer);
        uint256 left = uint256(offer.energyWh) - filled[digest];
        uint64 wh = uint64(draw(2) == 0 ? draw(left + 2) : draw(200));
        uint32 buyer = drawMember();
        address caller = drawCaller(buyer);
        good = good && !cancelledOne[digest] && wh <= left && caller == owner(buyer) && allows(offer, buyer, wh);
        bool done = attempt(caller, abi.encodeCall(grid.transferEnergy, (offer, signature, buyer, wh)));
        expect("offer taken", done, good);
        if (!done) return;
        filled[digest] += wh;
        trade(offer.slot, offer.member, buyer, wh, offer.limitPrice);
    }

    /// @dev The flaw may be in the offer, before or after it was signed.
    function signOffer(ISmartMicrogrid.Order memory offer, uint256 flaw)
        private
        returns (bytes memory signature, bool good)
    {
        if (flaw == 2) offer.expirySlot = uint32(offer.slot + draw(3));
        if (flaw == 3) offer.side = BUY;
        uint256 key = flaw == 1 ? formerKey[offer.member] : ownerKey[offer.member];
        (bytes32 r, bytes32 vs) = vm.signCompact(key, Typed.order(domain, offer));
        if (flaw == 4) offer.limitPrice += 1;
        return (abi.encodePacked(r, vs), flaw != 1 && flaw != 3 && flaw != 4);
    }

    function allows(ISmartMicrogrid.Order memory offer, uint32 buyer, uint64 wh) private view returns (bool) {
        uint256 seller = offer.member;
        if (stopped || !active[seller] || !active[buyer]) return false;
        if (offer.slot >= current || windowPassed(offer.slot) || offer.expirySlot < current) return false;
        if (offer.expirySlot <= offer.slot) return false;
        int256 has = position[offer.slot][seller] < balance[seller] ? position[offer.slot][seller] : balance[seller];
        return has >= int256(uint256(wh)) && canTrade(offer.slot, seller, buyer, wh, offer.limitPrice);
    }

    function cancelOffer(uint256 chance) external by(chance) {
        ISmartMicrogrid.Order memory offer = makeOffer();
        address caller = drawCaller(offer.member);
        bool done = attempt(caller, abi.encodeCall(grid.cancelOrder, (offer)));
        expect("offer withdrawn", done, caller == owner(offer.member));
        if (done) cancelledOne[Typed.order(domain, offer)] = true;
    }

    function cancelOrder(uint256 chance) external by(chance) {
        uint32 slot = uint32(current + draw(4));
        Entry memory entry = makeEntry(slot, draw(2) == 0 ? BUY : SELL, 0);
        ISmartMicrogrid.Order memory order = orderOf(entry.order.terms, slot, entry.side);
        address caller = drawCaller(order.member);
        bool done = attempt(caller, abi.encodeCall(grid.cancelOrder, (order)));
        expect("order withdrawn", done, caller == owner(order.member) && slot > current);
        if (!done) return;
        entry.valid = false;
        cancelledOne[entry.digest] = true;
        withdrawn[slot].push(entry);
    }

    /// @dev The key stands for the owner: a new owner begins anew.
    function cancelThrough(uint256 chance) external by(chance) {
        uint32 m = drawMember();
        uint32 slot = uint32(current + draw(4));
        address caller = drawCaller(m);
        uint32 before = cancelledTo[ownerKey[m]];
        bool open = before != 0 && before < current && !windowPassed(before);
        bool done = attempt(caller, abi.encodeCall(grid.cancelThrough, (m, slot)));
        expect("all withdrawn", done, caller == owner(m) && slot > current && !open);
        if (!done) return;
        for (uint32 one = current + 1; one <= slot; ++one) {
            cancelledAll[ownerKey[m]][one] = true;
        }
        if (slot > before) cancelledTo[ownerKey[m]] = slot;
    }
}
