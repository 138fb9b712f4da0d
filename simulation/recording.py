"""Recorded measurements of one home: a CSV of load and solar energy per interval, read and written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from simulation.clock import MINUTE
from simulation.csv_text import ReplayError, is_written, numbers, read_table, refuse_where
from simulation.files import write_atomically

LOCAL, UTC_COLUMN = "interval_start_local", "interval_start_utc"
LOAD, SOLAR = "load_kwh", "pv_kwh"
COLUMNS = (LOCAL, LOAD, SOLAR)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Recording:
    """One home's recording, as mean powers; NaN where nothing was measured."""

    path: Path
    """The file."""
    start: datetime
    """Start of the first interval, UTC."""
    interval: timedelta
    """Length of every interval."""
    load_kw: np.ndarray
    """Mean load; shape (intervals,) [kW]"""
    pv_kw: np.ndarray
    """Mean solar generation; shape (intervals,) [kW]"""

    @property
    def end(self) -> datetime:
        """End of the last interval, UTC."""
        return self.start + len(self.load_kw) * self.interval

    def at(self, path: Path) -> Recording:
        """The same recording in another file."""
        return replace(self, path=path)


def read_recording(path: Path, zone: str) -> Recording:
    """One home; `zone` is that of times without offset. Raises ReplayError naming line, column, value and fix."""
    table = read_table(path)
    if not len(table.columns):
        raise ReplayError(f"{path}: is empty; the first line names the columns {', '.join(COLUMNS)}")
    time = UTC_COLUMN if UTC_COLUMN in table else LOCAL
    missing = [column for column in (time, LOAD, SOLAR) if column not in table]
    if missing:
        raise ReplayError(
            f"{path}: line 1: column {missing[0]} is missing; the columns are {', '.join(COLUMNS)}. "
            "Files in other forms can be brought into this one with ./microgrid import"
        )
    twice = [column for column in (time, LOAD, SOLAR) if list(table.columns).count(column) > 1]
    if twice:
        raise ReplayError(f"{path}: line 1: column {twice[0]} is there twice; remove or rename one of them")
    starts = _times(path, table[time], time)
    load_kwh, pv_kwh = (_energy(path, table[column], column) for column in (LOAD, SOLAR))
    if len(table) < 2:
        raise ReplayError(f"{path}: {len(table)} rows; a recording needs at least two intervals")
    interval = _interval(path, starts)
    hours = interval / HOUR
    first = starts.iloc[0].to_pydatetime()
    start = first.replace(tzinfo=UTC) if time == UTC_COLUMN else _from_local(path, starts, zone)
    return Recording(path, start, interval, load_kwh / hours, pv_kwh / hours)


def write_recording(recording: Recording) -> None:
    """Write `recording` to its path in the form that `read_recording` reads; gaps are empty cells."""
    hours = recording.interval / HOUR
    starts = pd.date_range(recording.start, periods=len(recording.load_kw), freq=recording.interval)
    table = pd.DataFrame(
        {
            UTC_COLUMN: starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
            LOAD: (recording.load_kw * hours).round(6),
            SOLAR: (recording.pv_kw * hours).round(6),
        }
    )
    write_atomically(recording.path, table.to_csv(index=False).encode())


def _times(path: Path, texts: pd.Series, column: str) -> pd.Series:
    """Times without zone; those of the UTC column may end in Z."""
    plain = texts.str.removesuffix("Z") if column == UTC_COLUMN else texts
    offset = plain.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True)
    refuse_where(offset, path, texts, "{} has an offset; times are local, the zone is replay.timezone")
    moments = pd.to_datetime(plain, format="ISO8601", errors="coerce")
    refuse_where(moments.isna(), path, texts, "{} is not a time; write it as 2016-08-01T00:00:00")
    return moments


def _energy(path: Path, texts: pd.Series, column: str) -> np.ndarray:
    """Energy of each interval; an empty cell is a gap [kWh]"""
    values = numbers(texts)
    wrong = is_written(texts) & ~(np.isfinite(values) & (values >= 0))
    why = f"{column} = {{}} must be a number of kWh, 0 or more; leave the cell empty where nothing was measured"
    refuse_where(wrong, path, texts, why)
    return values.to_numpy(dtype=float)


def _interval(path: Path, starts: pd.Series) -> timedelta:
    steps = starts.diff().iloc[1:]
    interval: timedelta = steps.iloc[0].to_pytimedelta()
    odd = (steps != interval) | (steps <= pd.Timedelta(0))
    if odd.any():
        place = int(np.argmax(odd.to_numpy()))
        raise ReplayError(f"{path}: {_irregular(starts, place, interval)}")
    if HOUR % interval and interval % HOUR:
        raise ReplayError(f"{path}: intervals of {interval} do not divide an hour; resample to 15 minutes or 1 hour")
    if interval % MINUTE:
        raise ReplayError(f"{path}: intervals of {interval} are not whole minutes; resample to 1 minute")
    return interval


def _irregular(starts: pd.Series, place: int, interval: timedelta) -> str:
    before, after = starts.iloc[place], starts.iloc[place + 1]
    lines = f"line {starts.index[place + 1]}: {after}", f"line {starts.index[place]}"
    if after == before:
        return f"{lines[0]} is there twice ({lines[1]}); remove one of them"
    if after < before:
        return f"{lines[0]} comes after {before} ({lines[1]}); sort by time"
    return (
        f"{lines[0]} comes {(after - before).to_pytimedelta()} after {lines[1]}, not {interval}; "
        "write the missing rows with empty cells, or use ./microgrid import, which does"
    )


def _from_local(path: Path, starts: pd.Series, zone: str) -> datetime:
    """UTC start of the first interval. Raises ReplayError where the zone's clocks change but the file's do not."""
    place = ZoneInfo(zone)
    days = pd.date_range(starts.iloc[0], starts.iloc[-1], freq="D").to_pydatetime()
    offsets = [day.replace(tzinfo=place).utcoffset() for day in days]
    for day, offset in zip(days, offsets, strict=True):
        if offset != offsets[0]:
            raise ReplayError(
                f"{path}: {day:%Y-%m-%d}: the clocks of {zone} have changed, but the file goes on evenly; set "
                "replay.timezone to a fixed offset such as Etc/GMT-1, or use ./microgrid import"
            )
    first: datetime = starts.iloc[0].to_pydatetime()
    return first.replace(tzinfo=place).astimezone(UTC)
