"""Pay-as-bid: the pairs of the uniform price, but each buyer pays what it bid, and its seller receives it.

As in the two-sided pay-as-bid market of Grid Singularity (gsy-e). With the grid fee the buyer's payment is its limit.
"""

from __future__ import annotations

from contracts.matching import Match, Terms, cross
from contracts.order_book import Book


def pay_as_bid(book: Book, terms: Terms) -> Match:
    """Clear each pair at its buyer's limit less the grid fee."""
    found = cross(book, terms.grid_fee)
    return found.at(found.highest)
