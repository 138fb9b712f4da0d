"""A home that has just joined knows and is scored on what was measured, against its best at each horizon."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.forecasting.cold_start import Fold, best_local, cold_record, cold_start, newcomer
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.learning import Plan
from benchmarks.forecasting.selection import homes_in
from building_clients.architecture import initial_weights
from building_clients.settings import LearningConfig
from tests.evaluation.idle_pool import nothing, pool
from tests.evaluation.made_up import spoil, write_homes

PLAN = Plan(LearningConfig(rounds=1, local_steps=1))
TEST_START = 160 * 24 - 1


def homes(tmp_path: Path, gaps: Iterable[int]) -> list[Home]:
    """Two homes of 200 days; the second has gaps."""
    folder = write_homes(tmp_path / "homes", 2, 200)
    spoil(folder / "building_02.csv", gaps)
    return homes_in(folder, None, "UTC").homes


def test_what_was_not_measured_is_neither_learned_nor_scored(tmp_path: Path) -> None:
    gaps = [*range(TEST_START - 200, TEST_START - 190), *range(TEST_START + 50, TEST_START + 60)]
    whole, spoilt = (newcomer(home, 14, 16) for home in homes(tmp_path, gaps))
    assert whole is not None
    assert spoilt is not None
    assert len(whole.training) > len(spoilt.training)
    for part in (spoilt.training, spoilt.validation, spoilt.test):
        for gap in gaps:
            assert not ((part + spoilt.start - 1 <= gap) & (gap < part + spoilt.start + 24)).any()
    assert spoilt.test.min() + spoilt.start >= TEST_START


@pytest.mark.parametrize("trees", [True, False])
def test_a_home_without_recent_readings_is_left_out(tmp_path: Path, trees: bool) -> None:
    fold = Fold(homes(tmp_path, range(TEST_START - 24 * 14, TEST_START)), initial_weights(24, 7))
    found = cold_start([fold], pool(), PLAN, 14, trees, nothing)
    assert set(found) == {"building_01"}
    assert {name for name in found["building_01"] if name.startswith("lightgbm")} == (
        {"lightgbm", "lightgbm_same_inputs"} if trees else set()
    )


def test_the_best_local_method_is_that_of_each_horizon() -> None:
    errors = {
        "home": {
            "seasonal_mean": np.array([0.1, 0.1]),
            "lightgbm": np.array([1.0, 1.0]),
            "lightgbm_same_inputs": np.array([0.9, 3.0]),
            "local_lstm": np.array([2.0, 0.8]),
            "federated": np.array([0.45, 0.4]),
        }
    }
    names, best = best_local(errors)
    assert (names, best.tolist()) == (["lightgbm_same_inputs", "local_lstm"], [0.9, 0.8])
    record = cold_record(errors)
    assert record["federated_against_best_local"] == [-0.5, -0.5]
    assert record["federated_against"]["seasonal_mean"] == [3.5, 3.0]
