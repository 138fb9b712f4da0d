"""Seasonal bases of a series: what the same slot of earlier days says about a slot. Nothing looks ahead.

All functions take values of shape (n,) and give (n + per_day,): the next day's bases are known already.
"""

from __future__ import annotations

import numpy as np


def seasonal_mean(values: np.ndarray, per_day: int, alpha: float, period: int | None = None) -> np.ndarray:
    """Exponentially weighted mean of the values one, two, ... periods (default: days) before.

    A young series weighs its days equally until there are 1 / `alpha` of them. The first period has nothing before it:
    it takes the mean of the first day, or, for a longer period, the daily mean.
    """
    period = period or per_day
    base = np.empty(len(values) + per_day)
    head = min(period, len(base))
    base[:head] = values[:per_day].mean() if period == per_day else seasonal_mean(values, per_day, alpha)[:head]
    for start in range(period, len(base), period):
        stop = min(start + period, len(base))
        before = slice(start - period, stop - period)
        weight = max(alpha, period / start)
        base[start:stop] = (1 - weight) * base[before] + weight * values[before]
    return base


def seasonal_quantiles(values: np.ndarray, per_day: int, days: int, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles of the same slot over the last `days` days; shape (n + per_day, levels). The first day: its mean."""
    padded = np.concatenate([np.full(days * per_day, np.nan), values])
    count = len(values) + per_day
    earlier = np.lib.stride_tricks.sliding_window_view(padded, (days - 1) * per_day + 1)[:count, ::per_day]
    result = np.empty((count, len(levels)))
    result[:per_day] = values[:per_day].mean()
    for age in range(1, days + 1):  # slots of the young series have fewer than `days` days before them
        rows = slice(age * per_day, count if age == days else min(count, (age + 1) * per_day))
        if rows.start < count:
            result[rows] = np.quantile(earlier[rows, days - age :], levels, axis=1).T
    return result


def envelope(values: np.ndarray, per_day: int, decay: float) -> np.ndarray:
    """The largest value of the same slot on earlier days, forgotten by the factor `decay` a day: a clear day's power.

    Measured, so it needs no site, knows the roof's shading, and follows the seasons. The first day: 0.
    """
    base = np.zeros(len(values) + per_day)
    for start in range(per_day, len(base), per_day):
        stop = min(start + per_day, len(base))
        before = slice(start - per_day, stop - per_day)
        base[start:stop] = np.maximum(values[before], decay * base[before])
    return base


def lagged(values: np.ndarray, per_day: int, slots: int, instead: np.ndarray) -> np.ndarray:
    """The value `slots` (at least a day) before; where there is none yet, `instead` of shape (n + per_day,)."""
    result = instead.copy()
    result[slots:] = values[: max(0, len(result) - slots)]
    return result
