"""The cheapest battery schedule as a linear programme, solved by HiGHS.

Efficiencies and standing loss as in simulation/battery.py. The programme stays between calls: the next one differs in
prices, flows and state of charge alone, so the simplex method goes on from the last optimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import highspy
import numpy as np

from simulation.battery import HOURS_PER_DAY, BatteryLimits

WEAR = 1e-5
"""What a charged or discharged kWh costs besides energy, so that idle wins a tie [currency/kWh]"""
BEYOND = 100.0
"""What a kWh beyond the connection costs: so much that the plan avoids it wherever it can [currency/kWh]"""
CHARGE, DISCHARGE, IMPORT, EXPORT, STORED, OVER_IMPORT, OVER_EXPORT = range(7)
"""Blocks of columns, each with one for every step: six powers [kW] and the energy at the end of the step [kWh]."""


@dataclass(frozen=True)
class Optimum:
    """The solution; arrays of shape (steps,)."""

    grid_kw: np.ndarray
    """Exchange with the grid, > 0 imports [kW]"""
    battery_kw: np.ndarray
    """> 0 charges [kW]"""
    stored_kwh: np.ndarray
    """At the end of each step [kWh]"""
    stored_value: float
    """What one more stored kWh at the end of the first step would save [currency/kWh]"""


class BatteryProgram:
    """The programme of one battery behind one connection for a fixed number of steps."""

    def __init__(self, limits: BatteryLimits, connection_kw: float, steps: int, hours: float) -> None:
        self._limits = limits
        self._connection_kw = connection_kw
        self._steps = steps
        self._hours = hours
        self._kept = (1 - limits.standing_loss) ** (hours / HOURS_PER_DAY)
        self._columns = np.arange(7 * steps, dtype=np.int32)
        self._highs = highspy.Highs()
        for name, value in (("output_flag", False), ("threads", 1), ("presolve", "off")):
            self._highs.setOptionValue(name, value)
        self._highs.passModel(self._model())

    def solve(
        self,
        net_flow_kw: np.ndarray,
        stored_kwh: float,
        buy_price: np.ndarray,
        sell_price: np.ndarray,
        end_value: float,
    ) -> Optimum:
        """The optimum for these flows and prices [currency/kWh], arrays of shape (steps,).

        `stored_kwh` is there at the start; what is left at the end is worth `end_value` a kWh. Buying must not be
        cheaper than selling. Raises ArithmeticError when HiGHS finds no optimum, or takes a value for infinite.
        """
        self._set_costs(buy_price, sell_price, end_value)
        self._set_state(net_flow_kw, stored_kwh)
        self._run()
        solution = self._highs.getSolution()
        blocks = np.asarray(solution.col_value).reshape(7, self._steps)
        over = blocks[OVER_IMPORT] - blocks[OVER_EXPORT]
        return Optimum(
            grid_kw=blocks[IMPORT] - blocks[EXPORT] + over,
            battery_kw=blocks[CHARGE] - blocks[DISCHARGE],
            stored_kwh=blocks[STORED],
            stored_value=-float(solution.row_dual[self._steps]),
        )

    def _run(self) -> None:
        self._highs.run()
        if self._highs.getModelStatus() == highspy.HighsModelStatus.kOptimal:
            return
        self._highs.clearSolver()  # from the last optimum the simplex method got stuck; start anew
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise ArithmeticError(f"the battery's programme has no optimum: {self._highs.modelStatusToString(status)}")

    def _model(self) -> highspy.HighsLp:
        n, limits = self._steps, self._limits
        dense = self._matrix().T  # HiGHS wants column after column
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = 7 * n, 2 * n
        model.col_cost_, model.col_lower_ = np.zeros(7 * n), np.zeros(7 * n)
        upper = (limits.charge_kw, limits.discharge_kw, self._connection_kw, self._connection_kw)
        model.col_upper_ = np.repeat([*upper, limits.max_soc * limits.capacity_kwh, math.inf, math.inf], n)
        model.row_lower_ = model.row_upper_ = np.zeros(2 * n)
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        column, row = np.nonzero(dense)
        model.a_matrix_.start_ = np.searchsorted(column, np.arange(7 * n + 1))
        model.a_matrix_.index_, model.a_matrix_.value_ = row, dense[column, row]
        return model

    def _matrix(self) -> np.ndarray:
        """First the power balance of each step, then the battery's; shape (2 steps, 7 steps)"""
        n, one = self._steps, np.eye(self._steps)
        efficiency = self._limits.one_way_efficiency
        none = np.zeros((n, n))
        change = one - self._kept * np.eye(n, k=-1)
        balance = [-one, one, one, -one, none, one, -one]
        storage = [-efficiency * self._hours * one, self._hours / efficiency * one, none, none, change, none, none]
        return np.block([balance, storage])

    def _set_costs(self, buy_price: np.ndarray, sell_price: np.ndarray, end_value: float) -> None:
        n = self._steps
        stored = np.zeros(n)
        stored[-1] = -end_value
        wear, beyond = np.full(2 * n, WEAR * self._hours), np.full(2 * n, BEYOND * self._hours)
        costs = np.concatenate([wear, buy_price * self._hours, -sell_price * self._hours, stored, beyond])
        self._highs.changeColsCost(7 * n, self._columns, costs)

    def _set_state(self, net_flow_kw: np.ndarray, stored_kwh: float) -> None:
        n, limits = self._steps, self._limits
        for step, deficit_kw in enumerate((-net_flow_kw).tolist()):
            self._set_row(step, deficit_kw)
        self._set_row(n, self._kept * stored_kwh)
        # A battery that stands below its reserve may stay there, and loses by itself; it only must not be discharged.
        left = stored_kwh * self._kept ** np.arange(1, n + 1)
        lower = np.minimum(limits.min_soc * limits.capacity_kwh, left)
        upper = np.maximum(limits.max_soc * limits.capacity_kwh, left)
        self._set_bounds(STORED, lower, upper)
        # Discharging helps nobody where the connection is full of surplus; it would only burn what cannot be exported,
        # charging and discharging at once.
        room_kw = np.clip(self._connection_kw - net_flow_kw, 0, limits.discharge_kw)
        self._set_bounds(DISCHARGE, np.zeros(n), room_kw)

    def _set_bounds(self, block: int, lower: np.ndarray, upper: np.ndarray) -> None:
        columns = self._columns[block * self._steps : (block + 1) * self._steps]
        self._highs.changeColsBounds(self._steps, columns, lower, upper)

    def _set_row(self, row: int, value: float) -> None:
        """HiGHS would go on with the old value where it refuses one."""
        if self._highs.changeRowBounds(row, value, value) == highspy.HighsStatus.kError:
            raise ArithmeticError(f"the battery's programme has no place for {value:g}")
