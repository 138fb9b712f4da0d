"""The battery against published values, and against the law of conservation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.battery import Battery, BatteryLimits, battery_of
from simulation.settings import BuildingConfig

LIMITS = BatteryLimits(capacity_kwh=10.0, charge_kw=5.0, discharge_kw=5.0, round_trip_efficiency=0.9)


@pytest.mark.parametrize(("power_kw", "soc"), [(2.0, 0.689737), (-2.0, 0.289182)])
def test_citylearn_battery_gives_the_same(power_kw: float, soc: float) -> None:
    """Values of CityLearn 2.x for 10 kWh, round trip 0.9, half full, one hour."""
    battery = Battery(LIMITS, 0.5)
    assert battery.step(power_kw, 1.0) == power_kw
    assert battery.soc == pytest.approx(soc, abs=1e-6)


limits = st.builds(
    BatteryLimits,
    capacity_kwh=st.floats(0.5, 1000),
    charge_kw=st.floats(0.1, 500),
    discharge_kw=st.floats(0.1, 500),
    round_trip_efficiency=st.floats(0.5, 1),
    standing_loss=st.floats(0, 0.2),
    min_soc=st.floats(0, 0.5),
    max_soc=st.floats(0.5, 1),
)


@given(
    wishes=st.lists(st.floats(-600, 600), max_size=60), limits=limits, soc=st.floats(0, 1), minutes=st.integers(1, 60)
)
def test_energy_is_conserved_and_limits_hold(
    wishes: list[float], limits: BatteryLimits, soc: float, minutes: int
) -> None:
    """Every kWh is in the battery, given back, or lost in a way that has a name; relative error below 1e-9."""
    battery, hours, one_way = Battery(limits, soc), minutes / 60, math.sqrt(limits.round_trip_efficiency)
    for wish in wishes:
        before = battery.soc
        lost_kwh = before * limits.capacity_kwh * (1 - (1 - limits.standing_loss) ** (hours / 24))
        got = battery.step(wish, hours)
        assert -limits.discharge_kw <= got <= limits.charge_kw
        assert abs(got) <= abs(wish)
        assert got * wish >= 0
        charged_kwh = got * hours * (one_way if got > 0 else 1 / one_way)
        after_kwh = battery.soc * limits.capacity_kwh
        assert abs(before * limits.capacity_kwh - lost_kwh + charged_kwh - after_kwh) <= 1e-9 * limits.capacity_kwh
        assert got <= 0 or battery.soc <= limits.max_soc + 1e-12
        assert got >= 0 or battery.soc >= limits.min_soc - 1e-12
        assert -1e-12 <= battery.soc <= 1 + 1e-12


@given(wishes=st.lists(st.floats(-20, 20), min_size=1, max_size=40), limits=limits, soc=st.floats(0, 1))
def test_a_year_at_once_is_minute_by_minute(wishes: list[float], limits: BatteryLimits, soc: float) -> None:
    single, whole = Battery(limits, soc), Battery(limits, soc)
    assert whole.follow(wishes, 1 / 60) == [(single.step(wish, 1 / 60), single.soc) for wish in wishes]


def test_a_full_cycle_costs_the_round_trip() -> None:
    battery = Battery(LIMITS, 0.0)
    taken = sum(battery.step(4.0, 0.25) * 0.25 for _ in range(40))
    given_back = -sum(battery.step(-4.0, 0.25) * 0.25 for _ in range(40))
    assert battery.soc == pytest.approx(0, abs=1e-12)
    assert given_back / taken == pytest.approx(0.9)


def test_a_day_without_use_costs_the_standing_loss() -> None:
    """Exponential decay: the same whether it is looked at every minute or once."""
    limits = BatteryLimits(10.0, 5.0, 5.0, standing_loss=0.02)
    minutes, day = Battery(limits, 0.8), Battery(limits, 0.8)
    minutes.follow([0.0] * 1440, 1 / 60)
    day.step(0.0, 24.0)
    assert minutes.soc == pytest.approx(0.8 * 0.98, rel=1e-12)
    assert day.soc == pytest.approx(0.8 * 0.98, rel=1e-12)


def test_it_stops_at_the_reserve_and_at_the_top() -> None:
    battery = Battery(BatteryLimits(10.0, 50.0, 50.0, min_soc=0.2, max_soc=0.9), 0.5)
    battery.step(-50.0, 1.0)
    assert battery.soc == pytest.approx(0.2)
    assert battery.step(-1.0, 1.0) == pytest.approx(0, abs=1e-12)
    battery.step(50.0, 1.0)
    assert battery.soc == pytest.approx(0.9)


def test_the_plan_changes_nothing() -> None:
    battery = Battery(LIMITS, 0.5)
    assert battery.possible_kw(3.0, 1.0) == 3.0
    assert battery.soc == 0.5


def test_limits_come_from_the_scenario() -> None:
    house = BuildingConfig(id="H", battery_capacity_kwh=8, battery_discharge_kw=2)
    battery = battery_of(house, 0.4)
    assert battery is not None
    assert (battery.limits.charge_kw, battery.limits.discharge_kw, battery.soc) == (4.0, 2.0, 0.4)
    assert battery_of(BuildingConfig(id="H"), 0.4) is None
