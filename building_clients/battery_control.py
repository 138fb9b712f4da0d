"""What a battery does from minute to minute: keep what was traded, and take up what was not foreseen.

A threshold policy on the value of stored energy: charge or discharge as far as that is worth more than the utility's
tariffs say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ControlRule:
    """How to answer to the net flow until the next plan."""

    contracted_kw: float
    """Power that was bought (> 0) or sold (< 0) for the slot [kW]"""
    stored_value: float
    """What a stored kWh saves later [currency/kWh]"""
    one_way_efficiency: float
    """Share that survives one way [1]"""
    feed_in: float
    """What the utility pays [currency/kWh]"""
    retail: float
    """What it takes [currency/kWh]"""

    def set_point_kw(self, net_flow_kw: float) -> float:
        """Wanted battery power, > 0 charges; may be infinite, the battery's limits apply [kW]"""
        short_kw = -net_flow_kw - self.contracted_kw
        worth_in, worth_out = self.stored_value * self.one_way_efficiency, self.stored_value / self.one_way_efficiency
        if worth_in > self.retail:
            return math.inf
        if worth_out < self.feed_in:
            return -math.inf
        if short_kw > 0:
            return -short_kw if worth_out <= self.retail else 0.0
        return -short_kw if worth_in >= self.feed_in else 0.0


def self_consumption(net_flow_kw: float) -> float:
    """The rule without plan and market: store every surplus, meet every deficit [kW]"""
    return net_flow_kw
