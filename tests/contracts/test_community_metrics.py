"""Community metrics against their definitions, slot by slot and member by member."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.community_metrics import (
    gini,
    imbalance_cost,
    peak_import_kw,
    relative_benefit,
    self_consumption,
    self_sufficiency,
)

energies = arrays(float, (5, 3), elements=st.integers(-40, 40).map(lambda n: n / 4))
gains = arrays(float, st.integers(1, 8), elements=st.integers(0, 50).map(float))


def test_members_supply_each_other_in_the_same_slot_only() -> None:
    """Two slots of two members: one exports 2 while the other imports 3; then the other way round in time."""
    grid_kwh = np.array([[-2.0, 3.0], [1.0, 0.0], [0.0, -4.0]])
    load_kwh = np.array([[1.0, 3.0], [1.0, 1.0], [1.0, 1.0]])
    assert self_sufficiency(grid_kwh, load_kwh) == pytest.approx(1 - 2 / 8)
    pv_kwh = np.array([[3.0, 0.0], [0.0, 1.0], [1.0, 5.0]])
    assert self_consumption(grid_kwh, pv_kwh) == pytest.approx(1 - 4 / 10)
    assert peak_import_kw(grid_kwh, 0.25) == pytest.approx(4.0)


@given(gains)
def test_gini_is_half_the_mean_difference_over_the_mean(found: np.ndarray) -> None:
    if found.sum() == 0:
        assert gini(found) == 0
        return
    differences = sum(abs(a - b) for a in found for b in found) / len(found) ** 2
    assert gini(found) == pytest.approx(differences / 2 / found.mean())


def test_gini_of_equal_gains_and_of_one_winner() -> None:
    assert gini(np.full(7, 3.0)) == pytest.approx(0)
    assert gini(np.array([0.0, 0.0, 0.0, 5.0, -2.0])) == pytest.approx(0.8)


def test_benefit_is_relative_to_the_size_of_the_cost_alone() -> None:
    found = relative_benefit(np.array([80.0, -30.0, 12.0]), np.array([100.0, -20.0, 10.0]))
    assert found == pytest.approx([0.2, 0.5, -0.2])


@given(energies, energies, arrays(float, 5, elements=st.integers(8, 30).map(lambda n: n / 100)))
def test_imbalance_costs_what_a_better_trade_would_have_saved(
    grid_kwh: np.ndarray, traded_kwh: np.ndarray, price: np.ndarray
) -> None:
    """By the bill: what was traded and the utility's part, less the same with only what was needed of the trade."""
    feed_in, retail = np.full(5, 0.08), np.full(5, 0.30)

    def bill(traded: float, grid: float, at: float) -> float:
        rest = grid - traded
        return traded * at + (rest * 0.30 if rest > 0 else rest * 0.08)

    found = imbalance_cost(grid_kwh, traded_kwh, price, feed_in, retail)
    for slot in range(5):
        for member in range(3):
            traded, grid = traded_kwh[slot, member], grid_kwh[slot, member]
            needed = min(traded, max(grid, 0.0)) if traded > 0 else max(traded, min(grid, 0.0))
            expected = bill(traded, grid, price[slot]) - bill(needed, grid, price[slot])
            assert found[slot, member] == pytest.approx(expected, abs=1e-9)


def test_without_a_trade_nothing_was_wrong() -> None:
    price = np.array([np.nan, 0.2])
    found = imbalance_cost(np.array([[3.0], [3.0]]), np.zeros((2, 1)), price, np.full(2, 0.08), np.full(2, 0.3))
    assert (found == 0).all()
