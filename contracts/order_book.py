"""The order book of one auction as columns of whole numbers, sorted by id: what every mechanism clears.

The live market counts in Wh and base units/kWh, a file of the what-if in finer units; a book does not care.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from contracts.orders import Order, Side
from simulation.errors import MicrogridError
from simulation.settings import Settings

Column = NDArray[np.int64]
LARGEST = 2**62
"""Prices, and all energy of a book together, are smaller, so that no sum of two overflows."""


class BookError(MicrogridError):
    """A book cannot be cleared; the text names the entry and the fix."""


class BookEntry(Settings):
    """An order in the book of a slot."""

    order_hash: str
    """Identity of the order; the last rule for ties."""
    order: Order
    """The order."""


@dataclass(frozen=True, eq=False)
class Book:
    """Orders by rising id, which is the last rule for ties: the order of arrival is nowhere in it."""

    ids: NDArray[np.str_]
    """Identity of each order."""
    actors: Column
    """A number for each actor that both offers and bids; 0 for the others, who cannot trade with themselves."""
    is_sell: NDArray[np.bool_]
    """True for an offer, False for a bid."""
    prices: Column
    """Lowest price to accept, or highest price to pay with the grid fee [price unit]"""
    energies: Column
    """Most energy to trade [energy unit], > 0"""

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        actors: Sequence[Hashable],
        is_sell: Sequence[bool],
        prices: Sequence[int],
        energies: Sequence[int],
    ) -> Book:
        """A book of orders in any order. Raises BookError, with the id, for one that cannot be."""
        known = np.array(ids, dtype=np.str_)
        rows = np.argsort(known, kind="stable")
        book = cls(
            known[rows],
            _numbers(actors, is_sell)[rows],
            np.array(is_sell, dtype=np.bool_)[rows],
            _column(ids, "price", prices)[rows],
            _column(ids, "energy", energies)[rows],
        )
        _check(book)
        return book

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def supply(self) -> int:
        """Energy of all offers [energy unit]"""
        return int(self.energies[self.is_sell].sum())

    @property
    def demand(self) -> int:
        """Energy of all bids [energy unit]"""
        return int(self.energies[~self.is_sell].sum())

    def with_energies(self, energies: Column) -> Book:
        """The same orders with other energies; 0 takes an order out of the auction, and its row stays."""
        return replace(self, energies=energies)


def book_of(slot: int, entries: Sequence[BookEntry]) -> Book:
    """The book of a slot [Wh, base units/kWh]. Orders of other slots are an error."""
    for entry in entries:
        if entry.order.slot != slot:
            raise ValueError(f"order {entry.order_hash} is for slot {entry.order.slot}, the auction is of slot {slot}")
    orders = [entry.order for entry in entries]
    return Book.of(
        [entry.order_hash for entry in entries],
        [order.member for order in orders],
        [order.side is Side.SELL for order in orders],
        [order.limit_price for order in orders],
        [order.energy_wh for order in orders],
    )


def _numbers(actors: Sequence[Hashable], is_sell: Sequence[bool]) -> Column:
    both = set(compress(actors, is_sell)).intersection(compress(actors, map(operator.not_, is_sell)))
    if not both:
        return np.zeros(len(actors), dtype=np.int64)
    numbers = {actor: number for number, actor in enumerate(both, start=1)}
    return np.array([numbers.get(actor, 0) for actor in actors], dtype=np.int64)


def _column(ids: Sequence[str], what: str, values: Sequence[int]) -> Column:
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError as error:
        place = next(place for place, value in enumerate(values) if not -LARGEST < value < LARGEST)
        raise BookError(f"order {ids[place]}: {what} {values[place]} is not below {LARGEST}") from error


def _check(book: Book) -> None:
    for row in np.flatnonzero(book.ids[1:] == book.ids[:-1]):
        raise BookError(f"order {book.ids[row]} is there twice; give each order an id of its own")
    for row in np.flatnonzero(book.energies <= 0):
        raise BookError(f"order {book.ids[row]}: energy {book.energies[row]} must be above 0; or leave the order out")
    for row in np.flatnonzero((book.prices < 0) | (book.prices >= LARGEST)):
        raise BookError(f"order {book.ids[row]}: price {book.prices[row]} must be at least 0 and below {LARGEST}")
    if book.energies.sum(dtype=np.float64) >= LARGEST:
        largest = book.ids[int(book.energies.argmax())]
        raise BookError(f"the energies sum up to more than {LARGEST}; the largest is that of order {largest}")
