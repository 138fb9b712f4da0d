"""Mid-market rate: the middle of the utility's two tariffs, whatever the orders say.

Long, Wu, Zhang, Cheng, Jenkins 2017, "Peer-to-peer energy trading in a community microgrid",
doi:10.1109/PESGM.2017.8274546. With a grid fee the retail price less the fee stands for the retail price: so buyer and
seller gain the same (the paper has no fee).
"""

from __future__ import annotations

from contracts.matching import Match, Terms
from contracts.mechanisms.local_price import at_local_price, nobody, tariff_of
from contracts.order_book import Book


def mid_market_rate(book: Book, terms: Terms) -> Match:
    """Clear at the mid-market rate, rounded down; nobody trades when the fee leaves nothing to gain."""
    tariff = tariff_of(terms, "mid_market_rate")
    worth = tariff.retail_price - terms.grid_fee
    if worth < tariff.feed_in_price:
        return nobody(book)
    return at_local_price(book, terms, (tariff.feed_in_price + worth) // 2)
