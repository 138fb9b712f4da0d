"""Who trades with whom, as columns: cumulative sums of both sides are merged, and each overlap is a pair.

n offers and m bids give at most n + m - 1 pairs, in n log n, without a loop over orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from contracts.balances import Tariff
from contracts.order_book import Book, Column


class Terms(NamedTuple):
    """What holds for a whole auction, in the book's units."""

    grid_fee: int = 0
    """Paid by the buyer on top of the price; a bid's limit includes it [price unit]"""
    tariff: Tariff | None = None
    """What the utility charges and pays; some mechanisms need it [price unit]"""


NO_TERMS = Terms()
"""No fee, no tariffs."""


class Ladder(NamedTuple):
    """One side of the book in the order in which it comes to trade."""

    rows: Column
    """Rows of the book."""
    prices: Column
    """Lowest price of a seller, or highest of a buyer after the fee [price unit]"""
    ends: Column
    """Energy of this order and all before it [energy unit]"""


class Pairs(NamedTuple):
    """Overlaps of two ladders: their steps and the energy."""

    sells: Column
    buys: Column
    energies: Column


@dataclass(frozen=True, eq=False)
class Match:
    """What a mechanism came to; one row for each pair."""

    sells: Column
    """Row of the offer in the book."""
    buys: Column
    """Row of the bid."""
    energies: Column
    """[energy unit], > 0"""
    prices: Column
    """What the seller receives; the buyer pays the grid fee on top [price unit]"""
    interval: tuple[int, int] | None
    """Prices on which the marginal orders agree; None without trade [price unit]"""

    @property
    def price(self) -> int | None:
        """The price of all pairs; None without trade, and when pairs have different prices [price unit]"""
        if not len(self.prices) or self.prices.min() != self.prices.max():
            return None
        return int(self.prices[0])


@dataclass(frozen=True, eq=False)
class Crossing:
    """The welfare-maximal pairs of a book, before anything is said about their price."""

    sells: Column
    buys: Column
    energies: Column
    lowest: Column
    """What the seller of each pair accepts [price unit]"""
    highest: Column
    """What its buyer pays, less the grid fee [price unit]"""
    interval: tuple[int, int] | None

    def at(self, prices: Column) -> Match:
        """The match in which the pairs have these prices."""
        return Match(self.sells, self.buys, self.energies, prices, self.interval)


def ladders(book: Book, grid_fee: int) -> tuple[Ladder, Ladder]:
    """Offers from the lowest price, bids from the highest; ties by id. Orders without energy are left out."""
    sells = np.flatnonzero(book.is_sell & (book.energies > 0))
    buys = np.flatnonzero(~book.is_sell & (book.energies > 0))
    sells = sells[np.argsort(book.prices[sells], kind="stable")]
    buys = buys[np.argsort(-book.prices[buys], kind="stable")]
    return (
        Ladder(sells, book.prices[sells], np.cumsum(book.energies[sells])),
        Ladder(buys, book.prices[buys] - grid_fee, np.cumsum(book.energies[buys])),
    )


def pairs(sell_ends: Column, buy_ends: Column) -> Pairs:
    """All overlaps, as if everything could trade."""
    if not len(sell_ends) or not len(buy_ends):
        none = np.empty(0, dtype=np.int64)
        return Pairs(none, none, none)
    ends = np.sort(np.concatenate((sell_ends, buy_ends)), kind="stable")  # merges two sorted runs
    energies = np.diff(ends, prepend=0)
    some = (energies > 0) & (ends <= min(sell_ends[-1], buy_ends[-1]))
    return Pairs(np.searchsorted(sell_ends, ends[some]), np.searchsorted(buy_ends, ends[some]), energies[some])


def cross(book: Book, grid_fee: int) -> Crossing:
    """Pair best with best until prices no longer cross: no other pairs have more welfare."""
    sells, buys = ladders(book, grid_fee)
    every = pairs(sells.ends, buys.ends)
    count = int(np.count_nonzero(sells.prices[every.sells] <= buys.prices[every.buys]))  # the first ones: prices part
    found = Pairs(every.sells[:count], every.buys[:count], every.energies[:count])
    return Crossing(
        sells.rows[found.sells],
        buys.rows[found.buys],
        found.energies,
        sells.prices[found.sells],
        buys.prices[found.buys],
        _interval(sells, buys, found) if count else None,
    )


def _interval(sells: Ladder, buys: Ladder, found: Pairs) -> tuple[int, int]:
    """Prices at which both sides want exactly this volume: below the marginal buyer and the first seller left out,
    above the marginal seller and the first buyer left out. A partly filled order sets the price by itself."""
    sell, buy, volume = int(found.sells[-1]), int(found.buys[-1]), int(found.energies.sum())
    if sells.ends[sell] > volume:
        return int(sells.prices[sell]), int(sells.prices[sell])
    if buys.ends[buy] > volume:
        return int(buys.prices[buy]), int(buys.prices[buy])
    low = max([sells.prices[sell], *buys.prices[buy + 1 : buy + 2]])
    high = min([buys.prices[buy], *sells.prices[sell + 1 : sell + 2]])
    return int(low), int(high)
