"""Seasonal bases against brute force, one value at a time."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from building_clients.bases import envelope, lagged, seasonal_mean, seasonal_quantiles

DAY = 4
VALUES = np.random.default_rng(5).normal(size=15 * DAY + 3)


def earlier(slot: int, period: int = DAY) -> list[float]:
    """Values one, two, ... periods before, the newest first."""
    return [VALUES[i] for i in range(slot - period, -1, -period) if i < len(VALUES)]


@pytest.mark.parametrize("slot", [DAY, DAY + 1, 3 * DAY + 2, 9 * DAY, len(VALUES) + DAY - 1])
def test_a_young_mean_is_plain_and_an_old_one_forgets(slot: int) -> None:
    value = seasonal_mean(VALUES, DAY, 0.2)[slot]
    wanted = 0.0
    for age, known in enumerate(reversed(earlier(slot)), start=1):
        weight = max(0.2, 1 / age)
        wanted = (1 - weight) * wanted + weight * known
    assert value == pytest.approx(wanted)


def test_five_days_weigh_the_same() -> None:
    assert seasonal_mean(VALUES, DAY, 0.2)[5 * DAY] == pytest.approx(np.mean(earlier(5 * DAY)))


def test_a_weekly_mean_starts_as_the_daily_one() -> None:
    weekly, daily = seasonal_mean(VALUES, DAY, 0.25, 7 * DAY), seasonal_mean(VALUES, DAY, 0.25)
    np.testing.assert_array_equal(weekly[: 7 * DAY], daily[: 7 * DAY])
    assert weekly[8 * DAY] == VALUES[DAY]
    assert weekly[15 * DAY] == pytest.approx((VALUES[DAY] + VALUES[8 * DAY]) / 2)


@pytest.mark.parametrize("slot", [DAY, 2 * DAY + 1, 5 * DAY, 14 * DAY + 2, len(VALUES) + DAY - 1])
def test_quantiles_are_those_of_the_last_days(slot: int) -> None:
    found = seasonal_quantiles(VALUES, DAY, 7, (0.15, 0.5))[slot]
    np.testing.assert_allclose(found, np.quantile(earlier(slot)[:7], (0.15, 0.5)))


@pytest.mark.parametrize("slot", [DAY, 6 * DAY + 3, len(VALUES) + DAY - 1])
def test_the_envelope_is_the_largest_faded_value(slot: int) -> None:
    faded = [0.9**age * value for age, value in enumerate(earlier(slot))]
    faded.append(0.0)
    assert envelope(VALUES, DAY, 0.9)[slot] == pytest.approx(max(faded))


def test_a_lag_has_a_stand_in_until_there_is_one() -> None:
    instead = np.full(len(VALUES) + DAY, 7.0)
    found = lagged(VALUES, DAY, 2 * DAY, instead)
    assert (found[: 2 * DAY] == 7).all()
    np.testing.assert_array_equal(found[2 * DAY :], VALUES[: len(VALUES) - DAY])


@given(st.integers(DAY, len(VALUES) - 1))
def test_nothing_knows_the_future(known: int) -> None:
    changed = VALUES.copy()
    changed[known:] = 99.0
    bases: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda v: seasonal_mean(v, DAY, 0.1),
        lambda v: seasonal_mean(v, DAY, 0.1, 7 * DAY),
        lambda v: seasonal_quantiles(v, DAY, 3, (0.5,))[:, 0],
        lambda v: envelope(v, DAY, 0.9),
    ]
    for base in bases:
        np.testing.assert_array_equal(base(VALUES)[: known + DAY], base(changed)[: known + DAY])
