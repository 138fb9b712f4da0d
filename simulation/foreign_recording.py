"""Meter files of other people's making, as recordings: times to UTC, units to kW, gaps kept, nonsense refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from simulation.clock import MINUTE
from simulation.csv_text import ReplayError, is_written, numbers, read_table, refuse_where
from simulation.import_mapping import ImportMapping, Unit, unit_of
from simulation.recording import HOUR, Recording

STANDBY_KW = 0.05
"""A solar inverter at night may take this much; more below zero is refused [kW]"""
REPEATED = 4
"""So many equal steps of another length in a row are no gaps but another interval [1]"""
TINY_KW = 0.005
"""A mean load below this is no building: kW read as W [kW]"""
Words = tuple[str, Unit]


@dataclass(frozen=True)
class Imported:
    """A foreign file that could be interpreted."""

    recording: Recording
    """Load and solar on an even grid; NaN in gaps and where a value was impossible."""
    impossible: int
    """Values over `max_kw` that were taken out [1]"""
    standby: int
    """Solar values slightly below zero that count as zero [1]"""


def read_foreign(path: Path, mapping: ImportMapping, target: Path) -> Imported:
    """One home, to be written to `target`. Raises ReplayError with file, line, value and fix."""
    table = read_table(path, mapping.separator)
    wanted = [name for name in (mapping.time, mapping.load, mapping.solar) if name]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ReplayError(
            f"{path}: there is no column {missing[0]!r}; the file has {', '.join(map(repr, table.columns))}. "
            "Name the right ones with --time, --load and --solar, the separator with --separator"
        )
    if len(table) < 2:
        raise ReplayError(f"{path}: {len(table)} rows; a recording needs at least two intervals")
    times = _utc(path, table[mapping.time], mapping)
    interval = _interval(path, times)
    place = ((times - times.iloc[0]) // interval).to_numpy()
    words = mapping.load, unit_of(mapping.load, mapping.load_unit, "--load-unit")
    load = _mean_kw(path, table, words, times, interval, mapping)
    solar = np.zeros(len(table))
    if mapping.solar:
        words = mapping.solar, unit_of(mapping.solar, mapping.solar_unit, "--solar-unit")
        solar = _mean_kw(path, table, words, times, interval, mapping)
    grid = np.full((2, int(place[-1]) + 1), np.nan)
    standby = (solar < 0) & (solar >= -STANDBY_KW)
    grid[0, place], grid[1, place] = load, np.where(standby, 0, solar)
    impossible = grid > mapping.max_kw
    grid[impossible] = np.nan
    _refuse_negative(path, table, mapping, load, solar)
    start = times.iloc[0].to_pydatetime() - (interval if mapping.label == "end" else timedelta(0))
    recording = Recording(target, start, interval, grid[0], grid[1])
    return Imported(recording, int(impossible.sum()), int(standby.sum()))


def _utc(path: Path, texts: pd.Series, mapping: ImportMapping) -> pd.Series:
    """Times as UTC; offsets in the file count, else the mapping's zone with its clock changes."""
    with_offset = texts.str.contains(r":\d\d.*(?:Z|[+-]\d\d:?\d\d)$", regex=True)
    if mapping.time_format:
        with_offset[:] = "%z" in mapping.time_format
    kind = mapping.time_format or "ISO8601"
    if with_offset.all():
        moments = pd.to_datetime(texts, format=kind, errors="coerce", utc=True)
        refuse_where(moments.isna(), path, texts, "{} is not a time" + _time_hint(mapping))
    else:
        refuse_where(with_offset, path, texts, "{} has an offset, other rows have none; write all times alike")
        moments = pd.to_datetime(texts, format=kind, errors="coerce")
        refuse_where(moments.isna(), path, texts, "{} is not a time" + _time_hint(mapping))
        moments = _from_zone(path, moments, mapping.timezone)
    steps = moments.diff()
    refuse_where(steps == pd.Timedelta(0), path, texts, "{} is there twice; remove one of the rows")
    refuse_where(steps < pd.Timedelta(0), path, texts, "{} is before the row above it; sort the file by time")
    return moments


def _time_hint(mapping: ImportMapping) -> str:
    if mapping.time_format:
        return f" of the form {mapping.time_format!r}; see --time-format"
    return "; if it is not ISO 8601, say what it is, such as --time-format '%d.%m.%Y %H:%M'"


def _from_zone(path: Path, moments: pd.Series, zone: str | None) -> pd.Series:
    """Local clocks to UTC. The hour that occurs twice in autumn is told apart by its order."""
    if zone is None:
        raise ReplayError(
            f"{path}: the times have no offset; say in which zone they are, such as --timezone Europe/Berlin, "
            "or --timezone Etc/GMT-1 for a meter whose clock never changes"
        )
    fixed = f"if the meter's clock never changes, give a fixed offset such as --timezone {_fixed_offset(moments, zone)}"
    try:
        local = moments.dt.tz_localize(zone, ambiguous="infer", nonexistent="NaT")
    except ValueError as error:
        raise ReplayError(
            f"{path}: the clocks of {zone} were set back, but the file does not show the repeated hour once before and "
            f"once after ({error}); {fixed}"
        ) from error
    refuse_where(local.isna(), path, moments.dt.strftime("%Y-%m-%d %H:%M"), f"{{}} did not exist in {zone}; {fixed}")
    moments_utc: pd.Series = local.dt.tz_convert("UTC")
    return moments_utc


def _fixed_offset(moments: pd.Series, zone: str) -> str:
    winter = pd.Timestamp(year=int(moments.dt.year.iloc[0]), month=1, day=15, tz=zone).utcoffset()
    hours = int((winter or timedelta(0)) / HOUR)
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


def _interval(path: Path, times: pd.Series) -> timedelta:
    """The length of the intervals: the most frequent step. Raises ReplayError where the steps do not fit it."""
    steps = times.diff().iloc[1:]
    interval: timedelta = steps.mode().iloc[0].to_pytimedelta()
    if interval < MINUTE or interval > HOUR or HOUR % interval or interval % MINUTE:
        raise ReplayError(
            f"{path}: intervals of {interval}; only whole minutes that divide an hour, from 1 minute to 1 hour, can be "
            "imported. Resample the file first"
        )
    texts = times.dt.strftime("%Y-%m-%d %H:%M UTC")
    odd = (times - times.iloc[0]) % pd.Timedelta(interval) != pd.Timedelta(0)
    refuse_where(
        odd, path, texts, f"{{}} is not a multiple of {interval} after the first row: mixed intervals; resample"
    )
    other = (steps != pd.Timedelta(interval)) & (steps == steps.shift())
    run = other.groupby((~other).cumsum()).cumsum() >= REPEATED - 1
    refuse_where(
        run, path, texts.iloc[1:], f"up to {{}} the rows come in another interval than {interval}; split the file"
    )
    return interval


def _mean_kw(
    path: Path, table: pd.DataFrame, words: Words, times: pd.Series, interval: timedelta, mapping: ImportMapping
) -> np.ndarray:
    """Mean power of each row, NaN where it is not known [kW]"""
    column, unit = words
    texts = table[column]
    values = numbers(texts, mapping.decimal)
    refuse_where(is_written(texts) & ~np.isfinite(values), path, texts, f"{column} = {{}} is no number; see --decimal")
    _refuse_counter(path, values, words)
    if unit.endswith("counter"):
        values = _counted(values, times, interval, mapping.label)
    thousand = 1000 if unit.startswith("W") else 1
    power = values / thousand / (1 if unit in ("kW", "W") else interval / HOUR)
    _refuse_unit(path, power, words, mapping)
    return power.to_numpy(dtype=float)


def _counted(values: pd.Series, times: pd.Series, interval: timedelta, label: str) -> pd.Series:
    """Energy of each interval from a running counter; unknown over a gap, and where the counter was set back."""
    energy = values.diff().where((times.diff() == pd.Timedelta(interval)) & (values.diff() >= 0))
    return energy.shift(-1) if label == "start" else energy


def _refuse_counter(path: Path, values: pd.Series, words: Words) -> None:
    known = values.dropna()
    rises = known.diff().iloc[1:]
    if not words[1].endswith("counter") and len(known) > 48 and (rises >= 0).all() and (rises > 0).mean() > 0.5:
        raise ReplayError(
            f"{path}: {words[0]} never falls: it looks like a meter's running counter; use the unit "
            "'kWh counter' or 'Wh counter'"
        )


def _refuse_unit(path: Path, power: pd.Series, words: Words, mapping: ImportMapping) -> None:
    mean = power.mean()
    if mean > mapping.max_kw:
        raise ReplayError(
            f"{path}: {words[0]} as {words[1]} is {mean:,.0f} kW on average, over --max-kw {mapping.max_kw:g}; is the "
            f"column in {'Wh' if 'Wh' in words[1] else 'W'}? Give the right unit, or a larger --max-kw"
        )
    if words[0] == mapping.load and 0 < power.max() < TINY_KW * 10 and mean < TINY_KW:
        raise ReplayError(
            f"{path}: {words[0]} as {words[1]} is {1000 * mean:.2f} W on average, which is no building; is the column "
            f"in {'kWh' if 'Wh' in words[1] else 'kW'}?"
        )


def _refuse_negative(
    path: Path, table: pd.DataFrame, mapping: ImportMapping, load: np.ndarray, solar: np.ndarray
) -> None:
    why = "{} is below zero; import needs load and generation apart, each 0 or more"
    refuse_where(pd.Series(load < 0, table.index), path, table[mapping.load], f"{mapping.load} = {why}")
    if mapping.solar:
        below = pd.Series(solar < -STANDBY_KW, table.index)
        refuse_where(below, path, table[mapping.solar], f"{mapping.solar} = {why}")
