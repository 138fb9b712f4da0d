"""Choosing between weights: by the loss that a building would see, whatever order they come in."""

import numpy as np
import pytest

from building_clients.architecture import Weights, initial_weights, layout
from building_clients.inference import OnnxModel
from building_clients.learner import split
from building_clients.scoring import best_of, fitted_candidates, loss_on
from building_clients.slots import to_slots
from building_clients.windows import Series
from tests.building_clients.synthetic import PER_DAY, SLOT_MINUTES, readings
from tests.building_clients.test_inference import random_weights

QUANTILE_BIAS = list(layout(PER_DAY)).index("quantile/bias")


def off_by(median: float) -> Weights:
    """Weights that have learned nothing, with a shifted median."""
    weights = initial_weights(PER_DAY, 1)
    weights[QUANTILE_BIAS][1] += np.float32(median)
    return weights


@pytest.fixture(scope="module")
def series() -> Series:
    return Series(to_slots(readings(8), SLOT_MINUTES))


def test_between_too_much_and_too_little_the_middle_is_found(series: Series) -> None:
    ends = split(series, 8)[1]
    for shared, fitted in ((off_by(0.3), off_by(-0.3)), (off_by(-0.2), off_by(0.2))):
        best, loss = best_of(fitted_candidates(shared, fitted), series, ends)
        for found, middle in zip(best, off_by(0.0), strict=True):
            np.testing.assert_allclose(found, middle, atol=1e-7)
        assert loss == pytest.approx(loss_on(OnnxModel(off_by(0.0), PER_DAY), series, ends), rel=1e-6)


def test_the_lowest_loss_wins_in_any_order(series: Series) -> None:
    ends = split(series, 8)[1]
    candidates = [random_weights(seed, PER_DAY) for seed in range(4)]
    losses = [loss_on(OnnxModel(weights, PER_DAY), series, ends) for weights in candidates]
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
        best, loss = best_of([candidates[index] for index in order], series, ends)
        assert best is candidates[int(np.argmin(losses))]
        assert loss == min(losses)


def test_weights_that_are_no_numbers_are_not_chosen(series: Series) -> None:
    broken = [np.full_like(array, np.nan) for array in off_by(0.0)]
    ends = split(series, 8)[1]
    good = off_by(0.1)
    assert best_of([broken, good], series, ends)[0] is good
    assert not best_of([broken], series, ends)[1] <= 1e9
