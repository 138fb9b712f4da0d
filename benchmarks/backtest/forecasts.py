"""Forecasts of every slot of the recording, each made with what was known before it, in the form that traders take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from building_clients.architecture import Weights
from building_clients.calibration import DAYS, Predictor, Raw, past_ends, quantile_calibration_of, raw_forecasts
from building_clients.inference import OnnxModel
from building_clients.windows import WINDOW, Series

CHUNK = 1024


@dataclass(frozen=True)
class Epoch:
    """From `start` on a site forecasts with this model."""

    start: int
    """First slot."""
    model: Weights | Predictor
    """Trained on slots before `start` alone: weights of the LSTM, or something else that predicts."""

    def predictor(self, horizon: int) -> Predictor:
        """It forecasts so many slots."""
        return OnnxModel(self.model, horizon) if isinstance(self.model, list) else self.model


def perfect(series: Series) -> np.ndarray:
    """What came; beyond the end of the recording its last day again. Shape (slots, horizon, 3) [kW]"""
    day = series.slots.per_day
    net = np.concatenate([series.net_kw, series.net_kw[-day:]])
    ahead = np.arange(len(series.net_kw))[:, None] + np.arange(day)
    return np.repeat(net[ahead][:, :, None], 3, axis=2)


def walked(series: Series, epochs: Sequence[Epoch], adapts: bool) -> np.ndarray:
    """Quantiles of each slot's forecast, corrected anew each day as a building does. Shape (slots, horizon, 3) [kW]

    `epochs` follow each other; before the first one, and before the first day is over, the newest value stands for all.
    """
    count, day = len(series.slots), series.slots.per_day
    result = _newest(series)
    stops = [epoch.start for epoch in epochs[1:]] + [count]
    for epoch, stop in zip(epochs, stops, strict=True):
        start = max(epoch.start, day, WINDOW)
        if start < stop:
            result[start:stop] = _epoch(series, epoch.predictor(day), start, stop, adapts)
    return result


def _newest(series: Series) -> np.ndarray:
    newest = np.concatenate([[0.0], series.net_kw[:-1]])
    return np.repeat(np.repeat(newest[:, None, None], series.slots.per_day, axis=1), 3, axis=2)


def _epoch(series: Series, predictor: Predictor, start: int, stop: int, adapts: bool) -> np.ndarray:
    day = series.slots.per_day
    first, last = max(day, WINDOW, start - (DAYS + 1) * day), len(series.slots) - day
    ends = np.arange(first, stop)
    raw = _raw(predictor, series, ends[ends <= last])
    newest = _raw(predictor, series, ends[ends > last])  # of these the whole target never came
    sound = np.isin(ends, series.sound(ends[ends <= last]))
    found = []
    for today in range(start, stop, day):
        past = ends[np.isin(ends, past_ends(today, day)) & sound]
        calibration = quantile_calibration_of(raw.rows(past - first), (today - past) / day, adapts)
        found += [
            calibration.apply(part.rows(now - begin))[0] * series.scale_kw[now][:, None, None]
            for part, begin, now in _parts(raw, newest, first, last, np.arange(today, min(today + day, stop)))
        ]
    return np.concatenate(found)


def _parts(raw: Raw, newest: Raw, first: int, last: int, now: np.ndarray) -> list[tuple[Raw, int, np.ndarray]]:
    """Where the forecasts of these slots stand."""
    parts = [(raw, first, now[now <= last]), (newest, max(first, last + 1), now[now > last])]
    return [part for part in parts if len(part[2])]


def _raw(predictor: Predictor, series: Series, ends: np.ndarray) -> Raw:
    batches = [series.batch(ends[start : start + CHUNK]) for start in range(0, len(ends), CHUNK)]
    parts = [raw_forecasts(predictor, batch) for batch in batches] or [raw_forecasts(predictor, series.newest())]
    return Raw(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Raw)))
