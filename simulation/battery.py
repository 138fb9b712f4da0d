"""A battery: one-way efficiency is the square root of the round trip, losses count on both ways.

The convention of the CityLearn simulator's battery (Vázquez-Canteli et al., 2019, doi:10.1145/3360322.3360998).
"""

from __future__ import annotations

import math


class Battery:
    """State of charge under set-points; what does not fit is refused, not lost."""

    def __init__(self, capacity_kwh: float, power_kw: float, round_trip_efficiency: float, soc: float) -> None:
        self.capacity_kwh = capacity_kwh
        """Usable energy [kWh]"""
        self.power_kw = power_kw
        """Charge and discharge limit at the terminals [kW]"""
        self.one_way_efficiency = math.sqrt(round_trip_efficiency)
        """Share that survives one way [1]"""
        self.soc = soc
        """State of charge [1]"""

    def step(self, wanted_kw: float, hours: float) -> float:
        """Follow a set-point for `hours`; returns the power at the terminals that was possible, > 0 charges [kW]"""
        power_kw = self.possible_kw(wanted_kw, hours)
        stored_kwh = power_kw * hours
        stored_kwh *= self.one_way_efficiency if power_kw > 0 else 1 / self.one_way_efficiency
        self.soc = min(1.0, max(0.0, self.soc + stored_kwh / self.capacity_kwh))
        return power_kw

    def possible_kw(self, wanted_kw: float, hours: float) -> float:
        """The part of a set-point that limits and state of charge allow for `hours` [kW]"""
        room_kw = (1 - self.soc) * self.capacity_kwh / self.one_way_efficiency / hours
        left_kw = self.soc * self.capacity_kwh * self.one_way_efficiency / hours
        return max(-min(self.power_kw, left_kw), min(self.power_kw, room_kw, wanted_kw))

    def greedy_kw(self, net_flow_kw: float, hours: float) -> float:
        """Self-consumption: take the surplus, cover the deficit, as far as possible; changes nothing [kW]"""
        return self.possible_kw(net_flow_kw, hours)
