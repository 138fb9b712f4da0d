"""Intervals that keep their promise: quantiles corrected by how far they were off in the last weeks.

Signed split-conformal correction on a rolling window (Romano, Patterson and Candes 2019, arXiv:1905.03222; both ends on
their own, and inwards too). The deficit's probability is the mean of the model's and of the seasonal frequency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from building_clients.architecture import QUANTILES
from building_clients.windows import Batch, Series

DAYS = 28
"""How far back errors are looked at [d]"""
MIN_SAMPLES = 7
"""Fewer past samples than this correct nothing [1]"""
SEASONAL_SHARE = 0.3
"""Share of the seasonal frequency in the deficit probability, chosen on validation data [1]"""
SEASONAL_SPREAD = 0.5
"""Half-width of the seasonal base's own interval before correction, in the sample's scale [1]"""


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
class Calibration:
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


def seasonal_probability(batch: Batch) -> np.ndarray:
    """Share of earlier days with a deficit in the slot; shape (n, horizon)"""
    return np.asarray(1 / (1 + np.exp(-batch.deficit_logit)))


def calibrate(quantiles: np.ndarray, target: np.ndarray) -> Calibration:
    """Corrections from past forecasts (n, horizon, 3) and what came of them (n, horizon); none from too few."""
    horizon = quantiles.shape[1]
    if len(quantiles) < MIN_SAMPLES:
        return Calibration(np.zeros(horizon), np.zeros(horizon))
    low = np.quantile(target - quantiles[:, :, 0], QUANTILES[0], axis=0)
    high = np.quantile(target - quantiles[:, :, 2], QUANTILES[-1], axis=0)
    return Calibration(low, high)


def calibrated_on(series: Series, predictor: Predictor, at: int) -> Calibration:
    """Corrections known at slot `at`: from one forecast an hour over the DAYS before, all of whose targets are over."""
    day = series.slots.per_day
    ends = np.arange(max(day, at - (DAYS + 1) * day), at - day + 1, max(1, day // 24))
    if not len(ends):
        return calibrate(np.empty((0, day, len(QUANTILES))), np.empty((0, day)))
    batch = series.batch(ends)
    return calibrate(predictor.predict(batch)[0], batch.target)


def forecast_samples(
    predictor: Predictor, batch: Batch, calibration: Calibration, seasonal_share: float = SEASONAL_SHARE
) -> tuple[np.ndarray, np.ndarray]:
    """Final quantiles (n, horizon, 3) in each sample's scale, and deficit probability (n, horizon)."""
    quantiles, probability = predictor.predict(batch)
    mixed = (1 - seasonal_share) * probability + seasonal_share * seasonal_probability(batch)
    return calibration.apply(quantiles), mixed
