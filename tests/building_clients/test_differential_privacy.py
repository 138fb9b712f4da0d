"""The accountant against published values, numerical integration and known bounds; clipping and noise by measuring."""

from math import exp, inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from building_clients.differential_privacy import (
    central_deviation,
    clipped,
    epsilon_spent,
    norm_of,
    with_noise,
)

DELTA = 1e-5


def hockey_stick(epsilon: float, deviation: float) -> float:
    """Delta of a Gaussian with sensitivity 1, by integrating the positive part of p - exp(epsilon) q."""
    x = np.linspace(-60 * deviation, 60 * deviation, 2_000_001)
    p, q = (np.exp(-((x - shift) ** 2) / (2 * deviation**2)) for shift in (1.0, 0.0))
    return float(np.maximum(p - exp(epsilon) * q, 0).sum() * (x[1] - x[0]) / (deviation * sqrt(2 * np.pi)))


@pytest.mark.parametrize(("noise", "releases"), [(1.0, 1), (4.0, 1), (2.0, 9), (10.0, 30), (1.0, 3)])
def test_epsilon_is_where_delta_is_reached(noise: float, releases: int) -> None:
    epsilon = epsilon_spent(noise, releases, DELTA)
    assert hockey_stick(epsilon, noise / sqrt(releases)) == pytest.approx(DELTA, rel=1e-3)


@pytest.mark.parametrize("noise", [0.8, 2.0, 5.0])
@pytest.mark.parametrize("releases", [1, 12, 100])
def test_it_is_tighter_than_renyi_accounting(noise: float, releases: int) -> None:
    """Mironov 2017, arXiv:1702.07476: an upper bound for the same composition."""
    orders = np.concatenate([np.linspace(1.01, 60, 3000), np.arange(61, 2000)])
    bound = float(np.min(releases * orders / (2 * noise**2) + log(1 / DELTA) / (orders - 1)))
    epsilon = epsilon_spent(noise, releases, DELTA)
    assert 0.5 * bound < epsilon <= bound


def test_no_noise_is_no_privacy_and_no_release_costs_nothing() -> None:
    assert epsilon_spent(0, 3, DELTA) == inf
    assert epsilon_spent(1, 0, DELTA) == 0


@given(st.floats(0.5, 20), st.integers(1, 50))
def test_more_releases_cost_more_and_more_noise_less(noise: float, releases: int) -> None:
    here = epsilon_spent(noise, releases, DELTA)
    assert epsilon_spent(noise, releases + 1, DELTA) > here > epsilon_spent(noise * 1.1, releases, DELTA)


@given(st.floats(0.01, 100), st.integers(0, 5))
def test_clipping_bounds_the_norm_and_keeps_the_direction(limit: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    update = [rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=2).astype(np.float32)]
    short = clipped(update, limit)
    assert norm_of(short) <= min(limit, norm_of(update)) * (1 + 1e-5)
    np.testing.assert_allclose(short[0] / short[1][0], update[0] / update[1][0], rtol=1e-4)


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    noisy = with_noise([np.ones((300, 300), np.float32)], 0.5, np.random.default_rng(1))[0]
    assert (noisy.mean(), noisy.std()) == (pytest.approx(1, abs=0.01), pytest.approx(0.5, rel=0.02))


def test_among_many_a_building_is_hidden_by_less_noise() -> None:
    assert central_deviation(2.0, 3.0, 4) == pytest.approx(1.5)
    assert central_deviation(2.0, 3.0, 40) == pytest.approx(0.15)
