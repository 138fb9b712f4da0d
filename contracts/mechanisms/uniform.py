"""Uniform price: everyone trades at one price, the midpoint of the interval in which the marginal orders agree.

GridLAB-D's auction (market module, `auction.cpp`): a partly filled order sets the price by itself, else it is the
middle of the marginal bid and offer. Where the next order lies between those two, GridLAB-D moves the price just inside
of it; here the interval ends there and the price is its middle, so that neither side has all that is left to share.
"""

from __future__ import annotations

import numpy as np

from contracts.matching import Match, Terms, cross
from contracts.order_book import Book


def uniform(book: Book, terms: Terms) -> Match:
    """Clear at one price, rounded down."""
    found = cross(book, terms.grid_fee)
    low, high = found.interval or (0, 0)
    return found.at(np.full_like(found.energies, (low + high) // 2))
