"""Where a building's load and solar come from: the interface, and the simulator behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Protocol

import numpy as np

from simulation.load import load_kw
from simulation.reading import Origin
from simulation.settings import BuildingConfig, SiteConfig
from simulation.solar import pv_kw
from simulation.weather import MINUTES_PER_DAY, weather


@dataclass(frozen=True)
class Flows:
    """Load and solar of consecutive minutes; both arrays have shape (n,), NaN where nothing is known."""

    load_kw: np.ndarray
    """Mean load of each minute [kW]"""
    pv_kw: np.ndarray
    """Mean solar generation of each minute [kW]"""


class BuildingSource(Protocol):
    """Load and solar of one building; the simulator and a recording look the same."""

    quality: str
    """Where the values come from, as in a reading's `quality`."""

    def minutes(self, start: datetime, count: int) -> Flows:
        """`count` minutes from `start` on."""


class SimulatedBuilding:
    """A building in simulated weather. The same configuration, seed and minute always give the same values."""

    def __init__(self, config: BuildingConfig, site: SiteConfig, seed: int) -> None:
        self.quality: str = Origin.SIMULATED
        self._config = config
        self._site = site
        self._seed = seed
        self._days = lru_cache(maxsize=2)(self._simulate)

    def minutes(self, start: datetime, count: int) -> Flows:
        """`count` minutes from `start` on, computed in whole UTC days."""
        moment = start.astimezone(UTC)
        first = moment.date()
        offset = (moment - datetime.combine(first, datetime.min.time(), UTC)) // timedelta(minutes=1)
        flows = self._days(first, -(-(offset + count) // MINUTES_PER_DAY))
        cut = slice(offset, offset + count)
        return Flows(flows.load_kw[cut], flows.pv_kw[cut])

    def _simulate(self, first: date, days: int) -> Flows:
        sky = weather(self._site, self._seed, first, days)
        return Flows(load_kw(self._config, self._site, self._seed, sky), pv_kw(self._config, self._seed, sky))
