"""The homes of a folder, cut by time: 70 % to train, 10 % to validate, 20 % to test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from building_clients.slots import SlotMeans
from building_clients.windows import Series
from simulation.data_quality import DataQuality, examine
from simulation.errors import MicrogridError
from simulation.recording import HOUR, LOAD, SOLAR, Recording

TRAIN_SHARE, VALIDATION_SHARE = 0.7, 0.1
MIN_DAYS = 60
"""Shorter recordings leave too little to test on."""
SLOT_MINUTES = (15, 20, 30, 60)
"""Slots that forecasts can be made for, the finest first [min]"""


class EvaluationError(MicrogridError):
    """The homes cannot be evaluated; the text says which and why."""


@dataclass(frozen=True)
class Home:
    """One home's slots and where its parts begin."""

    name: str
    """Name of the file without its ending."""
    slots: SlotMeans
    """The whole recording."""
    quality: DataQuality
    """What is wrong with it."""
    learns_until: int | None = None
    """First slot that nothing is learned from, where that is earlier than the test part."""

    @cached_property
    def series(self) -> Series:
        """Everything that forecasts need."""
        return Series(self.slots)

    @property
    def train_stop(self) -> int:
        """First slot after the training part."""
        if self.learns_until is None:
            return int(len(self.slots) * TRAIN_SHARE)
        return int(self.learns_until * TRAIN_SHARE / (TRAIN_SHARE + VALIDATION_SHARE))

    @property
    def learn_stop(self) -> int:
        """First slot after the validation part."""
        return self.test_start if self.learns_until is None else self.learns_until

    @property
    def test_start(self) -> int:
        """First slot of the test part."""
        return int(len(self.slots) * (TRAIN_SHARE + VALIDATION_SHARE))

    def learning_until(self, slot: int) -> Home:
        """The same home, with training and validation over before `slot`; its test part stays."""
        return self if slot >= self.test_start else replace(self, learns_until=max(0, slot))

    @cached_property
    def ends(self) -> np.ndarray:
        """Slots at which samples with a measured target end."""
        return self.series.ends()

    @cached_property
    def training(self) -> np.ndarray:
        """Those whose targets lie in the training part."""
        return self.ends[self.ends + self.slots.per_day <= self.train_stop]

    @cached_property
    def validation(self) -> np.ndarray:
        """The same for validation."""
        return self.observed[self.observed + self.slots.per_day <= self.learn_stop]

    @cached_property
    def observed(self) -> np.ndarray:
        """Those between training and test: the home's own past, by which its forecasts are corrected."""
        return self.ends[(self.ends >= self.train_stop) & (self.ends + self.slots.per_day <= self.test_start)]

    @cached_property
    def test(self) -> np.ndarray:
        """The same for the test."""
        return self.ends[self.ends >= self.test_start]


def home_of(recording: Recording) -> Home:
    """One home, cut by time. Raises EvaluationError naming the file where too little was measured."""
    slots = _slots(recording)
    home = Home(recording.path.stem, slots, examine(recording, None, None))
    if slots.days < MIN_DAYS or not has_all_parts(home):
        raise EvaluationError(
            f"{recording.path}: {slots.days:.0f} days, {slots.measured.mean():.0%} of them measured, are too few for "
            f"training, validation and test; an evaluation needs at least {MIN_DAYS} with few gaps"
        )
    return home


def has_all_parts(home: Home) -> bool:
    """Whether there is a sample to train on, one to validate and one to test."""
    return min(len(home.training), len(home.validation), len(home.test)) > 0


def slot_minutes_of(interval_minutes: int) -> int | None:
    """The finest slot that whole intervals fill [min]; None where there is none."""
    return next((slot for slot in SLOT_MINUTES if slot % interval_minutes == 0), None)


def _slots(recording: Recording) -> SlotMeans:
    """Whole slots from the first complete day on, gaps filled from the day before."""
    minutes = round(recording.interval / HOUR * 60)
    slot_minutes = slot_minutes_of(minutes)
    if slot_minutes is None:
        raise EvaluationError(f"{recording.path}: intervals of {minutes} minutes are too long; an hour is the longest")
    size, per_day = slot_minutes // minutes, 24 * 60 // slot_minutes
    offset = int(recording.start.timestamp()) // 60
    skipped = -offset % slot_minutes // minutes
    count = (len(recording.load_kw) - skipped) // size
    whole, shape = slice(skipped, skipped + count * size), (count, size)
    load, pv = (part[whole].reshape(shape).mean(axis=1) for part in (recording.load_kw, recording.pv_kw))
    measured = ~np.isnan(load + pv)
    start = _first_whole_day(measured, per_day)
    if start is None:
        raise EvaluationError(f"{recording.path}: {_gaps(load, pv)}")
    first_slot = (offset + skipped * minutes) // slot_minutes + start
    load, pv = (filled(power[start:], per_day) for power in (load, pv))
    return SlotMeans(first_slot, per_day, load, pv, measured[start:])


def _first_whole_day(measured: np.ndarray, per_day: int) -> int | None:
    """The first slot after which a whole day was measured."""
    known = np.concatenate([[0], np.cumsum(measured)])
    whole = np.flatnonzero(known[per_day:] - known[:-per_day] == per_day)
    return int(whole[0]) if len(whole) else None


def _gaps(load: np.ndarray, pv: np.ndarray) -> str:
    shares = ", ".join(f"{np.isnan(part).mean():.0%} of {name}" for name, part in ((LOAD, load), (SOLAR, pv)))
    return f"no day without a gap ({shares} missing), so there is nothing to learn from or to score"


def filled(values: np.ndarray, per_day: int) -> np.ndarray:
    """Without gaps: each missing value is that of the day before. The first day must have none."""
    result = values.copy()
    for index in np.flatnonzero(np.isnan(values)).tolist():
        result[index] = result[index - per_day]
    return result
