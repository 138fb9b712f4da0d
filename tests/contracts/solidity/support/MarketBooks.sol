// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISmartMicrogrid} from "contracts/ISmartMicrogrid.sol";
import {Fill, OrderTerms, Settlement} from "contracts/Packing.sol";
import {MarketPeople} from "./MarketPeople.sol";
import {Typed} from "./Typed.sol";
import {Vm, vm} from "./Vm.sol";

/// @title Random books of orders, well and badly signed, and what may come of them
/// @dev What the market did is read from its events, one of each fill, and every trade has to be one that its two orders
/// allow; in a book without flaws every fill that is possible has to be made, too.
abstract contract MarketBooks is MarketPeople {
    struct Entry {
        ISmartMicrogrid.SignedTerms order;
        ISmartMicrogrid.Side side;
        bytes32 digest;
        bool valid;
    }

    mapping(ISmartMicrogrid.Fault => uint256) public refused;
    mapping(bytes32 order => uint256) public filled;
    mapping(bytes32 order => bool) internal cancelledOne;
    mapping(uint256 key => mapping(uint256 slot => bool)) internal cancelledAll;
    mapping(uint256 key => uint32) internal cancelledTo;
    mapping(uint256 slot => Entry[]) internal withdrawn;

    // ---- orders -----------------------------------------------------------------------------------------------

    function makeEntry(uint32 slot, ISmartMicrogrid.Side side, uint256 flaw) internal returns (Entry memory entry) {
        uint32 m = flaw == 1 ? uint32(draw(2) * (MEMBERS + 1)) : drawMember();
        uint64 wh = uint64(100 * (1 + draw(30)) + draw(3));
        uint96 limit = uint96(side == SELL ? draw(200_000) : 200_000 + draw(300_000));
        OrderTerms these = terms(m, wh, limit, uint64(draw(4)));
        entry =
            Entry(signTerms(signer(m, flaw), these, flaw == 3 ? slot + 1 : slot, side), side, 0, flaw == 0 || flaw > 6);
        if (flaw == 4) entry.order = signTerms(signer(m, 0), these, slot, side == SELL ? BUY : SELL);
        if (flaw == 5) entry.order.terms = OrderTerms.wrap(OrderTerms.unwrap(these) + (uint256(1 + draw(100)) << 160));
        if (flaw == 6) entry.order.vs ^= bytes32(uint256(1) << 255);
        entry.digest = Typed.order(domain, orderOf(entry.order.terms, slot, side));
        if (!active[m] || cancelledOne[entry.digest] || cancelledAll[ownerKey[m]][slot]) entry.valid = false;
        if (entry.valid && draw(16) == 0 && withdrawn[slot].length != 0) {
            Entry memory old = withdrawn[slot][draw(withdrawn[slot].length)];
            if (old.side == side) return old;
        }
    }

    function signer(uint256 m, uint256 flaw) private returns (uint256) {
        if (m == 0 || m > MEMBERS) return draw(2) == 0 ? UTILITY_KEY : 666;
        if (flaw != 2) return ownerKey[m];
        return draw(2) == 0 || meterKey[m] == 0 ? formerKey[m] : meterKey[m];
    }

    /// @dev Sell orders first. Unless it is wild, each side rises and has nothing twice.
    function makeBook(uint32 slot, uint256 sells, uint256 size, bool wild) private returns (Entry[] memory book) {
        book = new Entry[](size);
        bool unsorted = wild && draw(2) == 0;
        for (uint256 i = 0; i < size; ++i) {
            book[i] = makeEntry(slot, i < sells ? SELL : BUY, wild ? draw(16) : 0);
            uint256 from = i < sells ? 0 : sells;
            if (wild && i > from && draw(unsorted ? 2 : 4) == 0) book[i] = book[from + draw(i - from)];
            for (uint256 j = i; j > from && !unsorted; --j) {
                if (word(book[j]) > word(book[j - 1])) break;
                (book[j], book[j - 1]) = (book[j - 1], book[j]);
            }
        }
    }

    function word(Entry memory entry) private pure returns (uint256) {
        return OrderTerms.unwrap(entry.order.terms);
    }

    // ---- settling ---------------------------------------------------------------------------------------------

    function settle(uint256 chance) external by(chance) {
        uint32 slot = drawSlot();
        if (draw(4) != 0 && !settled[current - 1]) slot = current - 1;
        bool wild = draw(2) == 0;
        uint96 price = uint96(100_000 + draw(200_000));
        uint256 sells = 1 + draw(4);
        Entry[] memory book = makeBook(slot, sells, sells + 1 + draw(4), wild);
        Fill[] memory fills = makeFills(sells, book, wild);
        if (!send(clearing(slot, price, uint32(sells)), book, fills, draw(3) == 0 ? STRANGER : address(this), slot)) {
            return;
        }
        settled[slot] = true;
        follow(slot, price, sells, book, fills, !wild);
    }

    function makeFills(uint256 sells, Entry[] memory book, bool wild) private returns (Fill[] memory fills) {
        fills = new Fill[](draw(8));
        for (uint256 i = 0; i < fills.length; ++i) {
            uint256 sell = draw(wild && draw(4) == 0 ? book.length : sells);
            uint256 buy = wild && draw(4) == 0 ? draw(book.length + 1) : sells + draw(book.length - sells);
            uint256 most = uint64(word(book[sell]) >> 160);
            fills[i] = fill(uint32(sell), uint32(buy), uint64(draw(wild ? 2 : 6) == 0 ? most : draw(most / 4)));
        }
    }

    function send(Settlement settlement, Entry[] memory book, Fill[] memory fills, address caller, uint32 slot)
        private
        returns (bool done)
    {
        ISmartMicrogrid.SignedTerms[] memory orders = new ISmartMicrogrid.SignedTerms[](book.length);
        for (uint256 i = 0; i < book.length; ++i) {
            orders[i] = book[i].order;
        }
        bool turn = caller == address(this) || current > slot + SLOTS_OPEN / 2;
        bool allowed = turn && !stopped && slot < current && !windowPassed(slot) && !settled[slot];
        vm.recordLogs();
        done = attempt(caller, abi.encodeCall(grid.settle, (settlement, orders, fills)));
        expect("settled", done, allowed);
    }

    function follow(uint32 slot, uint96 price, uint256 sells, Entry[] memory book, Fill[] memory fills, bool clean)
        private
    {
        bool[] memory made = outcomes(fills.length);
        for (uint256 i = 0; i < fills.length; ++i) {
            (uint256 s, uint256 b, uint256 wh) = (fills[i].sellIndex(), fills[i].buyIndex(), fills[i].energyWh());
            bool possible = s < sells && b >= sells && b < book.length && mayTrade(slot, book[s], book[b], price, wh);
            if (!made[i]) {
                vm.assertFalse(possible && clean, "a good fill is made");
                continue;
            }
            vm.assertTrue(possible, "a fill keeps to what two orders allow");
            filled[book[s].digest] += wh;
            filled[book[b].digest] += wh;
            if (lackedWh(slot, memberOf(book[s]), wh) != 0) ++happened["collateral"];
            trade(slot, memberOf(book[s]), memberOf(book[b]), wh, price);
            ++happened["traded"];
        }
    }

    function mayTrade(uint32 slot, Entry memory sell, Entry memory buy, uint96 price, uint256 wh)
        private
        view
        returns (bool)
    {
        return may(sell, price, wh) && may(buy, price, wh) && canTrade(slot, memberOf(sell), memberOf(buy), wh, price);
    }

    /// @dev Each fill has left one event, in their order.
    function outcomes(uint256 fills) private returns (bool[] memory made) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        made = new bool[](fills);
        uint256 next;
        for (uint256 i = 0; i < logs.length; ++i) {
            bool moved = logs[i].topics[0] == ISmartMicrogrid.EnergyTransferred.selector;
            bool fill_ = moved || logs[i].topics[0] == ISmartMicrogrid.FillRejected.selector;
            if (fill_) made[next++] = moved;
            if (!fill_ && logs[i].topics[0] != ISmartMicrogrid.OrderRejected.selector || moved) continue;
            // The fault is the last word of both events.
            bytes memory data = logs[i].data;
            uint256 fault;
            assembly ("memory-safe") {
                fault := mload(add(data, mload(data)))
            }
            ++refused[ISmartMicrogrid.Fault(fault)];
        }
        vm.assertEq(next, fills, "one event of each fill");
    }

    function memberOf(Entry memory entry) private pure returns (uint256) {
        return word(entry) >> 224;
    }

    /// @dev Signed and not withdrawn, its limit kept, and enough of it left.
    function may(Entry memory entry, uint96 price, uint256 wh) private view returns (bool) {
        uint256 limit = uint96(word(entry) >> 64);
        bool kept = entry.side == SELL ? limit <= price : limit >= price + FEE;
        return entry.valid && kept && filled[entry.digest] + wh <= uint64(word(entry) >> 160);
    }
}
