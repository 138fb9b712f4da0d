"""What a building's own last weeks say that the shared model gets wrong: a small regression, fitted anew each day.

A weighted ridge regression (Hoerl and Kennard 1970) of past errors on what was known when they were made. Iterative
reweighting makes it one of absolute errors, as the median's are (Schlossmacher 1973, doi:10.2307/2284512). It never
leaves the building.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from building_clients.windows import HOURS_PER_DAY, Batch

EDGES_H = (1, 2, 5, 11)
"""Slots ahead between these share their coefficients; the slot that begins now has its own [h]"""
FIT_SLOTS = 4
"""Slots of each such group that are fitted on, evenly spread [1]"""
HALF_LIFE_DAYS = 21.0
"""Age at which an error counts half [d]"""
MIN_DAYS = 14
"""Days of past forecasts below which nothing is adapted."""
BLOCK_DAYS = 7
"""Errors of one week belong together: corrections of past forecasts come from the other weeks [d]"""
RIDGE = 1.0
"""Shrinkage of a coefficient, in units of its input's mean square [1]"""
MEAN_SQUARE_MIN = 1e-3
ERROR_MIN = 0.1
"""Errors below this weigh as this one: the reweighting would divide by zero [scale of the sample]"""
ITERATIONS = 3


@dataclass(frozen=True)
class Adaptation:
    """How the forecasts of a building are shifted."""

    coefficients: np.ndarray
    """For each slot ahead and input; shape (horizon, inputs)"""

    def shifts(self, inputs: np.ndarray) -> np.ndarray:
        """What is added to every quantile, in the sample's scale; (n, horizon, inputs) -> (n, horizon)"""
        return np.asarray(np.einsum("nhk,hk->nh", inputs, self.coefficients))


def adaptation_inputs(batch: Batch, quantiles: np.ndarray, seasonal: np.ndarray) -> np.ndarray:
    """The model's deviation from the base, deficit share, base, a constant, the context; (n, horizon, inputs)"""
    median = quantiles[:, :, 1]
    parts = np.stack([median - batch.base, seasonal - 0.5, batch.base, np.ones_like(median)], axis=2)
    return np.concatenate([parts, batch.context], axis=2).astype(np.float32)


def adapt(inputs: np.ndarray, error: np.ndarray, age_days: np.ndarray) -> tuple[Adaptation, np.ndarray]:
    """The adaptation, and what past forecasts are shifted by if their own week is left out; (n, horizon)

    `inputs` (n, horizon, inputs); `error` (n, horizon) is what came less the median, in each sample's scale;
    `age_days` (n,) how long ago the forecasts were made.
    """
    _, horizon, columns = inputs.shape
    weight = (0.5 ** (age_days / HALF_LIFE_DAYS)).astype(np.float32)
    week = ((age_days - age_days.min()) // BLOCK_DAYS).astype(int)
    coefficients, held_out = np.empty((horizon, columns)), np.empty(error.shape)
    for group in _groups(horizon):
        chosen = np.unique(np.linspace(group[0], group[-1], FIT_SLOTS).round().astype(int))
        whole, without = _fit(inputs[:, chosen], error[:, chosen].astype(np.float32), weight, week)
        coefficients[group] = whole
        held_out[:, group] = np.einsum("nhk,nk->nh", inputs[:, group], without[week])
    return Adaptation(coefficients.astype(np.float32)), held_out


def _groups(horizon: int) -> list[np.ndarray]:
    """Slots ahead that share coefficients."""
    starts = sorted({0, 1, *(round(hours * horizon / HOURS_PER_DAY) for hours in EDGES_H)})
    return np.split(np.arange(horizon), starts[1:])


def _fit(inputs: np.ndarray, error: np.ndarray, weight: np.ndarray, week: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (inputs,) of all samples (n, slots, inputs), and (weeks, inputs) with each week left out."""
    beta = np.zeros(inputs.shape[2], np.float32)
    weeks = [week == number for number in range(week.max() + 1)]
    for _ in range(ITERATIONS):
        influence = weight[:, None] / np.maximum(np.abs(error - inputs @ beta), ERROR_MIN)
        influence /= influence.sum()
        parts = [_moments(inputs[rows], error[rows], influence[rows]) for rows in weeks]
        square, product = (np.sum([part[which] for part in parts], axis=0) for which in (0, 1))
        ridge = np.diag(RIDGE * np.maximum(np.diag(square), MEAN_SQUARE_MIN))
        beta = np.linalg.solve(square + ridge, product).astype(np.float32)
    others = [np.linalg.solve(square - part[0] + ridge, product - part[1]) for part in parts]
    return beta, np.stack(others)


def _moments(inputs: np.ndarray, error: np.ndarray, influence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums of squares (inputs, inputs) and of products with the error (inputs,)"""
    flat = inputs.reshape(-1, inputs.shape[2])
    weighted = flat * influence.reshape(-1, 1)
    return (weighted.T @ flat).astype(float), (weighted.T @ error.ravel()).astype(float)
