"""From readings to what the model sees: slot means, a seasonal base, windows of the past. Nothing looks ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from simulation.errors import MicrogridError

WINDOW = 24
"""Slots of the past that the LSTM reads [1]"""
FEATURES = 6
"""Scaled residual and base, time of day and of week as sine and cosine."""
HORIZON_H = 24
ALPHA = 0.1
"""Weight of the newest day in the seasonal base [1]"""
MIN_DAYS = 3
"""Days of history below which nothing is trained."""
VALIDATION_SHARE = 0.2
MIN_SCALE_KW = 0.05


class TrainError(MicrogridError):
    """The history does not allow training; the text says what is missing."""


@dataclass(frozen=True)
class Series:
    """Net flow of a building in slots without a gap, with the seasonal base one day further."""

    first_slot: int
    """Index of the first slot."""
    per_day: int
    """Slots in a day [1]"""
    net_kw: np.ndarray
    """Mean surplus; shape (n,) [kW]"""
    base_kw: np.ndarray
    """Exponentially weighted mean of the same slot on earlier days; shape (n + per_day,) [kW]"""
    deficit_share: np.ndarray
    """The same of the deficit indicator; shape (n + per_day,) [1]"""


@dataclass(frozen=True)
class Windows:
    """Samples in time order; `n` of them. Powers are divided by the building's scale."""

    past: np.ndarray
    """shape (n, WINDOW, FEATURES)"""
    base: np.ndarray
    """Seasonal base of the target; shape (n, horizon)"""
    deficit_logit: np.ndarray
    """Log odds of the seasonal deficit share; shape (n, horizon)"""
    target: np.ndarray
    """Net flow; shape (n, horizon)"""

    def __len__(self) -> int:
        return len(self.past)

    def part(self, start: int, stop: int) -> Windows:
        """Samples `start` to `stop`."""
        cut = slice(start, stop)
        return Windows(self.past[cut], self.base[cut], self.deficit_logit[cut], self.target[cut])


def to_series(readings: pd.DataFrame, slot_minutes: int) -> Series:
    """Mean net flow of each complete slot. A short gap is filled from the day before. Raises TrainError.

    `readings` is indexed by the start of each minute (UTC) and holds `net_flow_kw` [kW].
    """
    per_day = HORIZON_H * 60 // slot_minutes
    seconds = slot_minutes * 60
    if readings.empty:
        raise TrainError("no reading yet; at least one day of history is needed")
    grouped = readings["net_flow_kw"].groupby(readings.index.as_unit("s").asi8 // seconds)  # type: ignore[attr-defined]
    means, counts = grouped.mean(), grouped.count()
    if counts.iloc[-1] < slot_minutes:
        means = means.iloc[:-1]
    if len(means) < per_day:
        raise TrainError(f"{len(means)} slots of history; at least {per_day} (one day) are needed")
    means = means.reindex(range(int(means.index[0]), int(means.index[-1]) + 1))
    net = _without_gaps(means.to_numpy(dtype=float, copy=True), per_day)
    base = _seasonal_mean(net, per_day)
    share = _seasonal_mean((net < 0).astype(float), per_day)
    return Series(int(means.index[0]), per_day, net, base, share)


def _without_gaps(values: np.ndarray, per_day: int) -> np.ndarray:
    if not np.isfinite(values[:per_day]).all():
        values = np.concatenate([pd.Series(values[:per_day]).interpolate(limit_direction="both"), values[per_day:]])
    for index in np.flatnonzero(~np.isfinite(values)).tolist():
        values[index] = values[index - per_day]
    if not np.isfinite(values).all():
        raise TrainError("net_flow_kw holds values that are no numbers; check the meter or the recording")
    return values


def _seasonal_mean(values: np.ndarray, per_day: int) -> np.ndarray:
    """Value i uses values i - per_day, i - 2 per_day, ...; the first day uses its own mean."""
    base = np.empty(len(values) + per_day)
    base[:per_day] = values[:per_day].mean()
    for start in range(per_day, len(base), per_day):
        stop = min(start + per_day, len(base))
        before = slice(start - per_day, stop - per_day)
        base[start:stop] = values[before] if start == per_day else (1 - ALPHA) * base[before] + ALPHA * values[before]
    return base


def scale_of(series: Series) -> float:
    """Typical size of the building's net flow [kW], from the part that no validation window forecasts."""
    rows = max(series.per_day, int(len(series.net_kw) * (1 - VALIDATION_SHARE)) - series.per_day)
    return max(MIN_SCALE_KW, float(np.std(series.net_kw[:rows])))


def past_of(series: Series, scale_kw: float) -> np.ndarray:
    """Features of every slot; shape (n, FEATURES)"""
    count = len(series.net_kw)
    base = series.base_kw[:count]
    slots = series.first_slot + np.arange(count)
    day = 2 * np.pi * (slots % series.per_day) / series.per_day
    week = 2 * np.pi * (slots % (7 * series.per_day)) / (7 * series.per_day)
    columns = [(series.net_kw - base) / scale_kw, base / scale_kw, np.sin(day), np.cos(day), np.sin(week), np.cos(week)]
    return np.stack(columns, axis=1).astype(np.float32)


def to_windows(series: Series, scale_kw: float) -> Windows:
    """All samples whose base rests on at least one earlier day. Raises TrainError when there are too few days."""
    count, horizon = len(series.net_kw), series.per_day
    if count < MIN_DAYS * series.per_day:
        raise TrainError(f"{count / series.per_day:.1f} days of history; training needs at least {MIN_DAYS}")
    features = past_of(series, scale_kw)
    ends = np.arange(max(series.per_day, WINDOW), count - horizon + 1)
    past = features[ends[:, None] + np.arange(-WINDOW, 0)]
    ahead = ends[:, None] + np.arange(horizon)
    return Windows(
        past=past,
        base=(_known_base(series.base_kw, ends, horizon, series.per_day) / scale_kw).astype(np.float32),
        deficit_logit=_logit(_known_base(series.deficit_share, ends, horizon, series.per_day)),
        target=(series.net_kw[ahead] / scale_kw).astype(np.float32),
    )


def newest(series: Series, scale_kw: float) -> Windows:
    """The one sample from which the next day is forecast; its target is empty."""
    count, horizon = len(series.net_kw), series.per_day
    return Windows(
        past=past_of(series, scale_kw)[None, -WINDOW:],
        base=(series.base_kw[None, count : count + horizon] / scale_kw).astype(np.float32),
        deficit_logit=_logit(series.deficit_share[None, count : count + horizon]),
        target=np.empty((1, 0), np.float32),
    )


def _known_base(values: np.ndarray, ends: np.ndarray, horizon: int, per_day: int) -> np.ndarray:
    """The base of the next `horizon` slots; each rests on slots at least a day older, so all are known at `ends`."""
    assert horizon <= per_day
    return np.asarray(values[ends[:, None] + np.arange(horizon)])


def _logit(share: np.ndarray) -> np.ndarray:
    clipped = np.clip(share, 0.02, 0.98)
    return np.asarray(np.log(clipped / (1 - clipped)), dtype=np.float32)
