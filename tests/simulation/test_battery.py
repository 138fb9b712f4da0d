"""The battery against published values, and against the law of conservation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.battery import Battery


@pytest.mark.parametrize(("power_kw", "soc"), [(2.0, 0.689737), (-2.0, 0.289182)])
def test_citylearn_battery_gives_the_same(power_kw: float, soc: float) -> None:
    """Values of CityLearn 2.x for 10 kWh, round trip 0.9, half full, one hour."""
    battery = Battery(10.0, 5.0, 0.9, 0.5)
    assert battery.step(power_kw, 1.0) == power_kw
    assert battery.soc == pytest.approx(soc, abs=1e-6)


@given(
    wishes=st.lists(st.floats(-50, 50), max_size=60),
    capacity=st.floats(0.5, 100),
    power=st.floats(0.1, 60),
    efficiency=st.floats(0.5, 1),
    soc=st.floats(0, 1),
)
def test_energy_is_conserved_and_limits_hold(
    wishes: list[float], capacity: float, power: float, efficiency: float, soc: float
) -> None:
    battery, hours = Battery(capacity, power, efficiency, soc), 0.25
    stored = soc * capacity
    for wish in wishes:
        got = battery.step(wish, hours)
        assert abs(got) <= power + 1e-9
        assert abs(got) <= abs(wish) + 1e-9
        assert got * wish >= 0
        stored += got * hours * (math.sqrt(efficiency) if got > 0 else 1 / math.sqrt(efficiency))
        assert 0 <= battery.soc <= 1
        assert battery.soc * capacity == pytest.approx(stored, abs=1e-6)


def test_a_full_cycle_costs_the_round_trip() -> None:
    battery = Battery(10.0, 5.0, 0.9, 0.0)
    taken = sum(battery.step(4.0, 0.25) * 0.25 for _ in range(40))
    given_back = -sum(battery.step(-4.0, 0.25) * 0.25 for _ in range(40))
    assert battery.soc == pytest.approx(0, abs=1e-12)
    assert given_back / taken == pytest.approx(0.9)


def test_the_plan_changes_nothing() -> None:
    battery = Battery(10.0, 5.0, 0.9, 0.5)
    assert battery.greedy_kw(3.0, 1.0) == 3.0
    assert battery.soc == 0.5
