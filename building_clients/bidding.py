"""Bidding, pure: from forecast, plan and likely prices to one limit order for the next slot.

Quantity. Whoever bought too little pays the utility for the rest, whoever bought too much sells it the rest: two costs
of being wrong. At a price that is known, the best quantity is the quantile of the own need at their ratio, the
newsvendor's (Arrow, Harris and Marschak 1951, doi:10.2307/1906813; for energy markets Pinson, Chevallier and
Kariniotakis 2007, doi:10.1109/TPWRS.2007.901117). Prices are not known, and an order that is too dear is not filled, so
the order is the one whose mean gain over likely prices is largest; with one likely price that is the newsvendor's.
A battery with room is the cheaper utility: then its stored energy sets these costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from building_clients.price_outlook import LikelyPrices
from contracts.orders import Side
from contracts.units import to_base_units

TAU_MIN, TAU_MAX = 0.02, 0.98
"""Quantiles that three quantiles can be trusted to tell [1]"""
Z90 = NormalDist().inv_cdf(0.9)
TAUS = tuple((2 * i + 1) / 42 for i in range(21))
"""Evenly spread quantiles that stand for the whole distribution [1]"""
MARGIN_SHARE = 0.02
"""What a bid keeps from its own value, of the room between the tariffs, so that a trade is better than none [1]"""


@dataclass(frozen=True)
class Bid:
    """What a building wants in one slot, before it is signed."""

    side: Side
    """BUY when a deficit is expected, SELL when a surplus is."""
    energy_wh: int
    """Energy wanted or offered in the slot [Wh], > 0"""
    limit_price: int
    """Highest price to pay, grid fee included, or lowest to accept [base units/kWh]"""


@dataclass(frozen=True)
class Need:
    """What is known of a building's next slot. Prices in currency/kWh."""

    hours: float
    """Length of the slot [h]"""
    net_flow_kw: tuple[float, float, float]
    """Quantiles 0.1, 0.5 and 0.9 of the net flow, > 0 surplus [kW]"""
    battery_kw: float
    """Planned, > 0 charges [kW]"""
    short_price: float
    """What a missing kWh costs: the utility's retail price, or what it is worth in the battery, if that can give it"""
    surplus_price: float
    """What an excess kWh brings: the utility's feed-in price, or what it is worth in the battery, if that has room"""
    absorbed: bool
    """Whether the battery has room for errors of either sign."""
    likely: LikelyPrices
    """Local prices that the auction may come to, without the fee"""
    grid_fee: float
    """Paid by the buyer on top of the price"""
    feed_in: float
    """What the utility pays"""
    retail: float
    """What it takes"""

    def position_kw(self, tau: float) -> float:
        """Quantile `tau` of the power to be bought, < 0 to be sold [kW]"""
        return self.battery_kw - quantile(self.net_flow_kw, 1 - tau)


@dataclass(frozen=True)
class OwnerLimits:
    """What the owner allows. Prices in base units/kWh."""

    paused: bool = False
    """Whether not to trade at all."""
    min_sell_price: int = 0
    """Never sell below this."""
    max_buy_price: int | None = None
    """Never buy above this, fee included; None for the utility's retail price."""


Strategy = Callable[[Need], "Bid | None"]


def quantile(known: tuple[float, float, float], tau: float) -> float:
    """Of a two-piece normal distribution (Wallis 2014, doi:10.1214/13-STS417) through quantiles 0.1, 0.5 and 0.9.

    Wallis joins the pieces at the mode, where the density has no step; here they join at the median.
    """
    low, median, high = known
    z = NormalDist().inv_cdf(min(max(tau, TAU_MIN), TAU_MAX)) / Z90
    return median + z * (high - median if z > 0 else median - low)


def newsvendor(need: Need) -> Bid | None:
    """The order with the largest mean gain over the likely prices, up to what its energy is worth on the whole."""
    if need.absorbed:
        return _as_planned(need)
    needs_kw = need.battery_kw - np.array([quantile(need.net_flow_kw, tau) for tau in TAUS])
    positions_kw = np.append(needs_kw, 0.0)
    missing_kw = needs_kw - positions_kw[:, None]
    cost = np.where(missing_kw > 0, missing_kw * need.short_price, missing_kw * need.surplus_price).mean(axis=1)
    worth = cost[-1] - cost
    fees = np.where(positions_kw > 0, need.grid_fee, 0.0)
    prices = need.likely.prices + fees[:, None]
    gain = np.maximum(worth[:, None] - positions_kw[:, None] * prices, 0) @ need.likely.chances
    best = int(np.argmax(gain))
    position_kw = float(positions_kw[best])
    if gain[best] <= 0 or position_kw == 0:
        return None
    side = Side.BUY if position_kw > 0 else Side.SELL
    return _bid(side, abs(position_kw), need, float(worth[best]) / position_kw)


def _as_planned(need: Need) -> Bid | None:
    """Where the battery takes up either error, being wrong costs next to nothing, and the median is as good as any.

    The limit is what the last kWh is worth, which the battery gives or takes.
    """
    position_kw = need.position_kw(0.5)
    if position_kw > 0:
        return _bid(Side.BUY, position_kw, need, need.surplus_price if need.battery_kw > 0 else need.short_price)
    return _bid(Side.SELL, -position_kw, need, need.short_price if need.battery_kw < 0 else need.surplus_price)


def truthful(need: Need) -> Bid | None:
    """The median, at any price that beats the utility."""
    position_kw = need.position_kw(0.5)
    side = Side.BUY if position_kw > 0 else Side.SELL
    return _bid(side, abs(position_kw), need, need.retail if side is Side.BUY else need.feed_in)


def linear_ramp(elapsed: float) -> Strategy:
    """The median, at a limit that goes from the tariff one hopes for to the tariff one must take, in the bidding time.

    What gsy-e and lemlab call it. `elapsed` is the share of the bidding time that is over [1]
    """

    def bid(need: Need) -> Bid | None:
        position_kw, room = need.position_kw(0.5), elapsed * (need.retail - need.feed_in)
        if position_kw > 0:
            return _bid(Side.BUY, position_kw, need, need.feed_in + room)
        return _bid(Side.SELL, -position_kw, need, need.retail - room)

    return bid


def zero_intelligence(uniform: Callable[[], float]) -> Strategy:
    """The median, at a limit drawn evenly between the tariffs (ZI-C of Gode and Sunder 1993, doi:10.1086/261868).

    `uniform` draws from [0, 1).
    """

    def bid(need: Need) -> Bid | None:
        position_kw = need.position_kw(0.5)
        limit = need.feed_in + uniform() * (need.retail - need.feed_in)
        return _bid(Side.BUY if position_kw > 0 else Side.SELL, abs(position_kw), need, limit)

    return bid


def allowed(bid: Bid | None, limits: OwnerLimits) -> Bid | None:
    """The bid within what the owner allows; None when that leaves nothing."""
    if bid is None or limits.paused:
        return None
    if bid.side is Side.SELL:
        return Bid(bid.side, bid.energy_wh, max(bid.limit_price, limits.min_sell_price))
    if limits.max_buy_price is None:
        return bid
    return Bid(bid.side, bid.energy_wh, min(bid.limit_price, limits.max_buy_price))


def offer_price(feed_in: int, retail: int, grid_fee: int = 0) -> int:
    """What a building asks for energy that it delivered without a buyer [base units/kWh]: the middle of what the grid
    fee, which the buyer pays on top, leaves between the tariffs."""
    return (feed_in + retail - grid_fee) // 2


def _bid(side: Side, power_kw: float, need: Need, worth: float) -> Bid | None:
    """None below 1 Wh. The limit keeps a margin from what the energy is worth, and stays between the tariffs."""
    energy_wh = round(power_kw * need.hours * 1000)
    if energy_wh < 1:
        return None
    margin = MARGIN_SHARE * (need.retail - need.feed_in)
    limit = worth - margin if side is Side.BUY else worth + margin
    return Bid(side, energy_wh, to_base_units(min(max(limit, need.feed_in), need.retail)))
