"""Averages against numpy and Flower's own, momentum by hand, absurd updates found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_server.aggregation import ServerMomentum, absurd, aggregate, weighted_mean

Weights = list[np.ndarray]


def some(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(3, 2)).astype(np.float32), rng.normal(size=4).astype(np.float32)]


UPDATES = [some(seed) for seed in range(7)]
COUNTS = [10, 20, 30, 5, 80, 1, 44]


def test_the_weighted_mean_is_flowers() -> None:
    from flwr.server.strategy.aggregate import aggregate as flowers

    wanted = flowers(list(zip(UPDATES, COUNTS, strict=True)))
    for ours, theirs in zip(weighted_mean(UPDATES, COUNTS), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_the_median_is_numpys() -> None:
    found = aggregate(UPDATES, COUNTS, "median", 0.2)
    np.testing.assert_allclose(found[0], np.median([update[0] for update in UPDATES], axis=0), rtol=1e-6)


def test_a_trimmed_mean_is_scipys() -> None:
    from scipy.stats import trim_mean

    found = aggregate(UPDATES, COUNTS, "trimmed_mean", 0.3)
    np.testing.assert_allclose(found[0], trim_mean([update[0] for update in UPDATES], 3 / 7, axis=0), rtol=1e-5)


@given(st.integers(1, 9), st.floats(0, 0.5))
def test_some_update_is_always_left(count: int, share: float) -> None:
    found = aggregate([some(seed) for seed in range(count)], [1] * count, "trimmed_mean", share)
    assert all(np.isfinite(array).all() for array in found)


@pytest.mark.parametrize("how", ["median", "trimmed_mean"])
def test_one_poisoned_building_cannot_move_a_robust_average_far(how: str) -> None:
    poisoned = [[array * 1e6 for array in some(99)], *UPDATES]
    found = aggregate(poisoned, [1] * 8, how, 0.2)  # type: ignore[arg-type]  # a parameter
    assert max(float(np.abs(array).max()) for array in found) < 5


def test_hundred_times_the_weights_are_absurd() -> None:
    start = some(50)
    near = [[old + 0.1 * step for old, step in zip(start, some(seed), strict=True)] for seed in range(5)]
    loud = [100 * array for array in near[2]]
    found = absurd(start, [*near, loud])
    assert list(found) == [5]
    assert "times the median" in found[5]
    assert absurd(start, near) == {}
    assert list(absurd(start, [near[0], loud])) == [1]
    assert "times the norm of the model" in absurd(start, [loud])[0]
    assert absurd(start, [near[0], loud], noise_norm=1000.0) == {}
    assert list(absurd(start, [near[0], [array * np.nan for array in start]])) == [1]


def test_momentum_adds_up() -> None:
    server = ServerMomentum(0.5)
    start = [np.zeros(2, np.float32)]
    one = server.step(start, [np.array([1.0, 2.0], np.float32)])
    two = server.step(one, [one[0] + 1])
    np.testing.assert_allclose(one[0], [1, 2])
    np.testing.assert_allclose(two[0], [1 + 0.5 * 1 + 1, 2 + 0.5 * 2 + 1])
    assert ServerMomentum(0).step(start, one) is one
