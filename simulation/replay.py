"""Recorded measurements in place of the simulator: which home plays which file, from when on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from simulation.clock import MINUTE
from simulation.csv_text import ReplayError
from simulation.reading import Origin, Remark, with_remark
from simulation.recording import COLUMNS, Recording
from simulation.settings import BuildingConfig, ClockConfig, HistoryConfig, ReplayConfig, ReplayOfBuilding, SiteConfig
from simulation.simulator import Flows


def recordings_in(directory: Path) -> list[Path]:
    """Files of all homes of a folder, by name: building_*.csv, or every *.csv when there are none of that name."""
    if not directory.is_dir():
        raise ReplayError(f"{directory}: no such folder; name the folder of per-building CSV files with --replay")
    paths = sorted(directory.glob("building_*.csv")) or sorted(directory.glob("*.csv"))
    if not paths:
        raise ReplayError(f"{directory}: holds no .csv file; each home needs one with the columns {', '.join(COLUMNS)}")
    return paths


def assign_files(files: Sequence[Path], buildings: Sequence[BuildingConfig]) -> dict[str, Path]:
    """Building id -> recording: named files first, the others dealt out in sorted order."""
    by_name = {file.name: file for file in files}
    assigned: dict[str, Path] = {}
    for building in buildings:
        if building.replay.file is not None:
            if building.replay.file not in by_name:
                raise ReplayError(f"building {building.id}: no {building.replay.file!r} (replay.file) in the folder")
            assigned[building.id] = by_name[building.replay.file]
    rest = [file for file in files if file not in assigned.values()]
    unnamed = [building for building in buildings if building.replay.file is None]
    if len(rest) < len(unnamed):
        raise ReplayError(
            f"{len(files)} recordings for {len(buildings)} buildings; use --buildings {len(files)}, or add files"
        )
    return assigned | {building.id: file for building, file in zip(unnamed, rest, strict=False)}


def replay_start(
    replay: ReplayConfig,
    clock: ClockConfig,
    history: HistoryConfig,
    site: SiteConfig,
    recordings: Mapping[str, Recording],
) -> datetime:
    """Recorded time (UTC) at which a replay starts: as configured, or the clock's local time of day on the first day
    that has enough history before it in every file. Raises ReplayError when the recordings are too short."""
    zone = ZoneInfo(replay.timezone)
    earliest = max(one.start for one in recordings.values()) + timedelta(days=history.backfill_days)
    if replay.start is not None:
        start = replay.start
    else:
        wanted = clock.start.astimezone(ZoneInfo(site.timezone))
        local = earliest.astimezone(zone).replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0)
        start = (local + timedelta(days=1) if local < earliest else local).astimezone(UTC)
    end = min(one.end for one in recordings.values())
    if not earliest <= start < end:
        folder = next(iter(recordings.values())).path.parent
        raise ReplayError(
            f"{folder}: replay.start = {start:%Y-%m-%d %H:%M} UTC lies outside {earliest:%Y-%m-%d %H:%M} to "
            f"{end:%Y-%m-%d %H:%M} UTC; the recordings need {history.backfill_days} days of history before the start "
            "(history.backfill_days)"
        )
    return start


class ReplayedBuilding:
    """Plays one recording; energy of an interval is spread evenly over its minutes, a gap stays a gap."""

    def __init__(self, recording: Recording, use: ReplayOfBuilding) -> None:
        recorded: str = Origin.RECORDED
        self.quality: str = recorded if recording.interval == MINUTE else with_remark(recorded, Remark.SPREAD)
        self._recording = recording
        self._pv_kw = recording.pv_kw if use.solar else np.zeros_like(recording.pv_kw)

    def minutes(self, start: datetime, count: int) -> Flows:
        """`count` minutes from `start` on. Raises ReplayError outside the recording."""
        first = (start - self._recording.start) // MINUTE
        index = (first + np.arange(count)) // (self._recording.interval // MINUTE)
        for place in (0, count - 1) if count else ():
            if not 0 <= index[place] < len(self._recording.load_kw):
                raise self._outside(start + place * MINUTE)
        return Flows(self._recording.load_kw[index], self._pv_kw[index])

    def _outside(self, moment: datetime) -> ReplayError:
        start, end = self._recording.start, self._recording.end
        return ReplayError(
            f"{self._recording.path}: records {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, not "
            f"{moment:%Y-%m-%d %H:%M}; set an earlier replay.start and a new --home"
        )
