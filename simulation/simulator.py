"""Where a building's load and solar come from: the interface, and the simulator behind it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Protocol

import numpy as np
import pandas as pd

from simulation.load import load_kw
from simulation.settings import BuildingConfig, SiteConfig
from simulation.solar import pv_kw
from simulation.weather import weather_day


class BuildingSource(Protocol):
    """Load and solar of one building, minute by minute; the simulator and a recording look the same."""

    def minute(self, moment: datetime) -> tuple[float, float]:
        """(load_kw, pv_kw) of the minute that starts at `moment` [kW]"""

    def backfill(self, until: datetime, days: int) -> pd.DataFrame:
        """The `days` before `until` as columns timestamp, load_kw, pv_kw [kW]"""


class SimulatedBuilding:
    """A building in simulated weather. The same configuration, seed and minute always give the same values."""

    def __init__(self, config: BuildingConfig, site: SiteConfig, seed: int) -> None:
        self._config = config
        self._site = site
        self._seed = seed
        self._day = lru_cache(maxsize=4)(self._simulate)

    def minute(self, moment: datetime) -> tuple[float, float]:
        """(load_kw, pv_kw) of the minute that starts at `moment` [kW]"""
        load, pv = self._day(moment.astimezone(UTC).date())
        index = moment.astimezone(UTC).hour * 60 + moment.minute
        return float(load[index]), float(pv[index])

    def backfill(self, until: datetime, days: int) -> pd.DataFrame:
        """The `days` before `until` as columns timestamp, load_kw, pv_kw [kW]"""
        start = until.astimezone(UTC) - timedelta(days=days)
        dates = [start.date() + timedelta(days=offset) for offset in range(days + 1)]
        frames = [self._frame(day) for day in dates]
        frame = pd.concat(frames, ignore_index=True)
        inside = (frame["timestamp"] >= start) & (frame["timestamp"] < until)
        return frame[inside].reset_index(drop=True)

    def _frame(self, day: date) -> pd.DataFrame:
        load, pv = self._day(day)
        times = pd.date_range(pd.Timestamp(day, tz="UTC"), periods=len(load), freq="min")
        return pd.DataFrame({"timestamp": times, "load_kw": load, "pv_kw": pv})

    def _simulate(self, day: date) -> tuple[np.ndarray, np.ndarray]:
        weather = weather_day(self._site, self._seed, day)
        load = load_kw(self._config, self._site, self._seed, weather.times, day)
        return load, pv_kw(self._config, weather)
