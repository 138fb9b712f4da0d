"""Discriminatory mid-price: the pairs of the uniform price, but each at the middle of its own two limits.

The k-double auction of two traders with k = 1/2 (Chatterjee and Samuelson 1983, doi:10.1287/opre.31.5.835), pair by
pair as in pymarket's `p2p` (Kiedanski, Kofman, Horta 2020, doi:10.21105/joss.01591), which draws its pairs at random.
"""

from __future__ import annotations

from contracts.matching import Match, Terms, cross
from contracts.order_book import Book


def mid_price(book: Book, terms: Terms) -> Match:
    """Clear each pair at the middle of its limits, rounded down."""
    found = cross(book, terms.grid_fee)
    return found.at(found.lowest + (found.highest - found.lowest) // 2)
