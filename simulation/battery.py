"""A battery: one-way efficiency is the square root of the round trip, losses count on both ways.

The convention of the CityLearn simulator's battery (Vázquez-Canteli et al., 2019, doi:10.1145/3360322.3360998).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from simulation.settings import BuildingConfig

C_RATE = 0.5
"""Default power limit: half the capacity per hour [1/h]"""
HOURS_PER_DAY = 24


@dataclass(frozen=True)
class BatteryLimits:
    """What a battery can do."""

    capacity_kwh: float
    """Energy between empty and full [kWh]"""
    charge_kw: float
    """Charge limit at the terminals [kW]"""
    discharge_kw: float
    """Discharge limit at the terminals, positive [kW]"""
    round_trip_efficiency: float = 0.9
    """Energy out per energy in over one full cycle [1]"""
    standing_loss: float = 0.0
    """Share of the stored energy that is lost in a day [1/d]"""
    min_soc: float = 0.0
    """Not discharged below this [1]"""
    max_soc: float = 1.0
    """Not charged above this [1]"""

    @property
    def one_way_efficiency(self) -> float:
        """Share that survives one way [1]"""
        return math.sqrt(self.round_trip_efficiency)


class Battery:
    """State of charge under set-points; what does not fit is refused, not lost.

    Stored energy changes by `charged x efficiency - discharged / efficiency - standing loss`, and by nothing else.
    The standing loss goes on below `min_soc`, as in a real cell.
    """

    def __init__(self, limits: BatteryLimits, soc: float) -> None:
        self.limits = limits
        self.one_way_efficiency = limits.one_way_efficiency
        """Share that survives one way [1]"""
        self.soc = soc
        """State of charge [1]"""

    def step(self, set_point_kw: float, hours: float) -> float:
        """Follow a set-point for `hours`; returns the power at the terminals that was possible, > 0 charges [kW]"""
        return self.follow((set_point_kw,), hours)[0][0]

    def follow(self, set_points_kw: Iterable[float], hours: float) -> list[tuple[float, float]]:
        """Follow one set-point after the other, each for `hours`; (power at the terminals [kW], state of charge [1])

        One loop for a minute and for a year, so that both give the same numbers.
        """
        limits, efficiency, soc = self.limits, self.one_way_efficiency, self.soc
        min_soc, max_soc, charge, discharge = limits.min_soc, limits.max_soc, limits.charge_kw, -limits.discharge_kw
        kept = (1 - limits.standing_loss) ** (hours / HOURS_PER_DAY)
        terminal_kw = limits.capacity_kwh / hours
        charging, discharging = efficiency / terminal_kw, 1 / (efficiency * terminal_kw)
        result = []
        for wanted in set_points_kw:
            soc *= kept
            if wanted > 0:
                power = min(wanted, charge, max(0.0, max_soc - soc) / charging)
                soc += power * charging
            else:
                power = max(wanted, discharge, min(0.0, min_soc - soc) / discharging)
                soc += power * discharging
            result.append((power, soc))
        self.soc = soc
        return result

    def possible_kw(self, set_point_kw: float, hours: float) -> float:
        """The part of a set-point that limits and state of charge allow for `hours`; changes nothing [kW]"""
        return Battery(self.limits, self.soc).step(set_point_kw, hours)


def battery_of(config: BuildingConfig, soc: float) -> Battery | None:
    """The battery of a building at a state of charge; None when it has none."""
    if config.battery_capacity_kwh == 0:
        return None
    charge_kw = config.battery_charge_kw or C_RATE * config.battery_capacity_kwh
    limits = BatteryLimits(
        capacity_kwh=config.battery_capacity_kwh,
        charge_kw=charge_kw,
        discharge_kw=config.battery_discharge_kw or charge_kw,
        round_trip_efficiency=config.battery_round_trip_efficiency,
        standing_loss=config.battery_standing_loss,
        min_soc=config.battery_min_soc,
        max_soc=config.battery_max_soc,
    )
    return Battery(limits, soc)
