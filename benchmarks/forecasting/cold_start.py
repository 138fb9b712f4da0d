"""Homes that did not take part and are two or four weeks old: the others' model against what they learn alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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
from building_clients.windows import Series

FOLDS = 3
HISTORY_DAYS = (14, 28)
ENDS = (0, -1)
"""Which of the reported horizons a cold start is judged by: the nearest and the farthest."""
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


def cold_start(folds: Sequence[Fold], pool: TrainingPool, plan: Plan, days: int, step: OnStep) -> dict[str, Errors]:
    """Errors by home, for homes that knew only the last `days` days when the test part began."""

    def one(pair: tuple[Home, Weights]) -> tuple[str, Errors]:
        found = _errors(pair[0], pair[1], pool, plan, days)
        step()
        return pair[0].name, found

    pairs = [(home, fold.weights) for fold in folds for home in fold.absent]
    with ThreadPoolExecutor(pool.workers) as threads:
        return dict(threads.map(one, pairs))


def _errors(home: Home, weights: Weights, pool: TrainingPool, plan: Plan, days: int) -> Errors:
    start, day = home.test_start - days * home.slots.per_day, home.slots.per_day
    series = Series(home.slots.part(start, len(home.slots)))
    history = Series(home.slots.part(start, home.test_start))
    training, validation = split(history, plan.config.batch_size)
    source = Source(home.name, training, start)
    own = alone(pool, source, series, validation, plan.config)
    fitted = tuned(pool, source, series, validation, weights, plan.config)
    steps = steps_of(home)[list(ENDS)]
    trees = Boosted([(series, training, validation)], [int(step) for step in steps], rich=False)
    methods: dict[str, Predictor] = {
        "seasonal_mean": SeasonalModel(),
        "lightgbm": trees,
        "local_lstm": OnnxModel(own, day),
        "federated": OnnxModel(weights, day),
        "federated_personal": OnnxModel(fitted, day),
    }
    ends = np.arange(days * day, len(series.slots) - day + 1)
    batch = series.batch(ends)
    target = batch.target[:, steps] * batch.scale_kw[:, None]
    found = {"persistence": np.abs(target - series.net_kw[ends - 1][:, None]).mean(axis=0)}
    for name, predictor in methods.items():
        median = predictor.predict(batch)[0][:, :, 1]
        median = median if median.shape[1] == len(steps) else median[:, steps]
        found[name] = np.abs(target - median * batch.scale_kw[:, None]).mean(axis=0)
    return found


def best_local(errors: dict[str, Errors]) -> tuple[str, np.ndarray]:
    """The locally trained method with the smallest mean error, and its errors; shape (2,) [kW]"""
    means = {name: mean_of(errors, name) for name in ("lightgbm", "local_lstm")}
    name = min(means, key=lambda method: float(means[method].sum()))
    return name, means[name]


def mean_of(errors: dict[str, Errors], method: str) -> np.ndarray:
    """Mean over the homes; shape (2,) [kW]"""
    return np.asarray(np.mean([home[method] for home in errors.values()], axis=0))


def horizons() -> list[int]:
    """The hours ahead of the columns."""
    return [HORIZONS_H[index] for index in ENDS]
