"""Bidding, pure: from the forecast and the battery to one limit order for the next slot."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.orders import Side


@dataclass(frozen=True)
class Bid:
    """What a building wants in one slot, before it is signed."""

    side: Side
    """BUY when a deficit is expected, SELL when a surplus is."""
    energy_wh: int
    """Energy wanted or offered in the slot [Wh], > 0"""
    limit_price: int
    """Highest price to pay or lowest to accept [base units/kWh]"""


def bid_for(
    grid_kw: float, deficit_probability: float, hours: float, feed_in: int, retail: int, grid_fee: int = 0
) -> Bid | None:
    """The order that covers the expected exchange with the grid, or None when it is below 1 Wh.

    `grid_kw` is the expected mean power after the battery, > 0 imports [kW]; `hours` the length of the slot [h];
    `feed_in` and `retail` the utility's prices, `grid_fee` what the buyer pays on top [base units/kWh].
    """
    energy_wh = round(abs(grid_kw) * hours * 1000)
    if energy_wh < 1:
        return None
    side = Side.BUY if grid_kw > 0 else Side.SELL
    return Bid(side, energy_wh, limit_price(side, deficit_probability, feed_in, retail, grid_fee))


def limit_price(side: Side, deficit_probability: float, feed_in: int, retail: int, grid_fee: int = 0) -> int:
    """A limit between the tariffs: the surer of its side, the further a building goes towards the other's.

    A buyer moves from the middle to the retail price as its deficit becomes certain, a seller from the middle to the
    feed-in price as its surplus does. So every limit beats the utility, and any seller's limit meets any buyer's.
    A buyer's limit includes the grid fee; the middle is that of what the fee leaves between the tariffs.
    """
    if not 0 <= deficit_probability <= 1:
        raise ValueError(f"deficit_probability = {deficit_probability} must lie between 0 and 1")
    middle = offer_price(feed_in, retail, grid_fee)
    if side is Side.BUY:
        return middle + grid_fee + round((retail - grid_fee - middle) * deficit_probability)
    return feed_in + round((middle - feed_in) * deficit_probability)


def offer_price(feed_in: int, retail: int, grid_fee: int = 0) -> int:
    """What a building asks for energy that it delivered without a buyer [base units/kWh]: the middle of what the grid
    fee, which the buyer pays on top, leaves between the tariffs."""
    return (feed_in + retail - grid_fee) // 2
