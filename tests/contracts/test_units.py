"""Rounding against exact fractions."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.units import cost_rounded_up, from_base_units, kwh_to_wh, proceeds_rounded_down, to_base_units, wh_to_kwh

energies, prices = st.integers(0, 10**12), st.integers(0, 10**12)


@given(energies, prices)
def test_buyers_round_up_and_sellers_down(wh: int, price: int) -> None:
    exact = Fraction(wh * price, 1000)
    assert cost_rounded_up(wh, price) == math.ceil(exact)
    assert proceeds_rounded_down(wh, price) == math.floor(exact)


@given(st.integers(0, 10**12))
def test_there_and_back(units: int) -> None:
    assert to_base_units(from_base_units(units)) == units
    assert kwh_to_wh(wh_to_kwh(units)) == units


@pytest.mark.parametrize(("amount", "units"), [(0.3, 300_000), (0.08, 80_000), (100.0, 100_000_000), (1e-7, 0)])
def test_known_amounts(amount: float, units: int) -> None:
    assert to_base_units(amount) == units
