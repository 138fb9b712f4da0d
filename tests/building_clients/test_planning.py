"""Planners against the simulated battery and against each other; what cannot be planned with is named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building_clients.planning import BatteryPlan, GreedyPlanner, NoBattery, OptimalPlanner, PlanError, Planner, Prices
from simulation.battery import Battery, BatteryLimits

STEPS, HOURS, CONNECTION_KW = 16, 0.25, 100.0
LIMITS = BatteryLimits(8.0, 4.0, 4.0, 0.9, 0.001)
FLAT = Prices(np.full(STEPS, 0.30), np.full(STEPS, 0.08))

flows = st.lists(st.integers(-90, 90).map(lambda tenths: tenths / 10), min_size=STEPS, max_size=STEPS).map(np.array)
shares = st.integers(0, 100).map(lambda percent: percent / 100)


@st.composite
def some_prices(draw: st.DrawFn) -> Prices:
    sell, room = (np.array(draw(st.lists(shares, min_size=STEPS, max_size=STEPS))) for _ in range(2))
    return Prices(buy=sell + room, sell=sell)


def cost(plan: BatteryPlan, prices: Prices, end_value: float) -> float:
    """What the meter will show at these prices, less the worth of what is left [currency]"""
    pays = np.where(plan.grid_kw > 0, prices.buy, prices.sell)
    return float((pays * plan.grid_kw).sum() * HOURS - end_value * plan.soc[-1] * LIMITS.capacity_kwh)


@given(flows, shares, some_prices())
@settings(deadline=None)
def test_greedy_is_what_the_battery_does_by_itself(flow: np.ndarray, soc: float, prices: Prices) -> None:
    plan = GreedyPlanner(LIMITS, HOURS).plan(flow, soc, prices)
    battery = Battery(LIMITS, soc)
    for step, net_flow_kw in enumerate(flow.tolist()):
        power_kw = battery.step(net_flow_kw, HOURS)
        assert (plan.battery_kw[step], plan.soc[step]) == (power_kw, battery.soc)
        assert plan.grid_kw[step] == pytest.approx(power_kw - net_flow_kw)


@given(flows, shares, some_prices())
@settings(max_examples=50, deadline=None)
def test_the_optimum_is_never_more_expensive_than_greed(flow: np.ndarray, soc: float, prices: Prices) -> None:
    """Up to the trifle that a charged or discharged kWh is taken to wear."""
    best = OptimalPlanner(LIMITS, CONNECTION_KW, STEPS, HOURS).plan(flow, soc, prices)
    greedy = GreedyPlanner(LIMITS, HOURS).plan(flow, soc, prices)
    end_value = 0.7 * math.sqrt(0.9) * float(prices.buy.mean())
    assert cost(best, prices, end_value) <= cost(greedy, prices, end_value) + 1e-5 * 4 * STEPS * HOURS


@given(flows)
def test_without_a_battery_the_plan_is_the_net_flow(flow: np.ndarray) -> None:
    plan = NoBattery().plan(flow, None, FLAT)
    assert (plan.grid_kw == -flow).all()
    assert not plan.battery_kw.any()
    assert np.isnan(plan.soc).all()
    assert plan.stored_value == 0


def test_cheap_hours_fill_the_battery_for_dear_ones() -> None:
    """By hand: 4 kW for an hour at 0.10 stores 4 x sqrt(0.9) kWh; all of it is used where a kWh costs 0.40."""
    buy = np.array([0.10] * 4 + [0.40] * 12)
    plan = OptimalPlanner(replace(LIMITS, standing_loss=0), CONNECTION_KW, STEPS, HOURS).plan(
        np.full(STEPS, -2.0), 0.0, Prices(buy, np.zeros(STEPS))
    )
    assert plan.battery_kw[:4] == pytest.approx(np.full(4, 4.0))
    assert plan.soc[3] * 8 == pytest.approx(4 * math.sqrt(0.9))
    assert -plan.battery_kw[4:].sum() * HOURS == pytest.approx(4 * 0.9)
    assert plan.stored_value == pytest.approx(0.40 * math.sqrt(0.9), abs=2e-5)


@pytest.fixture(params=["optimal", "greedy"])
def planner(request: pytest.FixtureRequest) -> Planner:
    if request.param == "greedy":
        return GreedyPlanner(LIMITS, HOURS)
    return OptimalPlanner(LIMITS, CONNECTION_KW, STEPS, HOURS)


@pytest.mark.parametrize(("soc", "named"), [(-0.2, "-0.2"), (1.2, "1.2"), (None, "None"), (math.nan, "nan")])
def test_an_impossible_state_of_charge_is_named(planner: Planner, soc: float | None, named: str) -> None:
    with pytest.raises(PlanError, match=rf"state of charge of {named}, which must lie between 0 and 1"):
        planner.plan(np.zeros(STEPS), soc, FLAT)


@pytest.mark.parametrize("soc", [-1e-9, 1 + 1e-9])
def test_a_state_of_charge_that_is_off_by_rounding_is_taken(planner: Planner, soc: float) -> None:
    plan = planner.plan(np.zeros(STEPS), soc, FLAT)
    assert ((plan.soc >= 0) & (plan.soc <= 1)).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_forecast_that_is_no_number_is_named_with_its_step(planner: Planner, value: float) -> None:
    flow = np.zeros(STEPS)
    flow[5] = value
    with pytest.raises(PlanError, match=f"net flow of step 5 is {value}"):
        planner.plan(flow, 0.5, FLAT)


def test_prices_for_another_number_of_steps_are_refused(planner: Planner) -> None:
    with pytest.raises(PlanError, match=r"sell price: expected one number for each of 16 steps, found shape \(15,\)"):
        planner.plan(np.zeros(STEPS), 0.5, Prices(FLAT.buy, FLAT.sell[1:]))


def test_a_price_that_is_no_number_is_named_with_its_step(planner: Planner) -> None:
    buy = FLAT.buy.copy()
    buy[2] = math.nan
    with pytest.raises(PlanError, match="buy price of step 2 is nan"):
        planner.plan(np.zeros(STEPS), 0.5, Prices(buy, FLAT.sell))


def test_selling_for_more_than_buying_costs_is_named(planner: Planner) -> None:
    sell = FLAT.sell.copy()
    sell[3] = 0.31
    with pytest.raises(PlanError, match=r"step 3: selling for 0\.31 what costs 0\.3 would be a money pump"):
        planner.plan(np.zeros(STEPS), 0.5, Prices(FLAT.buy, sell))


def test_a_forecast_of_another_length_than_the_plan_is_refused() -> None:
    planner = OptimalPlanner(LIMITS, CONNECTION_KW, STEPS + 1, HOURS)
    with pytest.raises(PlanError, match="the forecast has 16 steps; the plan needs 17"):
        planner.plan(np.zeros(STEPS), 0.5, FLAT)


def test_a_forecast_beyond_all_measure_is_a_plan_error_and_does_no_harm() -> None:
    """HiGHS takes 1e25 for infinite; the next plan is as good as before."""
    planner = OptimalPlanner(LIMITS, CONNECTION_KW, STEPS, HOURS)
    before = planner.plan(np.full(STEPS, -1.0), 0.5, FLAT)
    with pytest.raises(PlanError, match=r"no place for -1e\+25"):
        planner.plan(np.full(STEPS, 1e25), 0.5, FLAT)
    after = planner.plan(np.full(STEPS, -1.0), 0.5, FLAT)
    assert cost(after, FLAT, 0.2) == pytest.approx(cost(before, FLAT, 0.2))
