"""What a battery does from minute to minute: keep what was traded, and take up what was not foreseen.

A threshold policy on the value of stored energy: charge or discharge as far as that is worth more than the utility's
tariffs say.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import datetime

from simulation.clock import MINUTE_H, SimClock


@dataclass(frozen=True)
class ControlRule:
    """How to answer to the net flow until the next plan."""

    stored_value: float
    """What a stored kWh saves later [currency/kWh]"""
    one_way_efficiency: float
    """Share that survives one way [1]"""
    feed_in: float
    """What the utility pays [currency/kWh]"""
    retail: float
    """What it takes [currency/kWh]"""

    def set_point_kw(self, net_flow_kw: float, contracted_kw: float) -> float:
        """Wanted battery power, > 0 charges, when so much was bought (> 0) or sold [kW]

        It may be infinite; the battery's limits apply.
        """
        short_kw = -net_flow_kw - contracted_kw
        worth_in, worth_out = self.stored_value * self.one_way_efficiency, self.stored_value / self.one_way_efficiency
        if worth_in > self.retail:
            return math.inf
        if worth_out < self.feed_in:
            return -math.inf
        if short_kw > 0:
            return -short_kw if worth_out <= self.retail else 0.0
        return -short_kw if worth_in >= self.feed_in else 0.0


def self_consumption(feed_in: float, retail: float, one_way_efficiency: float) -> ControlRule:
    """Without a plan: every surplus is stored and every lack met from the battery, if a round trip pays at all."""
    return ControlRule(math.sqrt(feed_in * retail), one_way_efficiency, feed_in, retail)


@dataclass
class _Slot:
    rule: ControlRule
    contracted_kwh: float = 0.0
    imported_kwh: float = 0.0
    """Net, of the minutes that are over."""


class SlotControl:
    """The rules of the coming slots, for the thread that moves the battery. Without one: self-consumption."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[int, _Slot] = {}

    def plan(self, slot: int, rule: ControlRule) -> None:
        """Act by `rule` in `slot`; older slots are forgotten."""
        with self._lock:
            known = {number: one for number, one in self._slots.items() if number >= slot - 1}
            self._slots = known | {slot: _Slot(rule)}

    def contract(self, slot: int, energy_kwh: float, otherwise: ControlRule | None = None) -> None:
        """So much was bought (> 0) or sold for `slot` [kWh]

        A building that started after it had bid has no plan for the slot; then the rule `otherwise` holds, and what of
        the slot is over is taken to have gone as agreed.
        """
        now = self._clock.now()
        with self._lock:
            if slot in self._slots:
                self._slots[slot].contracted_kwh = energy_kwh
            elif otherwise is not None and slot >= self._clock.slot_at(now):
                over = max(0.0, (now - self._clock.slot_start(slot)) / self._clock.slot_length)
                self._slots[slot] = _Slot(otherwise, energy_kwh, over * energy_kwh)

    def set_point_kw(self, moment: datetime, net_flow_kw: float) -> float:
        """Wanted battery power in the minute from `moment` on: what is left of the slot makes up for its past."""
        number = self._clock.slot_at(moment)
        with self._lock:
            slot = self._slots.get(number)
            if slot is None:
                return net_flow_kw
            left_h = (self._clock.slot_start(number + 1) - moment).total_seconds() / 3600
            contracted_kw = (slot.contracted_kwh - slot.imported_kwh) / max(left_h, MINUTE_H)
            return slot.rule.set_point_kw(net_flow_kw, contracted_kw)

    def delivered(self, moment: datetime, grid_kw: float) -> None:
        """What was really exchanged with the grid in that minute, > 0 imports [kW]"""
        with self._lock:
            slot = self._slots.get(self._clock.slot_at(moment))
            if slot is not None:
                slot.imported_kwh += grid_kw * MINUTE_H
