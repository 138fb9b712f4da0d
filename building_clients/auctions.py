"""A building in the auctions: plans and bids for the next slot, each time from the newest forecast."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from building_clients.auction_results import AuctionResults
from building_clients.battery_control import SlotControl
from building_clients.bidding import Bid, OwnerLimits, Strategy, linear_ramp, newsvendor, truthful, zero_intelligence
from building_clients.forecast import Forecast
from building_clients.planning import GreedyPlanner, NoBattery, OptimalPlanner, PlanError, Planner
from building_clients.price_outlook import PriceOutlook
from building_clients.tariffs import Tariffs, tariffs_ahead
from building_clients.trader import Decision, Trader
from contracts.hub_client import HubClient
from contracts.ledger import Ledger
from contracts.settings import MarketConfig
from contracts.units import to_base_units
from simulation.battery import Battery, BatteryLimits
from simulation.building import Building
from simulation.clock import SimClock
from simulation.reading import Reading
from simulation.settings import BuildingConfig, TradingConfig

log = logging.getLogger(__name__)

BID_MARGIN_WALL_S = 5.0
"""The last bid is sent this long before gate closure, so that a busy machine still is in time [wall s]"""
RAMP = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the bidding time at which a ramp bids anew [1]"""

SendBid = Callable[[Bid, int], None]
Foresee = Callable[[], Forecast]
"""Makes a forecast from everything that is known now."""


class Auctions:
    """The auctions of one market, slot after slot."""

    def __init__(
        self,
        member: int,
        config: BuildingConfig,
        building: Building,
        clock: SimClock,
        market: MarketConfig,
        hub: HubClient,
        send: SendBid,
    ) -> None:
        self._member = member
        self._trading = config.trading
        self._clock = clock
        self._market = market
        self._send = send
        self._hours = clock.slot_minutes / 60
        self._outlook = PriceOutlook(round(24 / self._hours))
        self._control = SlotControl(clock)
        self._limits = _owners_limits(building.battery, config.trading)
        wants = self._limits is not None and config.trading.planner == "optimal"
        self._steers = wants and building.follow(self._control)
        self._planner = self._choose_planner(config)
        efficiency = self._limits.one_way_efficiency if self._steers and self._limits else None
        self._results = AuctionResults(member, clock, market, hub, self._outlook, self._control, efficiency)
        slot = clock.slot_at(clock.now())
        self._next = slot + 1
        self._ramp_step = 0
        self._said_blind = False

    def step(self, now: datetime, forecast: Foresee, last: Reading | None, ledger: Ledger) -> None:
        """Whatever is due: learn from the newest auctions, bid for the next slot. Raises HubError or LedgerError.

        `forecast` is called when a bid is due: by then most of the running slot is known.
        """
        self._results.learn(now)
        slot = max(self._next, self._clock.slot_at(now) + 1)
        if slot != self._next:
            self._next, self._ramp_step = slot, 0
        closure = self._clock.slot_start(slot) - timedelta(seconds=self._market.gate_closure_seconds)
        if now >= closure:
            self._next, self._ramp_step = slot + 1, 0
        elif slot == self._clock.slot_at(now) + 1 and self._is_due(now, closure):
            self._bid(now, slot, forecast(), last, ledger)

    def _is_due(self, now: datetime, closure: datetime) -> bool:
        margin = timedelta(seconds=BID_MARGIN_WALL_S * self._clock.speed)
        return now >= closure - margin or self._elapsed(now, closure) >= self._next_share

    @property
    def _next_share(self) -> float:
        return RAMP[self._ramp_step] if self._trading.strategy == "linear_ramp" else 2.0

    def _elapsed(self, now: datetime, closure: datetime) -> float:
        """Share of the bidding time of the next slot that is over [1]"""
        margin = timedelta(seconds=BID_MARGIN_WALL_S * self._clock.speed)
        opening = self._clock.slot_start(self._clock.slot_at(now))
        return min(1.0, (now - opening) / max(closure - margin - opening, timedelta(seconds=1)))

    def _bid(self, now: datetime, slot: int, forecast: Forecast, last: Reading | None, ledger: Ledger) -> None:
        closure = self._clock.slot_start(slot) - timedelta(seconds=self._market.gate_closure_seconds)
        elapsed = self._elapsed(now, closure)
        tariffs = tariffs_ahead(ledger, slot, len(forecast.net_flow_kw_p50))
        decision = self._decide(now, slot, forecast, last, tariffs, elapsed)
        if decision is not None and decision.bid is not None:
            self._send(decision.bid, slot)
        self._ramp_step = sum(elapsed >= share for share in RAMP)
        if elapsed >= 1:
            self._next, self._ramp_step = slot + 1, 0

    def _decide(
        self, now: datetime, slot: int, forecast: Forecast, last: Reading | None, tariffs: Tariffs, elapsed: float
    ) -> Decision | None:
        """None, with a warning, when nothing can be planned."""
        planner, limits = self._planner, self._limits
        if not self._steers and last is not None and last.soc is None:
            planner, limits = self._without_battery(), None
        trader = Trader(planner, limits, self._outlook, self._strategy(elapsed), self._hours, self._owner)
        try:
            decision = trader.decide(slot, self._quantiles(slot, forecast), self._soc_at(now, slot, last), tariffs)
        except PlanError as error:
            log.warning("no bid for slot %d: %s", slot, error)
            return None
        if self._steers:
            self._control.plan(slot, trader.rule(decision.plan, tariffs))
        return decision

    def _strategy(self, elapsed: float) -> Strategy:
        if self._trading.strategy == "linear_ramp":
            return linear_ramp(elapsed)
        if self._trading.strategy == "zero_intelligence":
            return zero_intelligence(random.SystemRandom().random)
        return newsvendor if self._trading.strategy == "newsvendor" else truthful

    @property
    def _owner(self) -> OwnerLimits:
        most = self._trading.max_buy_price_per_kwh
        least = to_base_units(self._trading.min_sell_price_per_kwh)
        return OwnerLimits(self._trading.paused, least, None if most is None else to_base_units(most))

    def _quantiles(self, slot: int, forecast: Forecast) -> np.ndarray:
        """From `slot` on; the last day's end is repeated where the forecast began earlier; shape (steps, 3) [kW]"""
        known = np.array([forecast.net_flow_kw_p10, forecast.net_flow_kw_p50, forecast.net_flow_kw_p90]).T
        step = slot - forecast.slot
        if not 0 <= step < len(known):
            raise PlanError(f"the newest forecast begins with slot {forecast.slot}, which is too far from slot {slot}")
        return np.concatenate([known[step:], known[len(known) - step :]])

    def _soc_at(self, now: datetime, slot: int, last: Reading | None) -> float | None:
        """State of charge at the start of `slot`, if the newest minute goes on until then."""
        if self._limits is None or last is None or last.soc is None:
            return None
        if not 0 <= last.soc <= 1:
            return last.soc  # impossible, and the plan says so; moved on from there it could look possible
        left_h = max(0.0, (self._clock.slot_start(slot) - last.timestamp).total_seconds() / 3600)
        battery = Battery(self._limits, last.soc)
        if left_h:
            battery.step(self._control.set_point_kw(now, last.net_flow_kw), left_h)
        return battery.soc

    def _choose_planner(self, config: BuildingConfig) -> Planner:
        if self._limits is None:
            return NoBattery()
        if not self._steers:
            return GreedyPlanner(self._limits, self._hours)
        return OptimalPlanner(self._limits, config.connection_kw, round(24 / self._hours), self._hours)

    def _without_battery(self) -> Planner:
        """For a battery whose meter does not tell its state of charge; said once."""
        if self._limits is not None and not self._said_blind:
            log.warning("nobody measures the battery's state of charge: bids do not count on it (map `soc`)")
            self._said_blind = True
        return NoBattery()


def _owners_limits(battery: BatteryLimits | None, trading: TradingConfig) -> BatteryLimits | None:
    """What plans may use of the battery."""
    if battery is None:
        return None
    return replace(battery, min_soc=min(max(battery.min_soc, trading.reserve_soc), battery.max_soc))
