"""What the auctions came to, as a building needs it: prices for its outlook, and for its battery what was traded."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from building_clients.battery_control import ControlRule, SlotControl, self_consumption
from building_clients.price_outlook import AuctionResult, PriceOutlook
from contracts.hub_client import HubClient
from contracts.settings import MarketConfig
from contracts.units import from_base_units, wh_to_kwh
from simulation.clock import SimClock

log = logging.getLogger(__name__)

LAST_AUCTIONS = 500
"""How many auctions a building that starts learns from [1]"""
LOOK_BACK = 4
"""Auctions before the newest known one that are asked for again: an operator that was away reports late [1]"""


class AuctionResults:
    """Asks the hub for each result once, and passes it on."""

    def __init__(
        self,
        member: int,
        clock: SimClock,
        market: MarketConfig,
        hub: HubClient,
        outlook: PriceOutlook,
        control: SlotControl,
        one_way_efficiency: float | None,
    ) -> None:
        """The efficiency is that of a battery that `control` moves; None where it moves none."""
        self._member = member
        self._clock = clock
        self._market = market
        self._hub = hub
        self._outlook = outlook
        self._control = control
        self._efficiency = one_way_efficiency
        self._known: set[int] = set()
        self._warned = clock.slot_at(clock.now())

    def learn(self, now: datetime) -> None:
        """Take up what is new; asks only when a new result can be there. Raises HubError."""
        running = self._clock.slot_at(now)
        gate = self._clock.slot_start(running + 1) - timedelta(seconds=self._market.gate_closure_seconds)
        newest = running + (now >= gate)
        if newest in self._known:
            return
        count = min(LAST_AUCTIONS, newest - max(self._known, default=newest - LAST_AUCTIONS) + LOOK_BACK)
        for report in self._hub.get("/api/slots", limit=count):
            if report["slot"] not in self._known:
                self._note(report)
        self._known = {slot for slot in self._known if slot > newest - LAST_AUCTIONS}
        self._warn(now, running)

    def _warn(self, now: datetime, running: int) -> None:
        late = now > self._clock.slot_start(running) + self._clock.slot_length / 3
        if late and running not in self._known and self._warned < running:
            log.warning("slot %d was not cleared in time: the utility supplies it; is the operator running?", running)
            self._warned = running

    def _note(self, report: dict[str, Any]) -> None:
        slot = report["slot"]
        self._known.add(slot)
        price = None if report["price"] is None else from_base_units(report["price"])
        result = AuctionResult(price, report["supply_wh"], report["demand_wh"])
        feed_in, retail = from_base_units(report["feed_in_price"]), from_base_units(report["retail_price"])
        self._outlook.observe(slot, result, feed_in, retail)
        bought_kwh = wh_to_kwh(report["bought_wh"].get(str(self._member), 0))
        self._control.contract(slot, bought_kwh, self._rule_after_start(feed_in, retail))

    def _rule_after_start(self, feed_in: float, retail: float) -> ControlRule | None:
        """For a slot that was bid for before this process began."""
        return None if self._efficiency is None else self_consumption(feed_in, retail, self._efficiency)
