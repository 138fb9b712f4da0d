"""One price that comes from the utility's tariffs: who accepts it trades, and the longer side gets its share of what
there is.

The papers of these mechanisms blend the local price with the utility's for the side that is too long. Here that happens
by itself: its local share has the local price, the rest the utility's.
"""

from __future__ import annotations

import numpy as np

from contracts.balances import Tariff
from contracts.matching import Match, Terms, ladders, pairs
from contracts.order_book import Book, BookError, Column


def tariff_of(terms: Terms, mechanism: str) -> Tariff:
    """The tariff. Raises BookError when there is none."""
    if terms.tariff is None:
        raise BookError(f"{mechanism} needs the utility's tariffs: give retail_price and feed_in_price")
    return terms.tariff


def at_local_price(book: Book, terms: Terms, price: int) -> Match:
    """Everyone who accepts `price`, the longer side pro rata; paired from the keenest on."""
    accepts = np.where(book.is_sell, book.prices <= price, book.prices - terms.grid_fee >= price)
    willing = book.with_energies(np.where(accepts, book.energies, 0))
    volume = min(willing.supply, willing.demand)
    shares = np.where(
        book.is_sell,
        _pro_rata(np.where(book.is_sell, willing.energies, 0), volume),
        _pro_rata(np.where(book.is_sell, 0, willing.energies), volume),
    )
    sells, buys = ladders(willing.with_energies(shares), terms.grid_fee)
    found = pairs(sells.ends, buys.ends)
    interval = (price, price) if volume else None
    rows = sells.rows[found.sells], buys.rows[found.buys]
    return Match(*rows, found.energies, np.full_like(found.energies, price), interval)


def nobody(book: Book) -> Match:
    """No trade."""
    none = np.empty(0, dtype=np.int64)
    return Match(none, none, none, none, None)


def _pro_rata(wanted: Column, volume: int) -> Column:
    """Shares of `volume` by what is wanted, in whole units: rounded down, then one more for the largest remainders
    (Hamilton's method), ties by id."""
    total = int(wanted.sum())
    if total <= volume:
        return wanted
    exact = wanted.astype(object) * volume  # Python's integers: the product is larger than 64 bits
    shares = (exact // total).astype(np.int64)
    remainders = (exact % total).astype(np.int64)
    shares[np.argsort(-remainders, kind="stable")[: volume - int(shares.sum())]] += 1
    return shares
