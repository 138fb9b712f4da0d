"""The battery from minute to minute: thresholds by hand, and whole slots with the simulated battery."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from building_clients.battery_control import ControlRule, SlotControl, self_consumption
from simulation.battery import Battery, BatteryLimits
from simulation.clock import MINUTE, MINUTE_H, SimClock

NOON = datetime(2026, 6, 17, 12, 0, tzinfo=UTC)
CLOCK = SimClock(start=NOON, wall_start=NOON, speed=1, slot_minutes=15)
SLOT = CLOCK.slot_at(NOON)
RULE = ControlRule(stored_value=0.20, one_way_efficiency=0.9, feed_in=0.08, retail=0.30)
LIMITS = BatteryLimits(10.0, 8.0, 8.0)


@pytest.mark.parametrize(
    ("stored_value", "net_flow_kw", "contracted_kw", "wanted_kw"),
    [
        (0.20, -3.0, 0.0, -3.0),
        (0.20, 3.0, 0.0, 3.0),
        (0.20, -3.0, 2.0, -1.0),
        (0.20, -3.0, 5.0, 2.0),
        (0.20, 3.0, -2.0, 1.0),
        (0.20, 3.0, -5.0, -2.0),
        (0.20, 0.0, 0.0, 0.0),
        (0.28, -3.0, 0.0, 0.0),
        (0.28, 3.0, 0.0, 3.0),
        (0.08, 3.0, 0.0, 0.0),
        (0.08, -3.0, 0.0, -3.0),
        (0.35, 1.0, 0.0, math.inf),
        (0.35, -9.0, 0.0, math.inf),
        (0.05, 1.0, 0.0, -math.inf),
        (0.05, -9.0, 0.0, -math.inf),
    ],
)
def test_thresholds_by_hand(stored_value: float, net_flow_kw: float, contracted_kw: float, wanted_kw: float) -> None:
    """At 90 % one way: 0.28 stored gives at 0.311, too dear to replace retail; 0.08 takes at 0.072, less than feed-in.

    0.35 takes at 0.315, more than retail; 0.05 gives at 0.056, less than feed-in.
    """
    rule = replace(RULE, stored_value=stored_value)
    assert rule.set_point_kw(net_flow_kw, contracted_kw) == pytest.approx(wanted_kw)


@given(st.floats(0, 0.5), st.floats(0.5, 1), st.floats(-20, 20), st.floats(-20, 20))
def test_no_minute_costs_more_than_with_an_idle_battery(
    value: float, efficiency: float, net_flow_kw: float, contracted_kw: float
) -> None:
    """Against the utility's tariffs, with stored energy at its value."""
    rule = ControlRule(value, efficiency, feed_in=0.08, retail=0.30)
    wanted = min(max(rule.set_point_kw(net_flow_kw, contracted_kw), -8.0), 8.0)

    def cost(battery_kw: float) -> float:
        beyond = battery_kw - net_flow_kw - contracted_kw
        stored = battery_kw * efficiency if battery_kw > 0 else battery_kw / efficiency
        return (0.30 if beyond > 0 else 0.08) * beyond - value * stored

    best = min(cost(float(power)) for power in np.linspace(-8, 8, 161))
    assert cost(wanted) <= cost(0.0) + 1e-9
    assert cost(wanted) <= best + 1e-9


def run(control: SlotControl, battery: Battery, net_flow_kw: np.ndarray, slot: int = SLOT) -> float:
    """What passes the meter in a slot when `control` moves `battery` [kWh]"""
    total = 0.0
    for minute, flow in enumerate(net_flow_kw.tolist()):
        moment = CLOCK.slot_start(slot) + minute * MINUTE
        grid_kw = battery.step(control.set_point_kw(moment, flow), MINUTE_H) - flow
        control.delivered(moment, grid_kw)
        total += grid_kw * MINUTE_H
    return total


def ready(contracted_kwh: float, rule: ControlRule = RULE) -> SlotControl:
    control = SlotControl(CLOCK)
    control.plan(SLOT, rule)
    control.contract(SLOT, contracted_kwh)
    return control


@given(st.floats(-3, 3), st.floats(-0.5, 0.5), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_the_slot_brings_what_was_contracted(mean_kw: float, off_kwh: float, seed: int) -> None:
    """The battery has room and power, the forecast was off by up to half a kWh, and every minute is noisy."""
    flow = mean_kw + np.random.default_rng(seed).normal(0, 0.5, 15)
    contracted = -mean_kw * 0.25 + off_kwh
    delivered = run(ready(contracted), Battery(LIMITS, 0.5), flow)
    assert delivered == pytest.approx(contracted, abs=1e-9)


@pytest.mark.parametrize("soc", [0.0, 0.5, 1.0])
def test_a_small_battery_brings_slots_closer_to_their_contracts_than_none(soc: float) -> None:
    """It is often empty, full or too weak, so that not every slot comes out; errors of half a kWh in 500 slots."""
    random = np.random.default_rng(7)
    with_kwh, without_kwh = [], []
    for mean_kw, off_kwh in zip(random.uniform(-9, 9, 500), random.normal(0, 0.5, 500), strict=True):
        flow = mean_kw + random.normal(0, 1, 15)
        contracted = -mean_kw * 0.25 + off_kwh
        with_kwh.append(run(ready(contracted), Battery(BatteryLimits(1.0, 2.0, 2.0), soc), flow) - contracted)
        without_kwh.append(-float(flow.sum()) * MINUTE_H - contracted)
    share = 0.3 if soc == 0.5 else 0.7
    assert np.abs(with_kwh).mean() < share * np.abs(without_kwh).mean()


def test_a_weak_minute_is_made_up_for_in_the_rest_of_the_slot() -> None:
    """Five minutes with more load than the battery gives: 0.1 kWh too much, which the others take back."""
    flow = np.array([-9.2] * 5 + [-2.0] * 10)
    assert run(ready(0.0), Battery(LIMITS, 0.9), flow) == pytest.approx(0.0, abs=1e-9)
    control = ready(0.0)
    for minute in range(5):
        control.delivered(NOON + minute * MINUTE, 1.2)
    assert control.set_point_kw(NOON + 5 * MINUTE, -2.0) == pytest.approx(-2.0 - 0.1 / (10 * MINUTE_H))


def test_without_a_rule_the_sun_stays_in_the_house() -> None:
    control = SlotControl(CLOCK)
    assert control.set_point_kw(NOON, 2.5) == 2.5
    control.plan(SLOT + 1, replace(RULE, stored_value=0.5))
    assert control.set_point_kw(NOON, -1.5) == -1.5
    assert control.set_point_kw(NOON + timedelta(minutes=15), -1.5) == math.inf


def test_a_contract_without_plan_or_rule_changes_nothing() -> None:
    control = SlotControl(CLOCK)
    control.contract(SLOT, 5.0)
    control.delivered(NOON, 3.0)
    assert control.set_point_kw(NOON, 1.0) == 1.0


@given(st.floats(0.0, 0.5), st.floats(0.0, 0.5), st.floats(0.5, 1.0), st.floats(-5, 5))
def test_self_consumption_without_a_plan_is_what_a_round_trip_pays_for(
    feed_in: float, room: float, efficiency: float, net_flow_kw: float
) -> None:
    rule = self_consumption(feed_in, feed_in + room, efficiency)
    pays = feed_in <= (feed_in + room) * efficiency**2
    assume(abs(feed_in - (feed_in + room) * efficiency**2) > 1e-9)
    assert rule.set_point_kw(net_flow_kw, 0.0) == (net_flow_kw if pays else 0.0)


def test_the_running_slot_keeps_its_rule_when_the_next_is_planned_and_older_ones_go() -> None:
    control = ready(1.0)
    control.delivered(NOON, 6.0)
    before = control.set_point_kw(NOON + MINUTE, 0.0)
    control.plan(SLOT + 1, RULE)
    assert control.set_point_kw(NOON + MINUTE, 0.0) == before != 0.0
    control.plan(SLOT + 2, RULE)
    assert control.set_point_kw(NOON + MINUTE, 0.0) == 0.0


def test_every_slot_counts_for_itself() -> None:
    control = ready(0.5)
    control.plan(SLOT + 1, RULE)
    control.contract(SLOT + 1, -0.5)
    battery = Battery(LIMITS, 0.5)
    still = np.zeros(15)
    assert run(control, battery, still) == pytest.approx(0.5)
    assert run(control, battery, still, SLOT + 1) == pytest.approx(-0.5)


def test_in_the_last_seconds_of_a_slot_nothing_explodes() -> None:
    """A minute that begins half a minute before the end: the rest is wanted within a minute, not within seconds."""
    control = ready(0.1)
    assert control.set_point_kw(NOON + timedelta(seconds=870), 0.0) == pytest.approx(0.1 / MINUTE_H)
