"""Recorded measurements in place of the simulator: per-building CSV files of load and solar energy."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from simulation.errors import MicrogridError
from simulation.settings import BuildingConfig, ClockConfig, HistoryConfig, ReplayConfig, ReplayOfBuilding, SiteConfig

COLUMNS = ("interval_start_local", "load_kwh", "pv_kwh")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class ReplayError(MicrogridError):
    """A recording cannot be used; the text names the file, the line, the column and the fix."""


@dataclass(frozen=True)
class ReplayFile:
    """One home's recording, as mean powers."""

    path: Path
    """The file."""
    start: datetime
    """Local start of the first interval, without a zone."""
    interval: timedelta
    """Length of every interval."""
    load_kw: np.ndarray
    """Mean load; shape (intervals,) [kW]"""
    pv_kw: np.ndarray
    """Mean solar generation; shape (intervals,) [kW]"""

    @property
    def end(self) -> datetime:
        """Local end of the last interval, without a zone."""
        return self.start + len(self.load_kw) * self.interval


def read_replay_folder(directory: Path) -> list[ReplayFile]:
    """All homes of a folder, by file name: building_*.csv, or every *.csv when there are none of that name."""
    if not directory.is_dir():
        raise ReplayError(f"{directory}: no such folder; name the folder of per-building CSV files with --replay")
    paths = sorted(directory.glob("building_*.csv")) or sorted(directory.glob("*.csv"))
    if not paths:
        raise ReplayError(f"{directory}: holds no .csv file; each home needs one with the columns {', '.join(COLUMNS)}")
    return [read_replay_file(path) for path in paths]


def read_replay_file(path: Path) -> ReplayFile:
    """One home. Raises ReplayError naming line, column, value and fix."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = _read_rows(path, csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReplayError(f"{path}: cannot be read as CSV in UTF-8 ({error}); save it as plain CSV") from error
    if len(rows) < 2:
        raise ReplayError(f"{path}: {len(rows)} rows; a recording needs at least two intervals")
    interval = _interval(path, rows)
    energy = np.array([(row.load_kwh, row.pv_kwh) for row in rows]) / (interval / HOUR)
    return ReplayFile(path, rows[0].start, interval, energy[:, 0], energy[:, 1])


class _Row(NamedTuple):
    line: int
    start: datetime
    load_kwh: float
    pv_kwh: float


def _read_rows(path: Path, reader: csv.DictReader[str]) -> list[_Row]:
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise ReplayError(f"{path}: line 1: column {missing[0]} is missing; the columns are {', '.join(COLUMNS)}")
    return [_parse(path, reader.line_num, row) for row in reader]


def _parse(path: Path, line: int, row: dict[str, str | None]) -> _Row:
    text = row["interval_start_local"] or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ReplayError(f"{path}: line {line}: {text!r} is not a time; write it as 2016-08-01T00:00:00") from error
    if moment.tzinfo is not None:
        raise ReplayError(f"{path}: line {line}: {text!r} has an offset; times are local, the zone is replay.timezone")
    return _Row(line, moment, _energy(path, line, row, "load_kwh"), _energy(path, line, row, "pv_kwh"))


def _energy(path: Path, line: int, row: dict[str, str | None], column: str) -> float:
    text = row[column] or ""
    try:
        value = float(text)
    except ValueError as error:
        raise ReplayError(f"{path}: line {line}: {column} = {text!r} is not a number of kWh") from error
    if not math.isfinite(value) or value < 0:
        raise ReplayError(f"{path}: line {line}: {column} = {text} must be a number of kWh, 0 or more")
    return value


def _interval(path: Path, rows: Sequence[_Row]) -> timedelta:
    interval = rows[1].start - rows[0].start
    for before, after in pairwise(rows):
        if after.start - before.start != interval or interval <= timedelta(0):
            raise ReplayError(f"{path}: line {after.line}: {_irregular(before, after, interval)}")
    if HOUR % interval and interval % HOUR:
        raise ReplayError(f"{path}: intervals of {interval} do not divide an hour; resample to 15 minutes or 1 hour")
    if interval % MINUTE:
        raise ReplayError(f"{path}: intervals of {interval} are not whole minutes; resample to 1 minute")
    return interval


def _irregular(before: _Row, after: _Row, interval: timedelta) -> str:
    if after.start == before.start:
        return f"{after.start} is there twice (line {before.line}); remove one of them"
    if after.start < before.start:
        return f"{after.start} comes after {before.start} (line {before.line}); sort by time"
    step = after.start - before.start
    return f"{after.start} comes {step} after line {before.line}, not {interval}; fill the gap or split the recording"


def assign_files(files: Sequence[ReplayFile], buildings: Sequence[BuildingConfig]) -> dict[str, ReplayFile]:
    """Building id -> recording: named files first, the others dealt out in sorted order."""
    by_name = {file.path.name: file for file in files}
    assigned: dict[str, ReplayFile] = {}
    for building in buildings:
        if building.replay.file is not None:
            if building.replay.file not in by_name:
                raise ReplayError(f"building {building.id}: no {building.replay.file!r} (replay.file) in the folder")
            assigned[building.id] = by_name[building.replay.file]
    taken = {file.path.name for file in assigned.values()}
    rest = [file for file in files if file.path.name not in taken]
    unnamed = [building for building in buildings if building.replay.file is None]
    if len(rest) < len(unnamed):
        raise ReplayError(
            f"{len(files)} recordings for {len(buildings)} buildings; use --buildings {len(files)}, or add files"
        )
    return assigned | {building.id: file for building, file in zip(unnamed, rest, strict=False)}


def replay_start(
    replay: ReplayConfig, clock: ClockConfig, history: HistoryConfig, site: SiteConfig, files: Sequence[ReplayFile]
) -> datetime:
    """Recorded time (UTC) at which a replay starts: as configured, or the clock's local time of day on the first day
    that has enough history before it in every file. Raises ReplayError when the recordings are too short."""
    zone = ZoneInfo(replay.timezone)
    earliest = max(file.start for file in files) + timedelta(days=history.backfill_days)
    if replay.start is not None:
        start = replay.start.astimezone(zone).replace(tzinfo=None)
    else:
        wanted = clock.start.astimezone(ZoneInfo(site.timezone))
        start = earliest.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0)
        start += timedelta(days=1) if start < earliest else timedelta(0)
    end = min(file.end for file in files)
    if not earliest <= start < end:
        raise ReplayError(
            f"{files[0].path.parent}: replay.start = {start} (local) lies outside {earliest} to {end}; the recordings "
            f"need {history.backfill_days} days of history before the start (history.backfill_days)"
        )
    return start.replace(tzinfo=zone).astimezone(UTC)


class ReplayedBuilding:
    """Plays one recording; energy of an interval is spread evenly over its minutes."""

    def __init__(self, file: ReplayFile, use: ReplayOfBuilding, replay: ReplayConfig) -> None:
        self._file = file
        self._start = file.start.replace(tzinfo=ZoneInfo(replay.timezone)).astimezone(UTC)
        self._pv_kw = file.pv_kw if use.solar else np.zeros_like(file.pv_kw)

    def minute(self, moment: datetime) -> tuple[float, float]:
        """(load_kw, pv_kw) of the minute that starts at `moment` [kW]. Raises ReplayError outside the recording."""
        index = self._index(moment)
        return float(self._file.load_kw[index]), float(self._pv_kw[index])

    def backfill(self, until: datetime, days: int) -> pd.DataFrame:
        """The recorded `days` before `until` as columns timestamp, load_kw, pv_kw [kW]

        Raises ReplayError outside the recording.
        """
        times = pd.date_range(until - timedelta(days=days), until, freq="min", inclusive="left").as_unit("us")
        for edge in (until - timedelta(days=days), until - MINUTE) if days else ():
            self._index(edge)
        index = ((times - self._start) // pd.Timedelta(self._file.interval)).to_numpy()
        return pd.DataFrame({"timestamp": times, "load_kw": self._file.load_kw[index], "pv_kw": self._pv_kw[index]})

    def _index(self, moment: datetime) -> int:
        index = (moment - self._start) // self._file.interval
        if not 0 <= index < len(self._file.load_kw):
            end = self._start + len(self._file.load_kw) * self._file.interval
            raise ReplayError(
                f"{self._file.path}: records {self._start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, not "
                f"{moment:%Y-%m-%d %H:%M}; set an earlier replay.start and a new --home"
            )
        return index
