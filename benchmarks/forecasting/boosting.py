"""Gradient boosted trees (LightGBM), the usual strong baseline: one model per step ahead, on lags and calendar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.forecasting.homes import EvaluationError, Home
from building_clients.architecture import QUANTILES
from building_clients.calibration import seasonal_probability
from building_clients.windows import Batch, Series

ROUNDS, PATIENCE = 600, 30
CHUNK = 512
Part = tuple[Series, np.ndarray, np.ndarray]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
COMMON = {
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "verbose": -1,
    "num_threads": 1,
    "seed": 7,
    "deterministic": True,
}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "low": {"objective": "quantile", "alpha": QUANTILES[0]},
    "median": {"objective": "regression_l1"},
    "high": {"objective": "quantile", "alpha": QUANTILES[2]},
    "deficit": {"objective": "binary"},
}


class Boosted:
    """Models of all steps and objectives, trained on one home or on several."""

    def __init__(self, parts: Sequence[Part], steps: Sequence[int], rich: bool) -> None:
        """`parts`: series with the ends of training and of validation samples, which stop the boosting."""
        self._steps = list(steps)
        self._rich = rich
        self._objectives = ("median",) if rich else tuple(OBJECTIVES)
        training, validation = (
            [self._table(series, part[which]) for series, *part in parts] for which in (0, 1)
        )  # (parts) of (steps) of inputs, base, target
        self._models = {
            (step, name): self._fit([table[index] for table in training], [table[index] for table in validation], name)
            for index, step in enumerate(steps)
            for name in self._objectives
        }

    def predict(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles (n, steps, 3) in each sample's scale, sorted, and deficit probability (n, steps).

        The rich variant has a median alone: its interval comes from the calibration, its probability from the base.
        """
        quantiles, probability = [], []
        for step in self._steps:
            inputs, base = self._inputs(batch, step), batch.base[:, step]
            found = {name: np.asarray(self._models[step, name].predict(inputs)) for name in self._objectives}
            levels = [base + found.get(name, found["median"]) for name in ("low", "median", "high")]
            quantiles.append(np.stack(levels, axis=1))
            probability.append(found.get("deficit", seasonal_probability(batch)[:, step]))
        return np.sort(np.stack(quantiles, axis=1), axis=2), np.stack(probability, axis=1)

    def _table(self, series: Series, ends: np.ndarray) -> list[Rows]:
        """For each step the inputs, the base and the target of all samples."""
        chunks = [series.batch(ends[start : start + CHUNK]) for start in range(0, len(ends), CHUNK)]
        return [
            (
                np.concatenate([self._inputs(batch, step) for batch in chunks]),
                np.concatenate([batch.base[:, step] for batch in chunks]),
                np.concatenate([batch.target[:, step] for batch in chunks]),
            )
            for step in self._steps
        ]

    def _fit(self, training: list[Rows], validation: list[Rows], name: str) -> Any:
        lightgbm = _lightgbm()
        data = [
            lightgbm.Dataset(
                np.concatenate([inputs for inputs, _, _ in rows]),
                np.concatenate([target < 0 if name == "deficit" else target - base for _, base, target in rows]),
            )
            for rows in (training, validation)
        ]
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        return lightgbm.train(COMMON | OBJECTIVES[name], data[0], ROUNDS, valid_sets=[data[1]], callbacks=[stop])

    def _inputs(self, batch: Batch, step: int) -> np.ndarray:
        """The 24 newest slots, the target slot on earlier days and its base, time; or all that the network sees."""
        if self._rich:
            return np.concatenate([batch.past[:, :, :5].reshape(len(batch), -1), batch.context[:, step]], axis=1)
        newest = batch.past[:, :, 1] + batch.past[:, :, 3] - batch.past[:, :, 0] - batch.past[:, :, 2]
        lags = batch.context[:, step, 3:7] + batch.base[:, step, None]
        circles = batch.context[:, step, -6:-2]
        return np.concatenate([newest, lags, batch.base[:, step, None], circles], axis=1)


def boosted(homes: Sequence[Home], steps: Sequence[int], rich: bool = False) -> Boosted:
    """Trained on the training parts of these homes."""
    return Boosted([(home.series, home.training, home.validation) for home in homes], steps, rich)


def _lightgbm() -> Any:
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        raise EvaluationError(
            f"LightGBM cannot be loaded ({error}); it needs the system library libgomp (Debian: apt install libgomp1), "
            "or leave it out with --without lightgbm"
        ) from error
    return lightgbm
