"""What is wrong with a recording: gaps, outliers, flat lines, constant zeros, solar generation at night."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from simulation.recording import HOUR, Recording
from simulation.settings import Settings

FLAT_FROM = timedelta(hours=6)
"""The same value for so long is a flat line."""
SUN_FLAT_FROM = timedelta(days=1)
"""The same for solar power, which a full day and night without a change never is."""
OUTLIER = 8.0
"""Interquartile ranges above the third quartile from which a value is an outlier [1]"""
NOTHING_KW = 0.001
"""A load below this is none: no house with a meter takes less [kW]"""
NIGHT_SHARE = 0.01
"""Generation at night counts when it is more than this share of the largest [1]"""
POOR_GAPS, POOR_ZEROS, POOR_FLAT, POOR_NIGHT = 0.2, 0.3, 0.2, 0.05
LOOK_GAPS, LOOK_ZEROS, LOOK_FLAT, LOOK_NIGHT, LOOK_OUTLIERS = 0.02, 0.1, 0.05, 0.03, 0.005

Share = Field(ge=0, le=1)


class DataQuality(Settings):
    """Findings about one recording; shares are of its intervals."""

    building: str
    """Name of the file without its ending."""
    intervals: int
    """Intervals from the first to the last [1]"""
    interval_minutes: int
    """Length of an interval [min]"""
    days: float
    """Length of the recording [d]"""
    load_kwh: float
    """Energy of the known intervals [kWh]"""
    pv_kwh: float
    """The same for solar [kWh]"""
    gap_share: float = Share
    """Nothing measured [1]"""
    longest_gap_h: float
    """Longest stretch without a value [h]"""
    outlier_share: float = Share
    """Load far above what is usual in this home [1]"""
    flat_share: float = Share
    """Load that stays at one value, not zero, for six hours or more, or solar power that does for a day [1]"""
    zero_share: float = Share
    """Load of nothing, or of less than a watt [1]"""
    night_solar_share: float | None
    """Solar generation while the sun is down, of all night intervals [1]; None when the place is unknown"""

    @property
    def verdict(self) -> Literal["good", "look", "poor"]:
        """`poor` should not train with the others; `look` deserves a look."""
        night = self.night_solar_share or 0.0
        found = (self.gap_share, self.zero_share, self.flat_share, night)
        if any(
            share > limit for share, limit in zip(found, (POOR_GAPS, POOR_ZEROS, POOR_FLAT, POOR_NIGHT), strict=True)
        ):
            return "poor"
        limits = (LOOK_GAPS, LOOK_ZEROS, LOOK_FLAT, LOOK_NIGHT)
        worth = any(share > limit for share, limit in zip(found, limits, strict=True))
        return "look" if worth or self.outlier_share > LOOK_OUTLIERS else "good"


def examine(recording: Recording, latitude: float | None, longitude: float | None) -> DataQuality:
    """All findings; solar at night only where the place is known."""
    load, pv, hours = recording.load_kw, recording.pv_kw, recording.interval / HOUR
    gap = np.isnan(load) | np.isnan(pv)
    place = None if latitude is None or longitude is None else (latitude, longitude)
    return DataQuality(
        building=recording.path.stem,
        intervals=len(load),
        interval_minutes=round(hours * 60),
        days=round(len(load) * hours / 24, 2),
        load_kwh=round(float(np.nansum(load) * hours), 3),
        pv_kwh=round(float(np.nansum(pv) * hours), 3),
        gap_share=float(gap.mean()),
        longest_gap_h=longest_run(gap) * hours,
        outlier_share=float(outliers(load).mean()),
        flat_share=float((_flat(load, FLAT_FROM, recording) | _flat(pv, SUN_FLAT_FROM, recording)).mean()),
        zero_share=float((load <= NOTHING_KW).mean()),
        night_solar_share=None if place is None else night_solar(recording, *place),
    )


def outliers(load_kw: np.ndarray) -> np.ndarray:
    """Values far above the third quartile, by interquartile ranges (Tukey 1977); shape of `load_kw`, true or false"""
    known = load_kw[np.isfinite(load_kw)]
    if known.size == 0:
        return np.zeros(len(load_kw), dtype=bool)
    first, third = np.quantile(known, (0.25, 0.75))
    return np.asarray(load_kw > third + OUTLIER * max(third - first, 0.05))


def _flat(power_kw: np.ndarray, at_least: timedelta, recording: Recording) -> np.ndarray:
    return flat_lines(power_kw, at_least // recording.interval)


def flat_lines(power_kw: np.ndarray, at_least: int) -> np.ndarray:
    """Where a power stays the same for `at_least` intervals; shape of `power_kw`, true or false"""
    same = pd.Series(power_kw)
    groups = same.ne(same.shift()).cumsum()
    lengths = groups.map(groups.value_counts()).to_numpy()
    return np.asarray((lengths >= max(2, at_least)) & (power_kw > NOTHING_KW))


def longest_run(flags: np.ndarray) -> int:
    """Longest stretch of true values [1]"""
    series = pd.Series(flags)
    return int(series.groupby((~series).cumsum()).sum().max())


def night_solar(recording: Recording, latitude: float, longitude: float) -> float:
    """Share of the night intervals (sun below the horizon from start to end) with solar generation [1]"""
    import pvlib

    edges = pd.date_range(recording.start, periods=len(recording.pv_kw) + 1, freq=recording.interval)
    sun = pvlib.solarposition.spa_python(edges, latitude, longitude)["elevation"].to_numpy()
    night = (sun[:-1] < -1) & (sun[1:] < -1) & np.isfinite(recording.pv_kw)
    if not night.any() or not np.nanmax(recording.pv_kw) > 0:
        return 0.0
    return float((recording.pv_kw[night] > NIGHT_SHARE * np.nanmax(recording.pv_kw)).mean())
