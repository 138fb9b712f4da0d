"""One building's decisions: what it expects to pay, what being wrong costs it, and what it bids for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building_clients.bidding import Bid, Need, OwnerLimits, Strategy, newsvendor, truthful
from building_clients.planning import BatteryPlan, NoBattery, OptimalPlanner, PlanError, Prices
from building_clients.price_outlook import AuctionResult, PriceOutlook
from building_clients.tariffs import Tariffs
from building_clients.trader import Trader
from contracts.orders import Side
from simulation.battery import BatteryLimits

STEPS, HOURS, SLOT = 96, 0.25, 960
LIMITS = BatteryLimits(10.0, 5.0, 5.0, 0.81)
TARIFFS = Tariffs(np.full(STEPS, 0.08), np.full(STEPS, 0.30))


class Listening:
    """A planner that notes with what it is asked, and answers with a plan of the test's."""

    def __init__(self, battery_kw: float = 0.0, soc: float = 0.5, stored_value: float = 0.2) -> None:
        self.asked: list[tuple[np.ndarray, float | None, Prices]] = []
        self.battery_kw, self.soc, self.stored_value = battery_kw, soc, stored_value

    def plan(self, net_flow_kw: np.ndarray, soc: float | None, prices: Prices) -> BatteryPlan:
        self.asked.append((net_flow_kw, soc, prices))
        battery = np.full_like(net_flow_kw, self.battery_kw)
        return BatteryPlan(battery - net_flow_kw, battery, np.full_like(net_flow_kw, self.soc), self.stored_value)


class Heard:
    """A strategy that notes the need and bids nothing."""

    def __init__(self) -> None:
        self.needs: list[Need] = []

    def __call__(self, need: Need) -> Bid | None:
        self.needs.append(need)
        return None


def outlook(price: float | None = None) -> PriceOutlook:
    """Of a market that had the same price on each of the last sixty days."""
    seen = PriceOutlook(STEPS)
    for slot in range(60 * STEPS if price is not None else 0):
        seen.observe(slot, AuctionResult(price, 1000, 1000), 0.08, 0.30)
    return seen


def forecast(low: float, median: float, high: float) -> np.ndarray:
    return np.tile([float(low), float(median), float(high)], (STEPS, 1))


def trader(
    strategy: Strategy | None,
    planner: Listening | None = None,
    battery: BatteryLimits | None = LIMITS,
    owner: OwnerLimits | None = None,
    price: float | None = None,
) -> Trader:
    return Trader(planner or Listening(), battery, outlook(price), strategy, HOURS, owner)


def need_of(planner: Listening, flow: np.ndarray, battery: BatteryLimits | None = LIMITS) -> Need:
    strategy = Heard()
    trader(strategy, planner, battery).decide(SLOT, flow, 0.5, TARIFFS)
    return strategy.needs[0]


def test_plans_with_local_prices_a_little_worse_than_expected() -> None:
    """Expected 0.19 in the middle, fee 0.02, and 5 % of 0.22 to the worse: by hand."""
    planner = Listening()
    known = trader(newsvendor, planner, price=0.19)
    known.decide(SLOT, forecast(-2, -1, 0), 0.5, replace(TARIFFS, grid_fee=0.02))
    ((flow, soc, prices),) = planner.asked
    assert (flow == -1).all()
    assert soc == 0.5
    assert prices.buy == pytest.approx(np.full(STEPS, 0.221))
    assert prices.sell == pytest.approx(np.full(STEPS, 0.179))


def test_beyond_the_next_slot_a_newcomer_counts_on_the_utility_alone() -> None:
    """So that it stores cheap local energy on its first day, for an evening of which it knows nothing yet."""
    planner = Listening()
    trader(newsvendor, planner).decide(SLOT, forecast(-2, -1, 0), 0.5, TARIFFS)
    prices = planner.asked[0][2]
    assert (prices.buy[0], prices.sell[0]) == pytest.approx((0.201, 0.179))
    assert prices.buy[1:] == pytest.approx(TARIFFS.retail[1:])
    assert prices.sell[1:] == pytest.approx(TARIFFS.feed_in[1:])


@given(st.floats(0.08, 0.30), st.floats(0, 0.3))
@settings(max_examples=30, deadline=None)
def test_planned_prices_never_leave_the_tariffs(price: float, fee: float) -> None:
    planner = Listening()
    seen = PriceOutlook(1)
    for day in range(40):
        seen.observe(day, AuctionResult(price, 1, 1), 0.08, 0.30)
    Trader(planner, LIMITS, seen, newsvendor, HOURS).decide(
        SLOT, forecast(-2, -1, 0), 0.5, replace(TARIFFS, grid_fee=fee)
    )
    prices = planner.asked[0][2]
    assert (prices.buy <= 0.30).all()
    assert (prices.sell >= 0.08).all()
    assert (prices.sell <= prices.buy).all()


@pytest.mark.parametrize("owner", [OwnerLimits(paused=True), None], ids=["paused", "no strategy"])
def test_who_does_not_trade_plans_with_the_tariffs_and_bids_nothing(owner: OwnerLimits | None) -> None:
    planner = Listening()
    decision = trader(newsvendor if owner else None, planner, owner=owner).decide(
        SLOT, forecast(-2, -1, 0), 0.5, TARIFFS
    )
    assert decision.bid is None
    prices = planner.asked[0][2]
    assert (prices.buy == TARIFFS.retail).all()
    assert (prices.sell == TARIFFS.feed_in).all()


def test_without_a_battery_the_utility_stands_behind_every_error() -> None:
    strategy = Heard()
    Trader(NoBattery(), None, outlook(), strategy, HOURS).decide(SLOT, forecast(-3, -1, 0), None, TARIFFS)
    (need,) = strategy.needs
    assert (need.short_price, need.surplus_price, need.absorbed, need.battery_kw) == (0.30, 0.08, False, 0.0)
    assert need.net_flow_kw == (-3, -1, 0)
    assert (need.likely.prices @ need.likely.chances) == pytest.approx(0.19)


def test_a_battery_with_room_stands_behind_errors_of_either_sign() -> None:
    """0.18 a stored kWh at 90 % one way: giving costs 0.20, taking brings 0.162."""
    need = need_of(Listening(battery_kw=1.0, stored_value=0.18), forecast(-2, -1, 0))
    assert need.battery_kw == 1.0
    assert (need.short_price, need.surplus_price) == pytest.approx((0.20, 0.162))
    assert need.absorbed


@pytest.mark.parametrize(
    ("soc", "short", "surplus"), [(0.024, 0.30, 0.162), (0.976, 0.20, 0.08), (0.026, 0.20, 0.162), (0.974, 0.20, 0.162)]
)
def test_a_full_or_empty_battery_leaves_one_side_to_the_utility(soc: float, short: float, surplus: float) -> None:
    """A usual error is 2 kW / 2 for a quarter of an hour: 0.25 kWh of 10."""
    need = need_of(Listening(soc=soc, stored_value=0.18), forecast(-2, -1, 0))
    assert (need.short_price, need.surplus_price) == pytest.approx((short, surplus))
    assert need.absorbed is (0.025 < soc < 0.975)


def test_the_reserve_is_not_room() -> None:
    need = need_of(Listening(soc=0.32), forecast(-2, -1, 0), replace(LIMITS, min_soc=0.3))
    assert (need.short_price, need.absorbed) == (0.30, False)


@given(st.floats(0, 0.6), st.floats(0, 1))
@settings(deadline=None)
def test_being_short_never_costs_less_than_being_long_brings(value: float, soc: float) -> None:
    need = need_of(Listening(soc=soc, stored_value=value), forecast(-2, -1, 0))
    assert need.surplus_price <= need.short_price <= 0.30


def test_the_rule_is_made_of_the_plan_and_the_tariffs_of_the_slot() -> None:
    tariffs = Tariffs(np.linspace(0.05, 0.1, STEPS), np.linspace(0.2, 0.4, STEPS))
    plan = Listening(stored_value=0.123).plan(np.zeros(STEPS), 0.5, Prices(tariffs.retail, tariffs.feed_in))
    rule = trader(newsvendor).rule(plan, tariffs)
    assert (rule.stored_value, rule.feed_in, rule.retail) == (0.123, 0.05, 0.2)
    assert rule.one_way_efficiency == pytest.approx(0.9)
    assert trader(newsvendor, battery=None).rule(plan, tariffs).one_way_efficiency == 1.0


@given(
    st.lists(st.integers(-60, 60), min_size=STEPS, max_size=STEPS), st.integers(0, 100), st.sampled_from([0.1, 0.25])
)
@settings(max_examples=30, deadline=None)
def test_who_knows_everything_bids_for_the_plan(tenths: list[int], percent: int, price: float) -> None:
    """Perfect knowledge and a fixed price: the bid is the exchange of the plan's first step, to the watt-hour."""
    flow = np.array(tenths) / 10
    for strategy in (newsvendor, truthful):
        planner = OptimalPlanner(LIMITS, 100.0, STEPS, HOURS)
        knows = Trader(planner, LIMITS, outlook_at(price), strategy, HOURS)
        decision = knows.decide(SLOT, np.stack([flow] * 3, axis=1), percent / 100, TARIFFS)
        exchange_wh = float(decision.plan.grid_kw[0]) * HOURS * 1000
        assert signed_wh(decision.bid) == pytest.approx(exchange_wh, abs=1.001)


def outlook_at(price: float) -> PriceOutlook:
    seen = PriceOutlook(1)
    for day in range(60):
        seen.observe(day, AuctionResult(price, 1, 1), 0.08, 0.30)
    return seen


def signed_wh(bid: Bid | None) -> int:
    """> 0 buys [Wh]"""
    if bid is None:
        return 0
    return bid.energy_wh if bid.side is Side.BUY else -bid.energy_wh


def test_a_battery_to_be_filled_at_a_low_price_is_bid_for_at_what_it_is_worth() -> None:
    """Local energy at 0.10 now, 0.30 for the rest of the day: the battery charges with all its power."""
    seen = PriceOutlook(STEPS)
    for day in range(60):
        for slot in range(STEPS):
            seen.observe(STEPS * day + slot, AuctionResult(0.10 if slot < 4 else 0.30, 1, 1), 0.08, 0.30)
    planner = OptimalPlanner(LIMITS, 100.0, STEPS, HOURS)
    decision = Trader(planner, LIMITS, seen, newsvendor, HOURS).decide(SLOT, forecast(-1, -1, -1), 0.0, TARIFFS)
    assert decision.bid is not None
    assert decision.plan.battery_kw[0] == pytest.approx(5.0)
    assert signed_wh(decision.bid) == 1500
    assert 0.10 < decision.bid.limit_price / 1e6 <= 0.30 * 0.81


def test_the_owner_has_the_last_word() -> None:
    owner = OwnerLimits(min_sell_price=250_000, max_buy_price=100_000)
    bought = trader(newsvendor, battery=None, owner=owner).decide(SLOT, forecast(-2, -2, -2), None, TARIFFS).bid
    sold = trader(newsvendor, battery=None, owner=owner).decide(SLOT, forecast(2, 2, 2), None, TARIFFS).bid
    assert bought == Bid(Side.BUY, 500, 100_000)
    assert sold == Bid(Side.SELL, 500, 250_000)


@pytest.mark.parametrize("soc", [None, math.nan, 1.2])
def test_nothing_is_decided_on_an_impossible_state_of_charge(soc: float | None) -> None:
    planner = OptimalPlanner(LIMITS, 100.0, STEPS, HOURS)
    with pytest.raises(PlanError, match=f"state of charge of {soc}"):
        Trader(planner, LIMITS, outlook(), newsvendor, HOURS).decide(SLOT, forecast(-2, -1, 0), soc, TARIFFS)
