"""Supply-demand ratio: the more is offered for what is wanted, the nearer the price is to the feed-in tariff.

Liu, Yu, Wang, Li, Ma, Lei 2017, "Energy-sharing model with price-based demand response for microgrids of peer-to-peer
prosumers", doi:10.1109/TPWRS.2017.2649558: the internal selling price

    feed_in * retail / ((retail - feed_in) * SDR + feed_in)    for SDR = supply / demand <= 1, else feed_in

falls from retail at SDR 0 to feed-in at SDR 1. The paper's internal buying price, price * SDR + retail * (1 - SDR), is
what a buyer pays on average: the share SDR is local, the rest the utility's. With a grid fee the retail price less the
fee stands for the retail price (the paper has no fee). The ratio is that of all orders, also of those that then refuse.
"""

from __future__ import annotations

from contracts.matching import Match, Terms
from contracts.mechanisms.local_price import at_local_price, nobody, tariff_of
from contracts.order_book import Book


def supply_demand_ratio(book: Book, terms: Terms) -> Match:
    """Clear at the price of the ratio, rounded down; nobody trades when the fee leaves nothing to gain."""
    tariff = tariff_of(terms, "supply_demand_ratio")
    worth = tariff.retail_price - terms.grid_fee
    if worth < tariff.feed_in_price or not book.supply or not book.demand:
        return nobody(book)
    return at_local_price(book, terms, internal_price(tariff.feed_in_price, worth, book.supply, book.demand))


def internal_price(feed_in: int, worth: int, supply: int, demand: int) -> int:
    """The internal selling price, rounded down. `worth` is the retail price less the grid fee; energies are above 0."""
    if supply >= demand or worth == feed_in:
        return feed_in
    return feed_in * worth * demand // ((worth - feed_in) * supply + feed_in * demand)
