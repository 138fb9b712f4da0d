"""Homes that did not take part and are two or four weeks old: the others' model against what they learn alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.forecasting.arms import HORIZONS_H, steps_of
from benchmarks.forecasting.boosting import Boosted
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.learning import OnStep, Plan, alone, federated, sources_of, tuned
from benchmarks.forecasting.workers import Source, TrainingPool
from building_clients.architecture import Weights
from building_clients.calibration import Predictor, SeasonalModel
from building_clients.inference import OnnxModel
from building_clients.learner import split
from building_clients.slots import TrainError
from building_clients.windows import Series

FOLDS = 3
HISTORY_DAYS = (14, 28)
ENDS = (0, -1)
"""Which of the reported horizons a cold start is judged by: the nearest and the farthest."""
LOCAL = ("lightgbm", "lightgbm_same_inputs", "local_lstm")
"""Methods that a home can train without the others."""
Errors = dict[str, np.ndarray]
"""Mean absolute error by method; shape (2,) [kW]"""


@dataclass(frozen=True)
class Fold:
    """Homes that were left out, and the global model of the others."""

    absent: list[Home]
    """Homes whose data the model never saw."""
    weights: Weights
    """What the others learned."""


def leave_out(homes: Sequence[Home], pool: TrainingPool, plan: Plan, step: OnStep) -> list[Fold]:
    """Every home is absent once. Needs at least FOLDS homes."""
    absent = [list(homes[number::FOLDS]) for number in range(FOLDS)]
    horizon = homes[0].slots.per_day

    def fold(out: list[Home]) -> Fold:
        others = sources_of([home for home in homes if home not in out])
        return Fold(out, federated(pool, others, horizon, plan, step))

    with ThreadPoolExecutor(FOLDS) as threads:
        return list(threads.map(fold, absent))


@dataclass(frozen=True)
class Newcomer:
    """What a home that has just joined knows when its test part begins; slots are counted from `start`."""

    home: Home
    """The home."""
    start: int
    """The first slot that it knows."""
    series: Series
    """From there to the end."""
    training: np.ndarray
    """Slots at which measured samples end."""
    validation: np.ndarray
    """The same for validation."""
    test: np.ndarray
    """The same for the test."""


def newcomer(home: Home, days: int, batch_size: int) -> Newcomer | None:
    """The home with the last `days` days before its test part; None where too little of them was measured."""
    start = home.test_start - days * home.slots.per_day
    history = Series(home.slots.part(start, home.test_start))
    try:
        training, validation = split(history, batch_size)
    except TrainError:
        return None
    series = Series(home.slots.part(start, len(home.slots)))
    return Newcomer(home, start, series, training, validation, home.test - start)


def cold_start(
    folds: Sequence[Fold], pool: TrainingPool, plan: Plan, days: int, trees: bool, step: OnStep
) -> dict[str, Errors]:
    """Errors by home that knew only the last `days` days when the test part began, if those were measured.

    `trees`: whether LightGBM is tried too.
    """

    def one(pair: tuple[Newcomer, Weights]) -> tuple[str, Errors]:
        new, weights = pair
        found = _errors(new, (_boosted(new) if trees else {}) | _learned(new, weights, pool, plan))
        step()
        return new.home.name, found

    absent = [(newcomer(home, days, plan.config.batch_size), fold.weights) for fold in folds for home in fold.absent]
    with ThreadPoolExecutor(pool.workers) as threads:
        return dict(threads.map(one, [(new, weights) for new, weights in absent if new is not None]))


def _learned(new: Newcomer, weights: Weights, pool: TrainingPool, plan: Plan) -> dict[str, Predictor]:
    day, source = new.series.slots.per_day, Source(new.home.name, new.training, new.start)
    own = alone(pool, source, new.series, new.validation, plan.config)
    fitted = tuned(pool, source, new.series, new.validation, weights, plan.config)
    return {
        "local_lstm": OnnxModel(own, day),
        "federated": OnnxModel(weights, day),
        "federated_personal": OnnxModel(fitted, day),
    }


def _boosted(new: Newcomer) -> dict[str, Predictor]:
    part, steps = (new.series, new.training, new.validation), _steps(new.home).tolist()
    return {
        "lightgbm": Boosted([part], steps, rich=False),
        "lightgbm_same_inputs": Boosted([part], steps, rich=True),
    }


def _steps(home: Home) -> np.ndarray:
    return steps_of(home)[list(ENDS)]


def _errors(new: Newcomer, methods: dict[str, Predictor]) -> Errors:
    steps, batch = _steps(new.home), new.series.batch(new.test)
    target = batch.target[:, steps] * batch.scale_kw[:, None]
    found = {"persistence": np.abs(target - new.series.net_kw[new.test - 1][:, None]).mean(axis=0)}
    for name, predictor in {"seasonal_mean": SeasonalModel(), **methods}.items():
        median = predictor.predict(batch)[0][:, :, 1]
        median = median if median.shape[1] == len(steps) else median[:, steps]
        found[name] = np.abs(target - median * batch.scale_kw[:, None]).mean(axis=0)
    return found


def cold_record(errors: dict[str, Errors]) -> dict[str, Any]:
    """Mean errors of every method, how the others' model does against each, and against the best local one."""
    methods = list(next(iter(errors.values())))
    means = {name: mean_of(errors, name) for name in methods}
    names, best = best_local(errors)
    return {
        "horizons_h": [HORIZONS_H[index] for index in ENDS],
        "mae_kw": {name: mean.round(5).tolist() for name, mean in means.items()},
        "federated_against": {name: _against(means["federated"], mean) for name, mean in means.items()},
        "best_local": names,
        "federated_against_best_local": _against(means["federated"], best),
        "homes": {home: {name: one.round(5).tolist() for name, one in found.items()} for home, found in errors.items()},
    }


def _against(ours: np.ndarray, theirs: np.ndarray) -> list[float]:
    return [float(value) for value in (ours / theirs - 1).round(5)]


def best_local(errors: dict[str, Errors]) -> tuple[list[str], np.ndarray]:
    """At each horizon the locally trained method with the smallest mean error, and that error; shape (2,) [kW]"""
    names = [name for name in LOCAL if name in next(iter(errors.values()))]
    table = np.stack([mean_of(errors, name) for name in names])
    return [names[index] for index in table.argmin(axis=0)], table.min(axis=0)


def mean_of(errors: dict[str, Errors], method: str) -> np.ndarray:
    """Mean over the homes; shape (2,) [kW]"""
    return np.asarray(np.mean([home[method] for home in errors.values()], axis=0))
