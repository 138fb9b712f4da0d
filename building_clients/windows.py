"""What the model sees of a building: the last slots, and for each slot of the next day what is known about it.

Nothing looks ahead: what describes a slot rests on slots at least a day older, what describes the moment on the past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from building_clients.bases import envelope, lagged, seasonal_mean, seasonal_quantiles
from building_clients.slots import SlotMeans, TrainError

WINDOW = 24
"""Slots of the past that the LSTM reads [1]"""
FEATURES = 9
"""Load and solar residual, their bases, the clear-day envelope, time of day and of week on two circles."""
CONTEXT = 41
"""Columns that describe one slot of the next day."""
ALPHA = 0.1
"""Weight of the newest day in the seasonal base [1]"""
MIN_DAYS = 3
"""Days of history below which nothing is trained."""
LEAD_DAYS = 14
"""A long history gives no samples from its first days, whose bases are still young."""
SCALE_DAYS = 28
MIN_SCALE_KW = 0.05
HOURS_PER_DAY = 24.0
DECAYS_H = (1.0, 3.0, 8.0)
"""How long the newest deviation may matter [h]"""
CLEARNESS_H = (3, 24, 72)
LEVELS_H = (3, 24, 168)


@dataclass(frozen=True)
class Batch:
    """Samples; `n` of them. Powers are divided by each sample's scale."""

    past: np.ndarray
    """shape (n, WINDOW, FEATURES)"""
    context: np.ndarray
    """shape (n, horizon, CONTEXT)"""
    base: np.ndarray
    """Seasonal base of the target; shape (n, horizon)"""
    deficit_logit: np.ndarray
    """Log odds of the seasonal deficit share; shape (n, horizon)"""
    target: np.ndarray
    """Net flow; shape (n, horizon), or (n, 0) where it is not known yet"""
    scale_kw: np.ndarray
    """Standard deviation of net flow in the SCALE_DAYS before; shape (n,) [kW]"""

    def __len__(self) -> int:
        return len(self.past)


class Series:
    """A building's slots with all that forecasts need; samples are cut out of it in batches."""

    def __init__(self, slots: SlotMeans) -> None:
        count, day = len(slots), slots.per_day
        self.slots = slots
        """What was measured."""
        self.net_kw = slots.net_kw
        """Mean surplus; shape (n,) [kW]"""
        load_base, pv_base = (seasonal_mean(v, day, ALPHA) for v in (slots.load_kw, slots.pv_kw))
        self.base_kw = pv_base - load_base
        """Exponentially weighted mean of the same slot on earlier days; shape (n + per_day,) [kW]"""
        self.deficit_share = seasonal_mean((self.net_kw < 0).astype(float), day, ALPHA)
        """The same of the deficit indicator; shape (n + per_day,) [1]"""
        self.scale_kw = _rolling_scale(self.net_kw, SCALE_DAYS * day)
        """Scale of the sample that ends at each slot; shape (n + 1,) [kW]"""
        clear_kw = envelope(slots.pv_kw, day, 0.97)
        self._clear_kw, self._pv_base_kw = clear_kw, pv_base
        load_off, pv_off = slots.load_kw - load_base[:count], slots.pv_kw - pv_base[:count]
        powers = (load_off, pv_off, load_base[:count], pv_base[:count], clear_kw[:count])
        self._past_kw = np.stack(powers, axis=1).astype(np.float32)
        self._circles = _circles(slots.first_slot + np.arange(count + day), day)
        self._known_kw = self._known(slots, load_base, load_off, pv_off).astype(np.float32)
        self._load_off, self._pv_off = load_off, pv_off
        self._gaps = np.concatenate([[0], np.cumsum(~slots.measured)])
        self._sums = [np.concatenate([[0.0], np.cumsum(v)]) for v in (load_off, slots.pv_kw, clear_kw[:count])]

    def ends(self, until: int | None = None) -> np.ndarray:
        """Every slot that a sample with a measured target can begin to forecast. Raises TrainError under MIN_DAYS.

        With `until` they are those of a shorter history, as if the slots from there on were not known yet.
        """
        count, day = len(self.slots) if until is None else until, self.slots.per_day
        if count < MIN_DAYS * day:
            raise TrainError(f"{count / day:.1f} days of history; training needs at least {MIN_DAYS}")
        lead = LEAD_DAYS if count >= 4 * LEAD_DAYS * day else 1
        return self.sound(np.arange(max(lead * day, WINDOW), count - day + 1))

    def sound(self, ends: np.ndarray) -> np.ndarray:
        """Those of the samples whose newest slot and whose whole target were measured, not filled in."""
        return np.asarray(ends[self._gaps[ends + self.slots.per_day] == self._gaps[ends - 1]])

    def batch(self, ends: np.ndarray) -> Batch:
        """Samples that forecast the day from each of `ends` on; len(slots) is the one whose target is not known yet."""
        ahead = ends[:, None] + np.arange(self.slots.per_day)
        scale = self.scale_kw[ends]
        past = ends[:, None] + np.arange(-WINDOW, 0)
        powers = self._past_kw[past] / scale[:, None, None]
        known = bool(np.all(ahead < len(self.net_kw)))
        target = self.net_kw[ahead] if known else np.empty((len(ends), 0))
        return Batch(
            past=np.concatenate([powers, self._circles[past]], axis=2).astype(np.float32),
            context=self._context(ends, ahead, scale),
            base=(self.base_kw[ahead] / scale[:, None]).astype(np.float32),
            deficit_logit=_logit(self.deficit_share[ahead]),
            target=(target / scale[:, None]).astype(np.float32),
            scale_kw=scale,
        )

    def newest(self) -> Batch:
        """The one sample from which the next day is forecast."""
        return self.batch(np.array([len(self.slots)]))

    def _known(self, slots: SlotMeans, load_base: np.ndarray, load_off: np.ndarray, pv_off: np.ndarray) -> np.ndarray:
        """What earlier days say about each slot; shape (n + per_day, 20) [kW]"""
        day, net, base = slots.per_day, self.net_kw, self.base_kw
        quick, slow = (seasonal_mean(net, day, alpha) - base for alpha in (0.3, 0.03))
        weekly = seasonal_mean(net, day, 0.25, 7 * day) - base
        lags = [lagged(net, day, days * day, base) - base for days in (1, 2, 3, 7, 14)]
        medians = [seasonal_quantiles(net, day, days, (0.5,))[:, 0] - base for days in (7, 21)]
        low_high = seasonal_quantiles(net, day, 14, (0.15, 0.85)) - base[:, None]
        spread = [seasonal_mean(np.abs(off), day, ALPHA) for off in (load_off, pv_off)]
        before = lagged(base, day, 1, base) - base
        following = lagged(base, day, day - 1, base) - base
        evening_before = lagged(load_off, day, day + 1, np.zeros_like(base))
        clear = self._clear_kw
        columns = [quick, slow, weekly, *lags, *medians, *low_high.T, *spread, before, following, evening_before]
        return np.stack([*columns, self._pv_base_kw - clear, clear, load_base], axis=1)

    def _context(self, ends: np.ndarray, ahead: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Columns that describe each slot ahead; shape (n, horizon, CONTEXT)"""
        hours = HOURS_PER_DAY / self.slots.per_day
        clear, pv_base = self._clear_kw[ahead], self._pv_base_kw[ahead]
        step_h = np.broadcast_to(np.arange(ahead.shape[1]) * hours, ahead.shape)
        solar = [self._clearness(ends, span, hours)[:, None] * clear - pv_base for span in CLEARNESS_H]
        level = {span: self._mean_load_off(ends, span, hours)[:, None] for span in LEVELS_H}
        load_off, pv_off = self._load_off[ends - 1][:, None], self._pv_off[ends - 1][:, None]
        newest = [off * np.exp(-step_h / tau) for tau in DECAYS_H for off in (load_off, pv_off)]
        newest += [level[3] * np.exp(-step_h / 3), level[24] * np.exp(-step_h / 12), pv_off - load_off + 0 * step_h]
        powers = np.stack([*solar, *newest, *(part + 0 * step_h for part in level.values())], axis=2)
        powers = np.concatenate([self._known_kw[ahead], powers], axis=2) / scale[:, None, None]
        step = np.stack([step_h / HOURS_PER_DAY, np.exp(-step_h / 3)], axis=2)
        return np.concatenate([powers, self._circles[ahead], step], axis=2).astype(np.float32)

    def _clearness(self, ends: np.ndarray, span_h: int, hours: float) -> np.ndarray:
        """Solar energy of the last `span_h` hours over that of clear days; shape (n,), 0 to 1.5 [1]"""
        _, measured, clear = self._sums
        start = np.maximum(0, ends - round(span_h / hours))
        possible = np.maximum(clear[ends] - clear[start], MIN_SCALE_KW * (ends - start))
        return np.asarray(np.clip((measured[ends] - measured[start]) / possible, 0, 1.5))

    def _mean_load_off(self, ends: np.ndarray, span_h: int, hours: float) -> np.ndarray:
        """Mean deviation of the load from its base over the last `span_h` hours; shape (n,) [kW]"""
        sums, start = self._sums[0], np.maximum(0, ends - round(span_h / hours))
        return np.asarray((sums[ends] - sums[start]) / (ends - start))


def _rolling_scale(net_kw: np.ndarray, span: int) -> np.ndarray:
    """Standard deviation of the `span` values before each slot; shape (n + 1,). The first day takes its own."""
    sums, squares = (np.concatenate([[0.0], np.cumsum(net_kw**power)]) for power in (1, 2))
    end = np.arange(len(net_kw) + 1)
    start = np.maximum(0, end - span)
    count = np.maximum(1, end - start)
    variance = (squares[end] - squares[start]) / count - ((sums[end] - sums[start]) / count) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, MIN_SCALE_KW**2)))


def _circles(slots: np.ndarray, per_day: int) -> np.ndarray:
    """Time of day and of week as sine and cosine; shape (n, 4)"""
    day = 2 * np.pi * (slots % per_day) / per_day
    week = 2 * np.pi * (slots % (7 * per_day)) / (7 * per_day)
    return np.stack([np.sin(day), np.cos(day), np.sin(week), np.cos(week)], axis=1).astype(np.float32)


def _logit(share: np.ndarray) -> np.ndarray:
    clipped = np.clip(share, 0.02, 0.98)
    return np.asarray(np.log(clipped / (1 - clipped)), dtype=np.float32)
