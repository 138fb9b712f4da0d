"""The back-tested community: recorded homes, made unequal, with the tariffs of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.backtest.learned import Learner
from benchmarks.backtest.year import Community, Site
from benchmarks.forecasting.homes import EvaluationError, Home
from benchmarks.forecasting.selection import homes_in
from simulation.battery import BatteryLimits

RETAIL, FEED_IN = 0.30, 0.08
"""The flat tariff [currency/kWh]"""
BATTERY = BatteryLimits(capacity_kwh=6.4, charge_kw=3.2, discharge_kw=3.2, round_trip_efficiency=0.9)
"""What every second home has; the size of the batteries that were installed in Fontana."""
NO_SOLAR, WITH_BATTERY = 3, 2
"""Every third home has no solar, every second one a battery [1]"""
TARIFF_FILE, TIME, TARIFF = "tariff_carbon.csv", "interval_start_local", "price_usd_kwh"
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Homes:
    """The recorded homes as members: what they learn from, and what they are."""

    learners: Sequence[Learner]
    """For the forecasters."""
    load_kwh: np.ndarray
    """shape (slots, homes)"""
    pv_kwh: np.ndarray
    """shape (slots, homes)"""
    hours: float
    """Length of a slot [h]"""
    batteries: Sequence[BatteryLimits | None]
    """Of each home."""

    def community(self, retail: np.ndarray) -> Community:
        """With this retail tariff of shape (slots,) [currency/kWh]"""
        sites = [
            Site(learner.name, learner.series.net_kw, battery)
            for learner, battery in zip(self.learners, self.batteries, strict=True)
        ]
        return Community(sites, self.hours, np.full(len(retail), FEED_IN), retail)


def read_homes(folder: Path, zone: str, days: int | None) -> Homes:
    """The homes of a folder, all of the same time; the first `days` of them. Raises EvaluationError or ReplayError."""
    chosen = homes_in(folder, None, zone)
    if len(chosen.homes) < 2:
        raise EvaluationError(f"{folder}: a market needs at least two homes, and there is {len(chosen.homes)}")
    homes = [_member(index, home) for index, home in enumerate(chosen.homes)]
    first, last = (f(home.slots.first_slot + k * len(home.slots) for home in homes) for f, k in ((max, 0), (min, 1)))
    per_day = homes[0].slots.per_day
    last = last if days is None else min(last, first + days * per_day)
    if last - first < 60 * per_day:
        raise EvaluationError(f"{folder}: the homes have {(last - first) / per_day:.0f} days in common; 60 are needed")
    parts = [home.slots.part(first - home.slots.first_slot, last - home.slots.first_slot) for home in homes]
    hours = 24 / per_day
    cut = [replace(home, slots=part) for home, part in zip(homes, parts, strict=True)]
    return Homes(
        [Learner(home.name, home.series, home.quality) for home in cut],
        np.stack([part.load_kw for part in parts], axis=1) * hours,
        np.stack([part.pv_kw for part in parts], axis=1) * hours,
        hours,
        [BATTERY if index % WITH_BATTERY == 0 else None for index in range(len(homes))],
    )


def _member(index: int, home: Home) -> Home:
    if index % NO_SOLAR != NO_SOLAR - 1:
        return home
    return replace(home, slots=replace(home.slots, pv_kw=np.zeros_like(home.slots.pv_kw)))


def time_of_use(folder: Path, zone: str, homes: Homes) -> np.ndarray | None:
    """Retail prices of the data's own tariff in each slot of the homes; None where the folder has none.

    A row's price holds until the next row. Raises EvaluationError.
    """
    path = folder / TARIFF_FILE
    if not path.exists():
        return None
    table = pd.read_csv(path)
    if TARIFF not in table or TIME not in table:
        raise EvaluationError(f"{path}: needs the columns {TIME} and {TARIFF}; it has {', '.join(table.columns)}")
    begin = pd.DatetimeIndex(pd.to_datetime(table[TIME])).tz_localize(zone).as_unit("s").asi8
    slots = homes.learners[0].series.slots
    starts = (slots.first_slot + np.arange(len(slots))) * (SECONDS_PER_DAY // slots.per_day)
    rows = np.searchsorted(begin, starts, side="right") - 1
    if rows[0] < 0 or starts[-1] >= begin[-1] + np.diff(begin).max(initial=0):
        days = f"{slots.days:.0f} days"
        raise EvaluationError(f"{path}: does not hold for all of the {days} that the homes have in common")
    prices = table[TARIFF].to_numpy(float)[rows]
    if not (np.isfinite(prices) & (prices > FEED_IN)).all():
        raise EvaluationError(f"{path}: {TARIFF} must be a price above {FEED_IN} in each slot of the homes")
    return prices
