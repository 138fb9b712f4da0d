"""One building's decisions for a slot, pure: plan from forecast and expected prices, bid, and the battery's rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from building_clients.battery_control import ControlRule
from building_clients.bidding import Bid, Need, OwnerLimits, Strategy, allowed
from building_clients.planning import BatteryPlan, Planner, Prices
from building_clients.price_outlook import LikelyPrices, PriceOutlook
from building_clients.tariffs import Tariffs
from simulation.battery import BatteryLimits

SPREAD_SHARE = 0.05
"""How much worse than expected a plan takes local prices to be, of the room between the tariffs [1]"""


@dataclass(frozen=True)
class Decision:
    """What a building does in its next slot."""

    plan: BatteryPlan
    """The schedule."""
    bid: Bid | None
    """The order; None when there is nothing to trade."""


class Trader:
    """Plans and bids for one building."""

    def __init__(
        self,
        planner: Planner,
        battery: BatteryLimits | None,
        outlook: PriceOutlook,
        strategy: Strategy | None,
        hours: float,
        owner: OwnerLimits | None = None,
    ) -> None:
        """Without a strategy the building does not trade, and plans with the utility's prices."""
        self._planner = planner
        self._battery = battery
        self._outlook = outlook
        self._strategy = strategy
        self._hours = hours
        self._owner = owner or OwnerLimits()

    def decide(self, slot: int, net_flow_kw: np.ndarray, soc: float | None, tariffs: Tariffs) -> Decision:
        """From quantiles of the net flow of shape (steps, 3), `slot` first. Raises PlanError."""
        plan = self._planner.plan(net_flow_kw[:, 1], soc, self._prices(slot, tariffs))
        if self._strategy is None:
            return Decision(plan, None)
        likely = self._outlook.likely(slot, float(tariffs.feed_in[0]), float(tariffs.retail[0]))
        need = self._need(net_flow_kw[0], plan, likely, tariffs)
        return Decision(plan, allowed(self._strategy(need), self._owner))

    def rule(self, plan: BatteryPlan, tariffs: Tariffs) -> ControlRule:
        """How the battery acts on what comes in the slot."""
        efficiency = self._battery.one_way_efficiency if self._battery else 1.0
        feed_in, retail = float(tariffs.feed_in[0]), float(tariffs.retail[0])
        return ControlRule(plan.stored_value, efficiency, feed_in, retail)

    def _prices(self, slot: int, tariffs: Tariffs) -> Prices:
        """Where nobody saw an auction yet, the plan counts on the utility alone; but not in the next slot."""
        if self._strategy is None or self._owner.paused:
            return Prices(tariffs.retail, tariffs.feed_in)
        local = self._outlook.expected(slot, tariffs.feed_in, tariffs.retail)
        known = self._outlook.known(slot, len(local))
        known[0] = True
        spread = np.where(known, SPREAD_SHARE, 1.0) * (tariffs.retail - tariffs.feed_in)
        buy = np.minimum(local + tariffs.grid_fee + spread, tariffs.retail)
        return Prices(buy, np.maximum(local - spread, tariffs.feed_in))

    def _need(self, net_flow_kw: np.ndarray, plan: BatteryPlan, likely: LikelyPrices, tariffs: Tariffs) -> Need:
        feed_in, retail = float(tariffs.feed_in[0]), float(tariffs.retail[0])
        short, surplus, gives, takes = retail, feed_in, False, False
        if self._battery is not None:
            efficiency = self._battery.one_way_efficiency
            gives, takes = self._room(net_flow_kw, float(plan.soc[0]))
            short = min(retail, max(feed_in, plan.stored_value / efficiency)) if gives else retail
            surplus = min(max(feed_in, plan.stored_value * efficiency), short) if takes else feed_in
        low, median, high = (float(power) for power in net_flow_kw)
        return Need(
            hours=self._hours,
            net_flow_kw=(low, median, high),
            battery_kw=float(plan.battery_kw[0]),
            short_price=short,
            surplus_price=surplus,
            absorbed=gives and takes,
            likely=likely,
            grid_fee=tariffs.grid_fee,
            feed_in=feed_in,
            retail=retail,
        )

    def _room(self, net_flow_kw: np.ndarray, soc: float) -> tuple[bool, bool]:
        """Whether the battery, after its plan, can give and take a usual error: half of the forecast's interval."""
        limits = self._battery
        assert limits is not None
        error_kwh = float(net_flow_kw[2] - net_flow_kw[0]) / 2 * self._hours
        stored, top = soc * limits.capacity_kwh, limits.max_soc * limits.capacity_kwh
        return stored - limits.min_soc * limits.capacity_kwh > error_kwh, top - stored > error_kwh
