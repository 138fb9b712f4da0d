"""Clearing: the double auction of one slot, in integers, pure and deterministic.

Own orders that cross are cancelled (`self_trade.py`), a mechanism pairs what is left (`mechanisms/`), and the utility
stands behind the rest. Ties: by price, then by id. Nothing depends on the order of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.matching import NO_TERMS, Match, Terms
from contracts.mechanisms.mid_market_rate import mid_market_rate
from contracts.mechanisms.mid_price import mid_price
from contracts.mechanisms.pay_as_bid import pay_as_bid
from contracts.mechanisms.supply_demand_ratio import supply_demand_ratio
from contracts.mechanisms.uniform import uniform
from contracts.order_book import Book, BookEntry, BookError, Column, book_of
from contracts.self_trade import OwnUse, without_self_trade
from simulation.settings import Settings

MECHANISMS: Mapping[str, Callable[[Book, Terms], Match]] = {
    "uniform": uniform,
    "pay_as_bid": pay_as_bid,
    "mid_price": mid_price,
    "mid_market_rate": mid_market_rate,
    "supply_demand_ratio": supply_demand_ratio,
}

Trade = tuple[str, str, int, int]
"""Id of the bid, id of the offer, energy, and the price, which the seller receives; the grid fee comes on top."""


class Fill(Settings):
    """Energy that one sell order gives to one buy order."""

    sell: str
    """Hash of the sell order."""
    buy: str
    """Hash of the buy order."""
    energy_wh: int
    """[Wh]"""
    price: int | None = None
    """Price of this pair; None where the clearing has one price for all [base units/kWh]"""


class Clearing(Settings):
    """What the auction of one slot came to."""

    slot: int
    """The slot."""
    price: int | None
    """The one price of all fills; None without trade, and when pairs have different prices [base units/kWh]"""
    price_low: int | None
    """Lowest price on which the marginal orders agree [base units/kWh]"""
    price_high: int | None
    """Highest price on which the marginal orders agree [base units/kWh]"""
    volume_wh: int
    """Energy traded [Wh]"""
    fills: tuple[Fill, ...]
    """Who gives how much to whom."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A cleared book, as columns."""

    book: Book
    """All orders."""
    match: Match
    """Who trades with whom."""
    own_use: list[OwnUse]
    """What actors have for themselves."""
    left: Column
    """Energy of each order that neither trades nor is for its own actor: the utility's [energy unit]"""
    grid_fee: int
    """Paid by the buyer on top of the price [price unit]"""

    @property
    def volume(self) -> int:
        """Energy traded [energy unit]"""
        return int(self.match.energies.sum())

    @property
    def welfare(self) -> int:
        """What buyers and sellers gain together: bid less offer less grid fee, times energy [price x energy unit]"""
        prices, match = self.book.prices, self.match
        gains = prices[match.buys] - self.grid_fee - prices[match.sells]
        return sum(gain * energy for gain, energy in zip(gains.tolist(), match.energies.tolist(), strict=True))

    def trades(self) -> list[Trade]:
        """Every pair, from the keenest on."""
        ids, match = self.book.ids, self.match
        columns = (ids[match.buys], ids[match.sells], match.energies, match.prices)
        return list(zip(*(column.tolist() for column in columns), strict=True))


def clear_book(book: Book, mechanism: str = "uniform", terms: Terms = NO_TERMS) -> Outcome:
    """Clear a book. Raises BookError for an unknown mechanism, and when one lacks what it needs."""
    if mechanism not in MECHANISMS:
        raise BookError(f"no mechanism {mechanism!r}; there are: {', '.join(MECHANISMS)}")
    left, own_use = without_self_trade(book, terms.grid_fee)
    match = MECHANISMS[mechanism](left, terms)
    energies = left.energies.copy()
    np.subtract.at(energies, match.sells, match.energies)
    np.subtract.at(energies, match.buys, match.energies)
    return Outcome(book, match, own_use, energies, terms.grid_fee)


def clear(slot: int, entries: Sequence[BookEntry], mechanism: str = "uniform", terms: Terms = NO_TERMS) -> Clearing:
    """Clear the orders of `slot`. Orders of other slots are an error."""
    outcome = clear_book(book_of(slot, entries), mechanism, terms)
    match, price = outcome.match, outcome.match.price
    low, high = match.interval or (None, None)
    return Clearing(
        slot=slot,
        price=price,
        price_low=low,
        price_high=high,
        volume_wh=outcome.volume,
        fills=tuple(
            Fill(sell=offer, buy=bid, energy_wh=energy_wh, price=own if price is None else None)
            for bid, offer, energy_wh, own in outcome.trades()
        ),
    )
