"""A real building: readings from its live meter, in the same form as simulated and replayed ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd

from simulation.battery import BatteryLimits, battery_of
from simulation.building import SOC_DECIMALS, Control, reading_of, rounded_kw
from simulation.clock import MINUTE, SimClock
from simulation.minute_book import MinuteBook
from simulation.mqtt_meter import MqttMeter
from simulation.reading import Origin, Reading, Remark, with_remark
from simulation.settings import BuildingConfig, Quantity

log = logging.getLogger(__name__)

NOISE_KW = 0.02
"""A load may come out this much below zero because its parts are not read at the same instant [kW]"""


class MeasuredBuilding:
    """Follows the building's meter. Nothing is made up: a minute without a message is a gap."""

    def __init__(self, config: BuildingConfig, clock: SimClock, folder: Path, last: Reading | None) -> None:
        assert config.meter is not None
        self._config = config
        self._needed: list[Quantity] = ["solar"] * (config.peak_solar_kw > 0)
        self._needed += ["battery"] * (config.battery_capacity_kwh > 0)
        self._battery = battery_of(config, config.battery_initial_soc)
        self._missing: list[str] = []
        first = clock.now().replace(second=0, microsecond=0) if last is None else last.timestamp + MINUTE
        folder.mkdir(parents=True, exist_ok=True)
        self._meter = MqttMeter(config.id, config.meter, clock, MinuteBook(folder / "meter-spool.jsonl", first))
        self._meter.start()

    def close(self) -> None:
        """Leave the broker."""
        self._meter.stop()

    def history(self, until: datetime, days: int) -> Iterator[pd.DataFrame]:
        """None: a real building begins with its first message."""
        return iter(())

    def known_until(self, now: datetime) -> datetime:
        """End of the minutes that no message will change."""
        return self._meter.known_until(now)

    def step(self, moment: datetime, seq: int) -> Reading | None:
        """The reading of a minute; None when the messages do not tell load, solar and battery of it."""
        known = self._meter.take(moment)
        means = {} if known is None else known.means()
        powers = self._powers(means)
        if known is None or powers is None:
            return None
        soc = _share(means.get("soc")) if self._battery else None
        if self._battery and soc is not None:
            self._battery.soc = soc
        quality: str = Origin.MEASURED
        quality = with_remark(quality, Remark.LATE) if known.late else quality
        if min(powers[0], powers[1]) < -NOISE_KW:
            quality = with_remark(quality, Remark.SUSPECT)
        load_kw, pv_kw = max(0.0, powers[0]), max(0.0, powers[1])
        rounded = rounded_kw(load_kw), rounded_kw(pv_kw), rounded_kw(powers[2])
        return reading_of(self._config.id, seq, moment, rounded, soc, quality)

    @property
    def battery(self) -> BatteryLimits | None:
        """What its battery can do; None without one."""
        return self._battery.limits if self._battery else None

    def follow(self, control: Control) -> bool:
        """The building controls its own battery; it is taken to keep solar energy in the house."""
        return False

    def _powers(self, means: Mapping[Quantity, float]) -> tuple[float, float, float] | None:
        """Load, solar and battery; the load by the grid's meter if there is one, which is what is billed [kW]"""
        missing: list[str] = [name for name in self._needed if name not in means]
        if not {"grid", "load"} & set(means):
            missing.append("load or grid")
        if missing and means and missing != self._missing:
            log.warning("meter: no %s in the messages; minutes without are left out", " and ".join(missing))
        self._missing = missing if means else self._missing
        if missing:
            return None
        solar, battery = means.get("solar", 0.0), means.get("battery", 0.0)
        load = means["grid"] + solar - battery if "grid" in means else means["load"]
        return load, solar, battery


def _share(soc: float | None) -> float | None:
    return None if soc is None else round(min(1.0, max(0.0, soc)), SOC_DECIMALS)
