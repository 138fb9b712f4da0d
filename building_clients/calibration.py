"""Forecasts that keep their promise: corrected by how the building's own forecasts of the last weeks turned out.

The median is adapted (`adaptation.py`). The interval gets a signed split-conformal correction (Romano, Patterson and
Candes 2019, arXiv:1905.03222; both ends on their own, and inwards too) in which recent errors count most (Barber et
al. 2023, doi:10.1214/23-AOS2276). The deficit's probability, mixed with the seasonal frequency, is scaled as a whole
(Platt 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from building_clients.adaptation import MIN_DAYS, Adaptation, adapt, adaptation_inputs
from building_clients.architecture import QUANTILES
from building_clients.windows import Batch, Series

DAYS = 42
"""How far back errors are looked at [d]"""
HALF_LIFE_DAYS = 10.0
"""Age at which an error counts half, for the interval and the probability [d]"""
MIN_SAMPLES = 48
"""Fewer past forecasts than this, one an hour, correct nothing: those of a few hours are all about the same day [1]"""
SEASONAL_SHARE = 0.2
"""Share of the seasonal frequency in the deficit probability, chosen on validation data [1]"""
SEASONAL_SPREAD = 0.5
"""Half-width of the seasonal base's own interval before correction, in the sample's scale [1]"""
ODDS_RIDGE = np.array([0.2, 0.2, 0.05])
"""Shrinkage of the three corrections of the log odds: constant, factor, median's shift [1]"""
NEWTON_STEPS = 10
HALVINGS = 8
LOSS_MIN = 1e-7
"""A step that lowers the loss by less ends the search [1]"""
PROBABILITY_MIN = 1e-4


class Predictor(Protocol):
    """Quantiles (n, horizon, 3) in each sample's scale, sorted, and deficit probability (n, horizon)."""

    def predict(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]: ...  # noqa: D102


class SeasonalModel:
    """The seasonal base as a predictor: what there is before any model is learned, or when none can be trusted."""

    def predict(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """The base with a symmetric interval, and the share of earlier days with a deficit."""
        quantiles = batch.base[:, :, None] + SEASONAL_SPREAD * np.array([-1.0, 0.0, 1.0], np.float32)
        return quantiles, seasonal_probability(batch)


@dataclass(frozen=True)
class Raw:
    """Forecasts as a predictor gave them, with what a correction looks at; `n` samples."""

    quantiles: np.ndarray
    """In each sample's scale; shape (n, horizon, 3)"""
    odds: np.ndarray
    """Log odds of a deficit, mixed with the seasonal frequency; shape (n, horizon)"""
    inputs: np.ndarray
    """Of the adaptation; shape (n, horizon, inputs)"""
    target: np.ndarray
    """What came; shape (n, horizon), or (n, 0) where it is not known yet"""

    def rows(self, chosen: np.ndarray) -> Raw:
        """Some of the samples."""
        return Raw(self.quantiles[chosen], self.odds[chosen], self.inputs[chosen], self.target[chosen])


@dataclass(frozen=True)
class Interval:
    """What is added to the outer quantiles, per slot ahead, in the sample's scale."""

    low: np.ndarray
    """shape (horizon,)"""
    high: np.ndarray
    """shape (horizon,)"""

    def apply(self, quantiles: np.ndarray) -> np.ndarray:
        """Corrected quantiles (n, horizon, 3); the median stays and lies between the others."""
        median = quantiles[:, :, 1]
        low = np.minimum(quantiles[:, :, 0] + self.low, median)
        high = np.maximum(quantiles[:, :, 2] + self.high, median)
        return np.stack([low, median, high], axis=2)


@dataclass(frozen=True)
class Calibration:
    """All corrections that are known at one moment."""

    adaptation: Adaptation | None
    """Of the median; None without enough past forecasts, or for a predictor that is not to be adapted."""
    interval: Interval
    """Of the outer quantiles."""
    odds: np.ndarray
    """Of the log odds: a constant, a factor less 1, and what a unit of the median's shift takes away; shape (3,)"""

    def apply(self, raw: Raw) -> tuple[np.ndarray, np.ndarray]:
        """Final quantiles (n, horizon, 3) in each sample's scale, and deficit probability (n, horizon)."""
        shift = self.adaptation.shifts(raw.inputs) if self.adaptation else np.zeros_like(raw.odds)
        quantiles = self.interval.apply(raw.quantiles + shift[:, :, None])
        return quantiles, _probability(raw.odds + _odds_inputs(raw.odds, shift) @ self.odds)


def seasonal_probability(batch: Batch) -> np.ndarray:
    """Share of earlier days with a deficit in the slot; shape (n, horizon)"""
    return np.asarray(_probability(batch.deficit_logit))


def raw_forecasts(predictor: Predictor, batch: Batch) -> Raw:
    """What the predictor says, before any correction."""
    quantiles, probability = predictor.predict(batch)
    seasonal = seasonal_probability(batch)
    mixed = (1 - SEASONAL_SHARE) * probability + SEASONAL_SHARE * seasonal
    likely = np.clip(mixed, PROBABILITY_MIN, 1 - PROBABILITY_MIN)
    odds = np.log(likely / (1 - likely))
    return Raw(quantiles, odds, adaptation_inputs(batch, quantiles, seasonal), batch.target)


def calibration_of(past: Raw, age_days: np.ndarray, adapts: bool = True) -> Calibration:
    """Corrections from past forecasts, made `age_days` (n,) ago, all of whose targets are over."""
    if len(age_days) < MIN_SAMPLES:
        return uncorrected(past.quantiles.shape[1])
    adaptation, shift, interval = _quantile_corrections(past, age_days, adapts)
    return Calibration(adaptation, interval, _odds_correction(past, shift, age_days))


def quantile_calibration_of(past: Raw, age_days: np.ndarray, adapts: bool = True) -> Calibration:
    """The same without a correction of the deficit's probability, which costs most of the time."""
    if len(age_days) < MIN_SAMPLES:
        return uncorrected(past.quantiles.shape[1])
    adaptation, _, interval = _quantile_corrections(past, age_days, adapts)
    return Calibration(adaptation, interval, np.zeros(3))


def _quantile_corrections(
    past: Raw, age_days: np.ndarray, adapts: bool
) -> tuple[Adaptation | None, np.ndarray, Interval]:
    """Of the median, what that shifts the past by, and of the outer quantiles."""
    adaptation, shift = None, np.zeros_like(past.odds)
    if adapts and np.ptp(age_days) >= MIN_DAYS:
        adaptation, shift = adapt(past.inputs, past.target - past.quantiles[:, :, 1], age_days)
    return adaptation, shift, conformal(past.quantiles + shift[:, :, None], past.target, age_days)


def uncorrected(horizon: int) -> Calibration:
    """What is known without past forecasts: nothing."""
    return Calibration(None, Interval(np.zeros(horizon), np.zeros(horizon)), np.zeros(3))


def conformal(quantiles: np.ndarray, target: np.ndarray, age_days: np.ndarray) -> Interval:
    """How far the outer quantiles (n, horizon, 3) were off what came (n, horizon)."""
    weight = 0.5 ** (age_days / HALF_LIFE_DAYS)
    low = _weighted_quantile(target - quantiles[:, :, 0], weight, QUANTILES[0])
    return Interval(low, _weighted_quantile(target - quantiles[:, :, 2], weight, QUANTILES[-1]))


def past_ends(at: int, per_day: int) -> np.ndarray:
    """Slots from which forecasts were made that slot `at` looks back on: one an hour, all of whose targets are over."""
    return np.arange(max(per_day, at - (DAYS + 1) * per_day), at - per_day + 1, max(1, per_day // 24))


def calibrated_on(series: Series, predictor: Predictor, at: int, adapts: bool = True) -> Calibration:
    """Corrections known at slot `at`."""
    day = series.slots.per_day
    ends = series.sound(past_ends(at, day))
    if not len(ends):
        return uncorrected(day)
    return calibration_of(raw_forecasts(predictor, series.batch(ends)), (at - ends) / day, adapts)


def forecast_samples(predictor: Predictor, batch: Batch, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Final quantiles (n, horizon, 3) in each sample's scale, and deficit probability (n, horizon)."""
    return calibration.apply(raw_forecasts(predictor, batch))


def _weighted_quantile(values: np.ndarray, weight: np.ndarray, level: float) -> np.ndarray:
    """Of each column of (n, horizon): the smallest value that reaches `level` of the weight."""
    return np.asarray(np.quantile(values, level, axis=0, weights=weight, method="inverted_cdf"))


def _odds_inputs(odds: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(odds), odds, -shift], axis=-1)


def _odds_correction(past: Raw, shift: np.ndarray, age_days: np.ndarray) -> np.ndarray:
    """Logistic regression of past deficits, shrunk towards no correction; shape (3,)"""
    weight = np.repeat(0.5 ** (age_days / HALF_LIFE_DAYS), past.odds.shape[1])
    inputs = _odds_inputs(past.odds, shift).reshape(-1, 3)
    return _logistic(past.odds.ravel(), inputs, (past.target < 0).ravel(), weight / weight.sum())


def _logistic(odds: np.ndarray, inputs: np.ndarray, deficit: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Newton's method; a step is halved until the loss falls: whole ones overshoot where odds were surely wrong."""

    def loss(at: np.ndarray) -> float:
        total = odds + inputs @ at
        return float(weight @ (np.logaddexp(0, total) - deficit * total) + ODDS_RIDGE @ at**2 / 2)

    found, lowest = np.zeros(3), loss(np.zeros(3))
    for _ in range(NEWTON_STEPS):
        likely = _probability(odds + inputs @ found)
        slope = inputs.T @ (weight * (likely - deficit)) + ODDS_RIDGE * found
        curve = (inputs * (weight * likely * (1 - likely))[:, None]).T @ inputs + np.diag(ODDS_RIDGE)
        step = np.linalg.solve(curve, slope)
        points = (found - step / 2**halvings for halvings in range(HALVINGS))
        better = next((tried for tried in ((loss(at), at) for at in points) if tried[0] < lowest - LOSS_MIN), None)
        if better is None:
            break
        lowest, found = better
    return found


def _probability(odds: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-odds)))
