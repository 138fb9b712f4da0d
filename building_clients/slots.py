"""From minutes to market slots: the mean load and solar power of each, without gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from simulation.errors import MicrogridError

HORIZON_H = 24
GAP_MAX_DAYS = 7
"""A longer gap in the readings ends the history that is used: what lies before it is left out."""


class TrainError(MicrogridError):
    """The history does not allow training; the text says what is missing."""


@dataclass(frozen=True)
class SlotMeans:
    """A building's load and solar power in slots that follow each other without a gap."""

    first_slot: int
    """Index of the first slot."""
    per_day: int
    """Slots in a day [1]"""
    load_kw: np.ndarray
    """Mean load; shape (n,) [kW]"""
    pv_kw: np.ndarray
    """Mean solar power; shape (n,) [kW]"""
    measured: np.ndarray
    """False where a gap was filled; shape (n,)"""

    def __len__(self) -> int:
        return len(self.load_kw)

    @property
    def net_kw(self) -> np.ndarray:
        """Mean surplus; shape (n,) [kW]"""
        return np.asarray(self.pv_kw - self.load_kw)

    @property
    def days(self) -> float:
        """Length [d]"""
        return len(self) / self.per_day

    def part(self, start: int, stop: int) -> SlotMeans:
        """Slots `start` to `stop`."""
        first = self.first_slot + range(len(self))[start:stop].start
        load, pv, measured = (values[start:stop] for values in (self.load_kw, self.pv_kw, self.measured))
        return SlotMeans(first, self.per_day, load, pv, measured)


def to_slots(readings: pd.DataFrame, slot_minutes: int, last_share: float = 1.0) -> SlotMeans:
    """Mean power of each complete slot. A short gap is filled from the day before. Raises TrainError.

    `readings` is indexed by the start of each minute (UTC) and holds `load_kw` and `pv_kw` [kW]. The last slot counts
    as complete from this share of its minutes on [1].
    """
    per_day = HORIZON_H * 60 // slot_minutes
    if readings.empty:
        raise TrainError("no reading yet; at least one day of history is needed")
    slots = readings.index.as_unit("s").asi8 // (slot_minutes * 60)  # type: ignore[attr-defined]
    first, count = int(slots[0]), int(slots[-1] - slots[0]) + 1
    load, pv = (_means(slots - first, readings[name].to_numpy(float), count) for name in ("load_kw", "pv_kw"))
    if int((slots == slots[-1]).sum()) < last_share * slot_minutes:
        load, pv = load[:-1], pv[:-1]
    start = _after_last_long_gap(load + pv, per_day)
    if len(load) - start < per_day:
        raise TrainError(f"{len(load) - start} slots of history; at least {per_day} (one day) are needed")
    measured = np.isfinite(load + pv)[start:]
    load, pv = (_without_gaps(values[start:], per_day) for values in (load, pv))
    return SlotMeans(first + start, per_day, load, pv, measured)


def _means(slots: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    known = np.isfinite(values)
    sums = np.bincount(slots[known], values[known], count)
    counts = np.bincount(slots[known], minlength=count)
    return np.asarray(np.divide(sums, counts, out=np.full(count, np.nan), where=counts > 0))


def _after_last_long_gap(values: np.ndarray, per_day: int) -> int:
    """Where the values begin that are never further apart than GAP_MAX_DAYS. Raises TrainError when they are over."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise TrainError("load_kw or pv_kw holds no number; check the meter or the recording")
    jumps = np.flatnonzero(np.diff([*known, len(values)]) > GAP_MAX_DAYS * per_day)
    if len(jumps) and jumps[-1] == len(known) - 1:
        days = (len(values) - known[-1]) / per_day
        raise TrainError(f"load_kw or pv_kw holds no number in the last {days:.0f} days; check the meter")
    return int(known[jumps[-1] + 1] if len(jumps) else known[0])


def _without_gaps(values: np.ndarray, per_day: int) -> np.ndarray:
    if not np.isfinite(values[:per_day]).all():
        values = np.concatenate([pd.Series(values[:per_day]).interpolate(limit_direction="both"), values[per_day:]])
    for index in np.flatnonzero(~np.isfinite(values)).tolist():
        values[index] = values[index - per_day]
    return values
