"""No self-trade: an actor's own orders that cross are cancelled against each other before the auction.

The rule is "decrement and cancel" (Coinbase Exchange's default; TSX Alpha's "Decrement Largest and Cancel Smallest"):
the smaller order goes, the larger keeps the difference. Best goes against best. What an actor keeps does not cross, so
no mechanism can match it with itself: a price that suits its offer is above what is left to its bid after the fee.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from contracts.order_book import Book


class OwnUse(NamedTuple):
    """Energy that an actor has for itself: rows of its offer and its bid, and how much."""

    sell: int
    buy: int
    energy: int


def without_self_trade(book: Book, grid_fee: int) -> tuple[Book, list[OwnUse]]:
    """The book without what actors have for themselves, and what that was, by the ids of offers and bids."""
    if not book.actors.any():
        return book, []
    own_use: list[OwnUse] = []
    for sells, buys in _sides(book):
        own_use += _cancelled(book, sells, buys, grid_fee)
    own_use.sort()
    energies = book.energies.copy()
    for sell, buy, energy in own_use:
        energies[sell] -= energy
        energies[buy] -= energy
    return book.with_energies(energies), own_use


def _sides(book: Book) -> list[tuple[list[int], list[int]]]:
    """Rows of the offers and of the bids of each actor with both, the best first, ties by id."""
    sides: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, is_sell in enumerate((True, False)):
        rows = np.flatnonzero((book.actors > 0) & (book.is_sell == is_sell))
        rows = rows[np.argsort(book.prices[rows] * (1 if is_sell else -1), kind="stable")]
        for actor, row in zip(book.actors[rows].tolist(), rows.tolist(), strict=True):
            sides[actor][side].append(row)
    return list(sides.values())


def _cancelled(book: Book, sells: list[int], buys: list[int], grid_fee: int) -> list[OwnUse]:
    done: list[OwnUse] = []
    sell = buy = left_sell = left_buy = 0
    while sell < len(sells) and buy < len(buys):
        if book.prices[sells[sell]] > book.prices[buys[buy]] - grid_fee:
            break
        left_sell = left_sell or int(book.energies[sells[sell]])
        left_buy = left_buy or int(book.energies[buys[buy]])
        energy = min(left_sell, left_buy)
        done.append(OwnUse(sells[sell], buys[buy], energy))
        left_sell -= energy
        left_buy -= energy
        sell += left_sell == 0
        buy += left_buy == 0
    return done
