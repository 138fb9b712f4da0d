"""What a forecaster has to beat, without any learning: persistence, the same slot of yesterday, the seasonal mean."""

from __future__ import annotations

import numpy as np

from building_clients.architecture import QUANTILES
from building_clients.calibration import DAYS, MIN_SAMPLES, SeasonalModel, conformal
from building_clients.windows import Batch


class Persistence:
    """The newest slot's value for all that follow."""

    def predict(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles are one value: the calibration makes the interval."""
        load_off, pv_off, load_base, pv_base = (batch.past[:, -1, column] for column in range(4))
        return _constant((pv_off + pv_base - load_off - load_base)[:, None] + np.zeros_like(batch.base))


class SeasonalNaive:
    """The value of the same slot a day before."""

    LAG_ONE_DAY = 3
    """Column of the context: yesterday's value less the base."""

    def predict(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles are one value: the calibration makes the interval."""
        return _constant(batch.base + batch.context[:, :, self.LAG_ONE_DAY])


SeasonalMean = SeasonalModel


def _constant(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(value[:, :, None], len(QUANTILES), axis=2), (value < 0).astype(float)


def calibrated(
    quantiles: np.ndarray, target: np.ndarray, ends: np.ndarray, per_day: int, test_start: int
) -> np.ndarray:
    """Quantiles (n, h, 3) from `test_start` on, corrected each day by the errors of the weeks before.

    All arguments begin with the part before the test and are in each sample's own scale; what is corrected at `end`
    comes from forecasts whose last target was over then.
    """
    result = quantiles.copy()
    for day_start in range(test_start, int(ends[-1]) + 1, per_day):
        past = (ends >= day_start - (DAYS + 1) * per_day) & (ends <= day_start - per_day)
        now = (ends >= day_start) & (ends < day_start + per_day)
        if past.sum() >= MIN_SAMPLES:
            age_days = (day_start - ends[past]) / per_day
            result[now] = conformal(quantiles[past], target[past], age_days).apply(quantiles[now])
    return result[ends >= test_start]
