"""Planning: what a building's battery does over the next day, and what stored energy is worth.

Receding horizon: each slot a new plan from the newest forecast and state of charge, of which only the first step is
carried out. A building without a battery has nothing to plan; its net flow is its plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from building_clients.battery_program import BatteryProgram
from simulation.battery import Battery, BatteryLimits
from simulation.errors import MicrogridError

END_SHARE = 0.8
"""What energy left at the end of the horizon counts, of what it could earn at the mean price there [1]"""

ROUNDING = 1e-6
"""A state of charge may be so far off by its arithmetic [1]"""


class PlanError(MicrogridError):
    """There is nothing to plan with: the text names the impossible value."""


@dataclass(frozen=True)
class Prices:
    """What the building expects to pay and to earn, fees included; arrays of shape (steps,)."""

    buy: np.ndarray
    """[currency/kWh]"""
    sell: np.ndarray
    """At most `buy` [currency/kWh]"""


@dataclass(frozen=True)
class BatteryPlan:
    """The first step of a plan, and the way it goes on."""

    grid_kw: np.ndarray
    """Exchange with the grid in each step, > 0 imports [kW]; shape (steps,)"""
    battery_kw: np.ndarray
    """> 0 charges [kW]; shape (steps,)"""
    soc: np.ndarray
    """State of charge at the end of each step [1]; shape (steps,); NaN without a battery"""
    stored_value: float
    """What one more stored kWh at the end of the first step saves [currency/kWh]; 0 without a battery"""


class Planner(Protocol):
    """Makes plans; one object for each building."""

    def plan(self, net_flow_kw: np.ndarray, soc: float | None, prices: Prices) -> BatteryPlan:
        """From the expected net flow of shape (steps,) and the state of charge. Raises PlanError."""


class NoBattery:
    """The plan of a building that cannot shift anything."""

    def plan(self, net_flow_kw: np.ndarray, soc: float | None, prices: Prices) -> BatteryPlan:
        """The exchange with the grid is the net flow's opposite."""
        _check(net_flow_kw, 0.0, prices)
        nothing = np.zeros_like(net_flow_kw)
        return BatteryPlan(-net_flow_kw, nothing, np.full_like(net_flow_kw, np.nan), 0.0)


class OptimalPlanner:
    """Model-predictive control: the cheapest schedule by a linear programme (BatteryProgram)."""

    def __init__(self, limits: BatteryLimits, connection_kw: float, steps: int, hours: float) -> None:
        self._limits = limits
        self._steps = steps
        self._program = BatteryProgram(limits, connection_kw, steps, hours)

    def plan(self, net_flow_kw: np.ndarray, soc: float | None, prices: Prices) -> BatteryPlan:
        """The cheapest way through the horizon at these prices."""
        known = _check(net_flow_kw, soc, prices)
        if len(net_flow_kw) != self._steps:
            raise PlanError(f"the forecast has {len(net_flow_kw)} steps; the plan needs {self._steps}")
        capacity = self._limits.capacity_kwh
        end_value = END_SHARE * self._limits.one_way_efficiency * float(prices.buy.mean())
        try:
            best = self._program.solve(net_flow_kw, known * capacity, prices.buy, prices.sell, end_value)
        except ArithmeticError as error:
            raise PlanError(str(error)) from error
        return BatteryPlan(best.grid_kw, best.battery_kw, best.stored_kwh / capacity, best.stored_value)


class GreedyPlanner:
    """Greedy self-consumption: every surplus is stored, every deficit is met from the battery, as far as it goes.

    What most inverters do by themselves. Stored energy is worth what it replaces: energy at the lowest price to buy.
    """

    def __init__(self, limits: BatteryLimits, hours: float) -> None:
        self._limits = limits
        self._hours = hours

    def plan(self, net_flow_kw: np.ndarray, soc: float | None, prices: Prices) -> BatteryPlan:
        """What the battery will do if the flows come as expected."""
        battery = Battery(self._limits, _check(net_flow_kw, soc, prices))
        steps = np.array(battery.follow(net_flow_kw.tolist(), self._hours))
        value = self._limits.one_way_efficiency * float(prices.buy.min())
        return BatteryPlan(steps[:, 0] - net_flow_kw, steps[:, 0], steps[:, 1], value)


def _check_numbers(name: str, values: np.ndarray, steps: int) -> None:
    if values.shape != (steps,):
        raise PlanError(f"{name}: expected one number for each of {steps} steps, found shape {values.shape}")
    if not np.isfinite(values).all():
        step = int(np.argmin(np.isfinite(values)))
        raise PlanError(f"the {name} of step {step} is {values[step]}; nothing can be planned with it")


def _check(net_flow_kw: np.ndarray, soc: float | None, prices: Prices) -> float:
    """The state of charge, if everything is possible."""
    _check_numbers("net flow", net_flow_kw, len(net_flow_kw))
    _check_numbers("buy price", prices.buy, len(net_flow_kw))
    _check_numbers("sell price", prices.sell, len(net_flow_kw))
    if (prices.sell > prices.buy).any():
        step = int(np.argmax(prices.sell > prices.buy))
        raise PlanError(
            f"step {step}: selling for {prices.sell[step]:g} what costs {prices.buy[step]:g} would be a money pump; "
            "check the tariffs"
        )
    if soc is None or not -ROUNDING <= soc <= 1 + ROUNDING:
        raise PlanError(f"the battery reports a state of charge of {soc}, which must lie between 0 and 1")
    return min(max(soc, 0.0), 1.0)
