"""A building: load, solar and battery composed into readings."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from simulation.battery import Battery
from simulation.reading import Reading
from simulation.settings import BuildingConfig
from simulation.simulator import BuildingSource

MINUTE_H = 1 / 60
KW_DECIMALS, SOC_DECIMALS = 4, 5
C_RATE = 0.5
"""Default power limit of a battery: half its capacity per hour [1/h]"""


class BuildingSimulation:
    """Turns a source into readings; the battery runs greedy self-consumption and goes on where `last` left it."""

    def __init__(self, config: BuildingConfig, source: BuildingSource, last: Reading | None = None) -> None:
        self._id = config.id
        self._source = source
        soc = config.battery_initial_soc if last is None or last.soc is None else last.soc
        self._battery = _battery(config, soc)

    def step(self, moment: datetime, seq: int) -> Reading:
        """The reading of the minute that starts at `moment`; advances the battery."""
        load_kw, pv_kw = self._source.minute(moment)
        load_kw, pv_kw = _rounded(load_kw), _rounded(pv_kw)
        net_flow_kw = _rounded(pv_kw - load_kw)
        battery_kw, soc = self._advance(net_flow_kw)
        return Reading(
            building_id=self._id,
            seq=seq,
            timestamp=moment,
            load_kw=load_kw,
            pv_kw=pv_kw,
            battery_kw=battery_kw,
            soc=soc,
            grid_kw=_rounded(load_kw - pv_kw + battery_kw),
            net_flow_kw=net_flow_kw,
        )

    def readings_before(self, until: datetime, days: int) -> pd.DataFrame:
        """The same as `step` for every minute of the `days` before `until`, as columns of a reading; seq from 0."""
        frame = self._source.backfill(until, days)
        load, pv = frame["load_kw"].round(KW_DECIMALS), frame["pv_kw"].round(KW_DECIMALS)
        net = (pv - load).round(KW_DECIMALS)
        stored = [self._advance(value) for value in net.to_numpy().tolist()]
        battery = np.array([power for power, _ in stored])
        return pd.DataFrame(
            {
                "seq": np.arange(len(frame)),
                "timestamp": frame["timestamp"],
                "load_kw": load,
                "pv_kw": pv,
                "battery_kw": battery,
                "soc": [soc for _, soc in stored],
                "grid_kw": (load - pv + battery).round(KW_DECIMALS),
                "net_flow_kw": net,
            }
        )

    def planned_battery_kw(self, net_flow_kw: float, hours: float) -> float:
        """Mean battery power if the net flow were constant for `hours` from now; > 0 charges; changes nothing [kW]"""
        return self._battery.greedy_kw(net_flow_kw, hours) if self._battery else 0.0

    def _advance(self, net_flow_kw: float) -> tuple[float, float | None]:
        if self._battery is None:
            return 0.0, None
        power_kw = self._battery.step(net_flow_kw, MINUTE_H)
        return _rounded(power_kw) + 0.0, round(self._battery.soc, SOC_DECIMALS)


def _rounded(power_kw: float) -> float:
    """As pandas rounds, so that live and back-filled rows are the same bytes [kW]"""
    return float(np.round(power_kw, KW_DECIMALS))


def _battery(config: BuildingConfig, soc: float) -> Battery | None:
    if config.battery_capacity_kwh == 0:
        return None
    power_kw = config.battery_power_kw or C_RATE * config.battery_capacity_kwh
    return Battery(config.battery_capacity_kwh, power_kw, config.battery_round_trip_efficiency, soc)
