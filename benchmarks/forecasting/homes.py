"""The homes of a folder, cut by time: 70 % to train, 10 % to validate, 20 % to test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from building_clients.slots import SlotMeans
from building_clients.windows import Series
from simulation.data_quality import DataQuality, examine
from simulation.errors import MicrogridError
from simulation.recording import HOUR, Recording, read_recording
from simulation.replay import recordings_in

TRAIN_SHARE, VALIDATION_SHARE = 0.7, 0.1
MIN_DAYS = 60
"""Shorter recordings leave too little to test on."""
FINEST_MINUTES = 15


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
    measured: np.ndarray
    """False where a gap was filled; shape (slots,)"""

    @cached_property
    def series(self) -> Series:
        """Everything that forecasts need."""
        return Series(self.slots)

    @property
    def train_stop(self) -> int:
        """First slot after the training part."""
        return int(len(self.slots) * TRAIN_SHARE)

    @property
    def test_start(self) -> int:
        """First slot of the test part."""
        return int(len(self.slots) * (TRAIN_SHARE + VALIDATION_SHARE))

    @cached_property
    def ends(self) -> np.ndarray:
        """Slots at which samples end whose newest slot and whose whole target were measured, not filled in."""
        ends, day = self.series.ends(), self.slots.per_day
        gaps = np.concatenate([[0], np.cumsum(~self.measured)])
        return np.asarray(ends[gaps[ends + day] == gaps[ends - 1]])

    @cached_property
    def training(self) -> np.ndarray:
        """Those whose targets lie in the training part."""
        return self.ends[self.ends + self.slots.per_day <= self.train_stop]

    @cached_property
    def validation(self) -> np.ndarray:
        """The same for validation."""
        return self.ends[(self.ends >= self.train_stop) & (self.ends + self.slots.per_day <= self.test_start)]

    @cached_property
    def test(self) -> np.ndarray:
        """The same for the test."""
        return self.ends[self.ends >= self.test_start]


def homes_in(folder: Path, wanted: Sequence[str] | None, zone: str) -> list[Home]:
    """The homes of a folder in the documented format. Raises ReplayError or EvaluationError naming file and fix."""
    files = recordings_in(folder)
    if wanted is not None:
        names = {file.stem: file for file in files}
        files = [_file_of(name, names) for name in wanted]
    return [_home(read_recording(file, zone)) for file in files]


def _file_of(wanted: str, files: dict[str, Path]) -> Path:
    """By the name of the file, or by its number: `3` and `03` find building_03."""
    if wanted in files:
        return files[wanted]
    numbered = [file for name, file in files.items() if wanted.isdigit() and _number(name) == int(wanted)]
    if len(numbered) != 1:
        raise EvaluationError(f"--homes {wanted}: no such home; there are {', '.join(files)}")
    return numbered[0]


def _number(name: str) -> int | None:
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdigit() else None


def _home(recording: Recording) -> Home:
    minutes = round(recording.interval / HOUR * 60)
    slots, measured = _slots(recording, max(FINEST_MINUTES, minutes))
    home = Home(recording.path.stem, slots, examine(recording, None, None), measured)
    if slots.days < MIN_DAYS or not min(len(home.training), len(home.validation), len(home.test)):
        raise EvaluationError(
            f"{recording.path.name}: {slots.days:.0f} days, {measured.mean():.0%} of them measured, are too few for "
            f"training, validation and test; an evaluation needs at least {MIN_DAYS} with few gaps"
        )
    return home


def _slots(recording: Recording, slot_minutes: int) -> tuple[SlotMeans, np.ndarray]:
    """Whole slots from the first complete day on, gaps filled from the day before, and which were measured."""
    minutes = round(recording.interval / HOUR * 60)
    if 60 % slot_minutes or slot_minutes % minutes:
        raise EvaluationError(f"{recording.path.name}: intervals of {minutes} minutes do not divide an hour")
    size, per_day = slot_minutes // minutes, 24 * 60 // slot_minutes
    offset = int(recording.start.timestamp()) // 60
    skipped = -offset % slot_minutes // minutes
    count = (len(recording.load_kw) - skipped) // size
    whole, shape = slice(skipped, skipped + count * size), (count, size)
    load, pv = (part[whole].reshape(shape).mean(axis=1) for part in (recording.load_kw, recording.pv_kw))
    measured = ~np.isnan(load + pv)
    start = _first_whole_day(measured, per_day, recording.path.name)
    first_slot = (offset + skipped * minutes) // slot_minutes + start
    return SlotMeans(first_slot, per_day, filled(load[start:], per_day), filled(pv[start:], per_day)), measured[start:]


def _first_whole_day(measured: np.ndarray, per_day: int, name: str) -> int:
    """The first slot after which a whole day was measured. Raises EvaluationError."""
    known = np.concatenate([[0], np.cumsum(measured)])
    whole = np.flatnonzero(known[per_day:] - known[:-per_day] == per_day)
    if not len(whole):
        raise EvaluationError(f"{name}: no day without a gap; there is nothing to learn from")
    return int(whole[0])


def filled(values: np.ndarray, per_day: int) -> np.ndarray:
    """Without gaps: each missing value is that of the day before. The first day must have none."""
    result = values.copy()
    for index in np.flatnonzero(np.isnan(values)).tolist():
        result[index] = result[index - per_day]
    return result
