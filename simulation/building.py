"""A building: load, solar and battery composed into readings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import pandas as pd

from simulation.battery import BatteryLimits, battery_of
from simulation.clock import MINUTE, MINUTE_H
from simulation.reading import Reading
from simulation.settings import BuildingConfig
from simulation.simulator import BuildingSource, Flows

KW_DECIMALS, SOC_DECIMALS = 4, 5


class Control(Protocol):
    """Decides what a battery does in each minute."""

    def set_point_kw(self, moment: datetime, net_flow_kw: float) -> float:
        """Wanted power in the minute that starts at `moment`, > 0 charges; the battery's limits apply [kW]"""

    def delivered(self, moment: datetime, grid_kw: float) -> None:
        """What was exchanged with the grid in that minute, > 0 imports [kW]"""


class Building(Protocol):
    """What the rest of a building's process needs of its physics: simulated, replayed or measured."""

    def history(self, until: datetime, days: int) -> Iterator[pd.DataFrame]:
        """What is known of the `days` before `until`, in chunks of at most a month; seq from 0."""

    def known_until(self, now: datetime) -> datetime:
        """All minutes that end by then can be asked for; later ones may still change."""

    def step(self, moment: datetime, seq: int) -> Reading | None:
        """The reading of the minute that starts at `moment`; None when nothing is known of it."""

    @property
    def battery(self) -> BatteryLimits | None:
        """What its battery can do; None without one."""

    def follow(self, control: Control) -> bool:
        """Let `control` decide what the battery does; False where it decides for itself."""

    def close(self) -> None:
        """Let go of whatever it holds."""


class BuildingSimulation:
    """Turns a source into readings, minute by minute or a month at once; goes on where `last` left the battery.

    Its battery keeps as much solar energy in the house as it can, until a control is to be followed.
    """

    def __init__(self, config: BuildingConfig, source: BuildingSource, last: Reading | None = None) -> None:
        self._control: Control | None = None
        self._id = config.id
        self._source = source
        soc = config.battery_initial_soc if last is None or last.soc is None else last.soc
        self._battery = battery_of(config, soc)

    def step(self, moment: datetime, seq: int) -> Reading | None:
        """The reading of the minute that starts at `moment`, None in a gap of a recording; advances the battery."""
        flows = _known(self._source.minutes(moment, 1))
        load_kw, pv_kw = rounded_kw(flows.load_kw[0]), rounded_kw(flows.pv_kw[0])
        if load_kw != load_kw:
            return None
        net_flow_kw = rounded_kw(pv_kw - load_kw)
        control = self._control
        wanted_kw = net_flow_kw if control is None else control.set_point_kw(moment, net_flow_kw)
        battery_kw, soc = self._advance(wanted_kw)
        if control is not None:
            control.delivered(moment, battery_kw - net_flow_kw)
        return reading_of(self._id, seq, moment, (load_kw, pv_kw, battery_kw), soc, self._source.quality)

    def known_until(self, now: datetime) -> datetime:
        """Everything up to now: what is simulated or recorded does not change."""
        return now

    def history(self, until: datetime, days: int) -> Iterator[pd.DataFrame]:
        """The same as `step` for every minute of the `days` before `until`, as columns of a reading.

        One chunk for each calendar month (UTC), so that memory does not grow with the days; seq from 0.
        """
        start, end, seq = until.astimezone(UTC) - timedelta(days=days), until.astimezone(UTC), 0
        while start < end:
            stop = min(end, _next_month(start))
            chunk = self._chunk(start, (stop - start) // MINUTE, seq)
            yield chunk
            start, seq = stop, seq + len(chunk)

    def readings_before(self, until: datetime, days: int) -> pd.DataFrame:
        """The whole `history` at once."""
        return pd.concat(self.history(until, days), ignore_index=True)

    @property
    def battery(self) -> BatteryLimits | None:
        """What its battery can do; None without one."""
        return self._battery.limits if self._battery else None

    def follow(self, control: Control) -> bool:
        """Let `control` decide what the battery does from the next minute on."""
        self._control = control
        return True

    def close(self) -> None:
        """Nothing is held."""

    def _chunk(self, start: datetime, count: int, seq: int) -> pd.DataFrame:
        flows = _known(self._source.minutes(start, count))
        minute = np.flatnonzero(np.isfinite(flows.load_kw))
        load, pv = (values[minute].round(KW_DECIMALS) for values in (flows.load_kw, flows.pv_kw))
        net = (pv - load).round(KW_DECIMALS) + 0.0
        battery, soc = self._advance_all(net)
        first = np.datetime64(start.replace(tzinfo=None), "s")
        return pd.DataFrame(
            {
                "seq": np.arange(seq, seq + len(minute)),
                "timestamp": pd.DatetimeIndex(first + minute.astype("timedelta64[m]"), tz="UTC"),
                "load_kw": load,
                "pv_kw": pv,
                "battery_kw": battery,
                "soc": soc,
                "grid_kw": (load - pv + battery).round(KW_DECIMALS) + 0.0,
                "net_flow_kw": net,
                "quality": self._source.quality,
            }
        )

    def _advance(self, set_point_kw: float) -> tuple[float, float | None]:
        if self._battery is None:
            return 0.0, None
        power_kw, soc = self._battery.follow((set_point_kw,), MINUTE_H)[0]
        return rounded_kw(power_kw), float(np.round(soc, SOC_DECIMALS))

    def _advance_all(self, net_flow_kw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._battery is None:
            return np.zeros(len(net_flow_kw)), np.full(len(net_flow_kw), np.nan)
        stored = np.array(self._battery.follow(net_flow_kw.tolist(), MINUTE_H)).reshape(-1, 2)
        return stored[:, 0].round(KW_DECIMALS) + 0.0, stored[:, 1].round(SOC_DECIMALS)


def _known(flows: Flows) -> Flows:
    """A minute counts as known only when both values are."""
    gap = np.isnan(flows.load_kw) | np.isnan(flows.pv_kw)
    return Flows(np.where(gap, np.nan, flows.load_kw), flows.pv_kw)


def _next_month(moment: datetime) -> datetime:
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def rounded_kw(power_kw: float) -> float:
    """As numpy rounds arrays, so that live and back-filled rows are the same bytes; never -0 [kW]"""
    return float(np.round(power_kw, KW_DECIMALS)) + 0.0


def reading_of(
    building_id: str, seq: int, moment: datetime, powers: tuple[float, float, float], soc: float | None, quality: str
) -> Reading:
    """A reading from rounded load, solar and battery power [kW]; what follows from them follows here."""
    load_kw, pv_kw, battery_kw = powers
    return Reading(
        building_id=building_id,
        seq=seq,
        timestamp=moment,
        load_kw=load_kw,
        pv_kw=pv_kw,
        battery_kw=battery_kw,
        soc=soc,
        grid_kw=rounded_kw(load_kw - pv_kw + battery_kw),
        net_flow_kw=rounded_kw(pv_kw - load_kw),
        quality=quality,
    )
