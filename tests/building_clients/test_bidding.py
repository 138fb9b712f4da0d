"""Bids: the best quantity by numeric integration, limits between the tariffs, and the owner's word."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from building_clients.bidding import (
    Bid,
    Need,
    OwnerLimits,
    Strategy,
    allowed,
    linear_ramp,
    newsvendor,
    offer_price,
    quantile,
    truthful,
    zero_intelligence,
)
from building_clients.price_outlook import LikelyPrices
from contracts.orders import Side

FEED_IN, RETAIL = 0.08, 0.30


def sure(price: float) -> LikelyPrices:
    """A price that is known."""
    return LikelyPrices(np.array([price]), np.ones(1))


PLAIN = Need(
    hours=0.25,
    net_flow_kw=(-3.0, -2.0, -1.5),
    battery_kw=0.0,
    short_price=RETAIL,
    surplus_price=FEED_IN,
    absorbed=False,
    likely=sure(0.19),
    grid_fee=0.0,
    feed_in=FEED_IN,
    retail=RETAIL,
)
SURPLUS = replace(PLAIN, net_flow_kw=(1.5, 2.0, 3.0))
TRUSTED = (0.02, 0.98)
"""Shares that a bid may ask of the forecast."""
STRATEGIES = [
    newsvendor,
    truthful,
    linear_ramp(0.0),
    linear_ramp(0.3),
    linear_ramp(1.0),
    zero_intelligence(lambda: 0.4),
]

shares = st.integers(0, 1000).map(lambda mille: mille / 1000)


@st.composite
def forecasts(draw: st.DrawFn) -> tuple[float, float, float]:
    median = draw(st.integers(-80, 80)) / 10
    return median - draw(st.integers(0, 40)) / 10, median, median + draw(st.integers(0, 40)) / 10


@st.composite
def likely_prices(draw: st.DrawFn, feed_in: float, room: float) -> LikelyPrices:
    places = draw(st.lists(shares, min_size=1, max_size=5))
    weights = np.array(draw(st.lists(st.integers(1, 9), min_size=len(places), max_size=len(places))), dtype=float)
    return LikelyPrices(feed_in + np.array(places) * room, weights / weights.sum())


@st.composite
def needs(draw: st.DrawFn) -> Need:
    """Any building, with a battery or without, in any market that leaves room for the fee."""
    feed_in = draw(shares) * 0.3
    room = 0.01 + draw(shares) * 0.5
    surplus = feed_in + draw(shares) * room
    short = surplus + draw(shares) * (feed_in + room - surplus)
    return Need(
        hours=draw(st.sampled_from([0.25, 0.5, 1.0])),
        net_flow_kw=draw(forecasts()),
        battery_kw=draw(st.integers(-50, 50)) / 10,
        short_price=short,
        surplus_price=surplus,
        absorbed=draw(st.booleans()),
        likely=draw(likely_prices(feed_in, room)),
        grid_fee=draw(shares) * room,
        feed_in=feed_in,
        retail=feed_in + room,
    )


@given(forecasts())
def test_the_three_quantiles_are_reproduced(known: tuple[float, float, float]) -> None:
    assert [quantile(known, tau) for tau in (0.1, 0.5, 0.9)] == pytest.approx(list(known))


@given(forecasts(), st.lists(shares, min_size=2, max_size=8))
def test_quantiles_never_fall(known: tuple[float, float, float], taus: list[float]) -> None:
    values = [quantile(known, tau) for tau in sorted(taus)]
    assert values == sorted(values)


@given(forecasts(), shares)
def test_quantiles_are_those_of_two_half_normals(known: tuple[float, float, float], tau: float) -> None:
    assume(TRUSTED[0] <= tau <= TRUSTED[1])
    assert quantile(known, tau) == pytest.approx(float(two_halves(known, np.array([tau]))[0]), abs=1e-9)


def two_halves(known: tuple[float, float, float], tau: np.ndarray) -> np.ndarray:
    """The same distribution by SciPy, tails and all: half a normal on either side of the median."""
    low, median, high = known
    z = norm.ppf(tau) / norm.ppf(0.9)
    return np.asarray(np.where(tau > 0.5, median + z * (high - median), median + z * (median - low)))


@given(forecasts(), likely_prices(FEED_IN, RETAIL - FEED_IN), shares)
@settings(max_examples=60, deadline=None)
def test_no_other_order_gains_more_on_average(
    known: tuple[float, float, float], likely: LikelyPrices, fee_share: float
) -> None:
    """Numeric integration over 20,000 outcomes and all likely prices against every quantity in a grid; no battery.

    What is bought costs price and fee, what is sold earns the price; the utility takes and gives the rest. An order
    whose energy is not worth the price on the whole is not filled.
    """
    fee = fee_share * 0.1
    need = replace(PLAIN, net_flow_kw=known, likely=likely, grid_fee=fee)
    lacks_kwh = -two_halves(known, (np.arange(20_000) + 0.5) / 20_000) * need.hours

    def cost(bought_kwh: float) -> float:
        rest = lacks_kwh - bought_kwh
        return float((np.where(rest > 0, RETAIL, FEED_IN) * rest).mean())

    alone = cost(0.0)

    def gain(bought_kwh: float) -> float:
        paid = bought_kwh * (likely.prices + (fee if bought_kwh > 0 else 0.0))
        return float(np.maximum(alone - cost(bought_kwh) - paid, 0) @ likely.chances)

    bid = newsvendor(need)
    chosen = 0.0 if bid is None else bid.energy_wh / 1000 * (1 if bid.side is Side.BUY else -1)
    grid = np.linspace(lacks_kwh.min() - 0.1, lacks_kwh.max() + 0.1, 201)
    best = max(gain(float(quantity)) for quantity in [0.0, *grid])
    width_kwh = (known[2] - known[0]) * need.hours
    assert gain(chosen) >= best - 0.02 * width_kwh * (RETAIL - FEED_IN) - 0.001 * RETAIL


def test_at_a_sure_price_it_is_the_newsvendors_quantile() -> None:
    """Missing costs 0.30 - 0.245, too much 0.245 - 0.08: the quarter of the need, as the 20 quantiles have it."""
    bid = made(newsvendor, replace(PLAIN, likely=sure(0.245)))
    quarter_kw = -quantile(PLAIN.net_flow_kw, 0.75)
    assert bid.energy_wh == pytest.approx(quarter_kw * 250, abs=0.05 * 250)


def test_a_battery_with_room_bids_what_is_planned() -> None:
    need = replace(PLAIN, absorbed=True, short_price=0.28, surplus_price=0.25, battery_kw=1.0)
    bid = made(newsvendor, need)
    assert (bid.side, bid.energy_wh) == (Side.BUY, 750)
    assert bid.limit_price == round((0.25 - 0.02 * 0.22) * 1e6)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(need=needs())
@settings(max_examples=60)
def test_limits_lie_between_the_tariffs(strategy: Strategy, need: Need) -> None:
    bid = strategy(need)
    if bid is not None:
        assert round(need.feed_in * 1e6) <= bid.limit_price <= round(need.retail * 1e6)
        assert bid.energy_wh >= 1


@given(needs())
def test_nobody_pays_more_than_energy_is_worth_fee_included(need: Need) -> None:
    """The contract takes price and fee up to the limit. A seller, on the other side, never gets less."""
    bid = newsvendor(need)
    if bid is None:
        return
    if bid.side is Side.BUY:
        assert bid.limit_price <= need.short_price * 1e6 + 0.5
    else:
        assert bid.limit_price >= need.surplus_price * 1e6 - 0.5


@given(needs())
def test_a_price_above_its_worth_buys_nothing(need: Need) -> None:
    """With price and fee above what energy is worth, the limit lets no trade happen at that price."""
    dear = replace(need, likely=sure(need.retail), grid_fee=max(need.grid_fee, 0.001))
    bid = newsvendor(dear)
    if bid is not None and bid.side is Side.BUY:
        assert bid.limit_price < (need.retail + dear.grid_fee) * 1e6


@given(needs())
def test_a_dearer_market_is_never_asked_for_more(need: Need) -> None:
    prices = np.linspace(need.feed_in, need.retail, 7).tolist()
    bids = [newsvendor(replace(need, likely=sure(price))) for price in prices]
    bought = [0 if bid is None else bid.energy_wh * (1 if bid.side is Side.BUY else -1) for bid in bids]
    assert bought == sorted(bought, reverse=True)


@given(needs(), shares)
def test_truthful_says_the_median_and_takes_any_price_that_beats_the_utility(need: Need, place: float) -> None:
    wanted_wh = (need.battery_kw - need.net_flow_kw[1]) * need.hours * 1000
    bid = truthful(need)
    if bid is None:
        assert abs(wanted_wh) < 1
        return
    assert bid.energy_wh == pytest.approx(abs(wanted_wh), abs=0.501)
    assert bid.side is (Side.BUY if wanted_wh > 0 else Side.SELL)
    margin = 0.02 * (need.retail - need.feed_in)
    limit = need.retail - margin if bid.side is Side.BUY else need.feed_in + margin
    assert bid.limit_price == pytest.approx(limit * 1e6, abs=0.501)


@pytest.mark.parametrize(("need", "side"), [(PLAIN, Side.BUY), (SURPLUS, Side.SELL)])
def test_a_ramp_goes_from_the_tariff_hoped_for_to_the_one_that_must_be_taken(need: Need, side: Side) -> None:
    """A margin from both; the side and the energy stay the same."""
    bids = [made(linear_ramp(elapsed / 10), need) for elapsed in range(11)]
    assert {(bid.side, bid.energy_wh) for bid in bids} == {(side, 500)}
    limits = [bid.limit_price for bid in bids]
    assert limits == sorted(limits, reverse=side is Side.SELL)
    hoped, taken = (80_000, 295_600) if side is Side.BUY else (300_000, 84_400)
    assert (limits[0], limits[-1]) == (hoped, taken)


@pytest.mark.parametrize("need", [PLAIN, SURPLUS])
@given(draw=st.floats(0, 1, exclude_max=True))
def test_zero_intelligence_draws_between_the_tariffs(need: Need, draw: float) -> None:
    bid = made(zero_intelligence(lambda: draw), need)
    margin = -4_400 if bid.side is Side.BUY else 4_400
    drawn = 80_000 + draw * 220_000
    assert bid.limit_price == pytest.approx(min(max(drawn + margin, 80_000), 300_000), abs=0.501)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kw", [0.0, 0.001, -0.001, 0.0019, -0.0019])
def test_less_than_a_watt_hour_is_no_bid(strategy: Strategy, kw: float) -> None:
    assert strategy(replace(PLAIN, net_flow_kw=(kw, kw, kw))) is None


@pytest.mark.parametrize(("need", "side"), [(PLAIN, Side.BUY), (SURPLUS, Side.SELL)])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_paused_owner_trades_nothing(strategy: Strategy, need: Need, side: Side) -> None:
    assert made(strategy, need).side is side
    assert allowed(strategy(need), OwnerLimits(paused=True)) is None


limits = st.builds(
    OwnerLimits,
    min_sell_price=st.integers(0, 400_000),
    max_buy_price=st.none() | st.integers(0, 400_000),
)


@given(needs(), limits)
def test_the_owner_has_the_last_word_on_prices(need: Need, owner: OwnerLimits) -> None:
    bid = newsvendor(need)
    within = allowed(bid, owner)
    if bid is None or within is None:
        assert bid is within is None
        return
    assert (within.side, within.energy_wh) == (bid.side, bid.energy_wh)
    if bid.side is Side.SELL:
        assert within.limit_price == max(bid.limit_price, owner.min_sell_price)
    else:
        most = math.inf if owner.max_buy_price is None else owner.max_buy_price
        assert within.limit_price == min(bid.limit_price, most)


@given(st.integers(0, 300_000), st.integers(0, 300_000), st.integers(0, 100_000))
def test_an_offer_leaves_seller_and_buyer_the_same(feed_in: int, room: int, fee: int) -> None:
    assume(fee <= room)
    price = offer_price(feed_in, feed_in + room, fee)
    seller, buyer = price - feed_in, feed_in + room - fee - price
    assert seller >= 0
    assert buyer - seller in {0, 1}


def made(strategy: Callable[[Need], Bid | None], need: Need) -> Bid:
    bid = strategy(need)
    assert bid is not None
    return bid
