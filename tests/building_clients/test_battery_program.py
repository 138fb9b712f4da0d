"""The battery's programme against another formulation with another solver, brute force, and the battery itself."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from building_clients.battery_program import BEYOND, WEAR, BatteryProgram, Optimum
from simulation.battery import Battery, BatteryLimits

CONNECTION_KW = 12.0
HOURS = 0.25
KWH = 0.01
"""Step of the finite differences [kWh]"""


@dataclass(frozen=True)
class Problem:
    """All that a plan depends on."""

    limits: BatteryLimits
    net_flow_kw: np.ndarray
    stored_kwh: float
    buy: np.ndarray
    sell: np.ndarray
    end_value: float

    @property
    def kept(self) -> float:
        return math.pow(1 - self.limits.standing_loss, HOURS / 24)

    @property
    def efficiency(self) -> float:
        return math.sqrt(self.limits.round_trip_efficiency)

    @property
    def left_kwh(self) -> np.ndarray:
        """What an idle battery still holds at the end of each step."""
        return np.array([self.stored_kwh * self.kept**step for step in range(1, len(self.net_flow_kw) + 1)])

    @property
    def floor_kwh(self) -> np.ndarray:
        return np.asarray(np.minimum(self.limits.min_soc * self.limits.capacity_kwh, self.left_kwh))

    @property
    def top_kwh(self) -> np.ndarray:
        return np.asarray(np.maximum(self.limits.max_soc * self.limits.capacity_kwh, self.left_kwh))

    def solve(self, program: BatteryProgram | None = None) -> Optimum:
        program = program or BatteryProgram(self.limits, CONNECTION_KW, len(self.net_flow_kw), HOURS)
        return program.solve(self.net_flow_kw, self.stored_kwh, self.buy, self.sell, self.end_value)

    def cost(self, grid_kw: np.ndarray, battery_kw: np.ndarray, end_kwh: float) -> float:
        """What a schedule costs, less what is left at its end: written down once more, step by step."""
        total = -self.end_value * end_kwh
        for step, power in enumerate(grid_kw.tolist()):
            inside = min(max(power, -CONNECTION_KW), CONNECTION_KW)
            total += HOURS * (self.buy[step] * inside if inside > 0 else self.sell[step] * inside)
            total += HOURS * BEYOND * abs(power - inside) + HOURS * WEAR * abs(battery_kw[step])
        return float(total)

    def cost_of(self, found: Optimum) -> float:
        return self.cost(found.grid_kw, found.battery_kw, float(found.stored_kwh[-1]))


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(0, 1000).map(lambda share: low + share / 1000 * (high - low))


@st.composite
def problems(draw: st.DrawFn, most_steps: int = 12) -> Problem:
    """A battery inside its limits, and flows that may be more than the connection can carry."""
    steps = draw(st.integers(1, most_steps))
    low, high = draw(numbers(0, 0.4)), draw(numbers(0.5, 1))
    limits = BatteryLimits(
        capacity_kwh=draw(numbers(1, 20)),
        charge_kw=draw(numbers(0.2, 10)),
        discharge_kw=draw(numbers(0.2, 10)),
        round_trip_efficiency=draw(numbers(0.5, 1)),
        standing_loss=draw(st.sampled_from([0.0, 0.001, 0.2])),
        min_soc=low,
        max_soc=high,
    )
    sell = np.array(draw(st.lists(numbers(0, 0.3), min_size=steps, max_size=steps)))
    room = np.array(draw(st.lists(numbers(0, 0.5), min_size=steps, max_size=steps)))
    flow = np.array(draw(st.lists(numbers(-20, 20), min_size=steps, max_size=steps)))
    stored = draw(numbers(low, high)) * limits.capacity_kwh
    return Problem(limits, flow, stored, sell + room, sell, draw(numbers(0, 0.4)))


def cheapest(problem: Problem, extra_kwh: float = 0.0) -> float:
    """The least cost by SciPy, in another formulation: no state, only how much each step charges and discharges.

    The stored energy after each step is a sum over the earlier steps, bounded by inequalities. `extra_kwh` falls from
    the sky in the first step. Infinite when nothing is possible.
    """
    limits, steps = problem.limits, len(problem.net_flow_kw)
    fades = np.tril([[problem.kept ** (k - j) for j in range(steps)] for k in range(steps)])
    none, one = np.zeros((steps, steps)), np.eye(steps)
    stored = np.hstack([fades * problem.efficiency * HOURS, -fades / problem.efficiency * HOURS, *[none] * 4])
    without = problem.left_kwh + extra_kwh * fades[:, 0]
    costs = np.array([WEAR, WEAR, 0, 0, BEYOND, BEYOND]).repeat(steps)
    costs[2 * steps : 4 * steps] = *problem.buy, *-problem.sell
    most = [limits.charge_kw, limits.discharge_kw, CONNECTION_KW, CONNECTION_KW, None, None]
    bounds = [(0.0, upper) for upper in most for _ in range(steps)]
    for step, flow in enumerate(problem.net_flow_kw.tolist()):  # a battery never exports more than the connection can
        bounds[steps + step] = (0.0, max(0.0, min(limits.discharge_kw, CONNECTION_KW - flow)))
    result = linprog(
        HOURS * costs - problem.end_value * stored[-1],
        A_ub=np.vstack([stored, -stored]),
        b_ub=np.concatenate([problem.top_kwh - without, without - problem.floor_kwh]),
        A_eq=np.hstack([one, -one, -one, one, -one, one]),
        b_eq=problem.net_flow_kw,
        bounds=bounds,
        method="highs-ipm",
    )
    return float(result.fun) - problem.end_value * float(without[-1]) if result.status == 0 else math.inf


@given(problems())
@settings(max_examples=60, deadline=None)
def test_the_optimum_is_that_of_another_formulation(problem: Problem) -> None:
    found = problem.solve()
    assert problem.cost_of(found) == pytest.approx(cheapest(problem), rel=1e-6, abs=1e-6)


@given(problems(most_steps=3))
@settings(max_examples=25, deadline=None)
def test_no_schedule_of_a_grid_is_cheaper(problem: Problem) -> None:
    """Brute force with the simulated battery, without standing loss: it would fall through its reserve for nothing."""
    limits = replace(problem.limits, standing_loss=0.0)
    problem = replace(problem, limits=limits)
    powers = [*np.linspace(-limits.discharge_kw, 0, 7), *np.linspace(0, limits.charge_kw, 7)[1:]]
    least = math.inf
    for schedule in itertools.product(powers, repeat=len(problem.net_flow_kw)):
        battery = Battery(limits, problem.stored_kwh / limits.capacity_kwh)
        battery_kw = np.array([power for power, _ in battery.follow(schedule, HOURS)])
        end_kwh = battery.soc * limits.capacity_kwh
        least = min(least, problem.cost(battery_kw - problem.net_flow_kw, battery_kw, end_kwh))
    assert problem.cost_of(problem.solve()) <= least + 1e-6


@given(problems())
@settings(max_examples=60, deadline=None)
def test_the_battery_can_do_what_is_planned(problem: Problem) -> None:
    """The simulated battery, which knows nothing of the programme, carries it out and comes to the same states."""
    limits = problem.limits
    assume(problem.floor_kwh[-1] == limits.min_soc * limits.capacity_kwh)  # idle, it would not fall below its reserve
    found = problem.solve()
    battery = Battery(limits, problem.stored_kwh / limits.capacity_kwh)
    done = np.array(battery.follow(found.battery_kw.tolist(), HOURS))
    assert done[:, 0] == pytest.approx(found.battery_kw, abs=1e-5)
    assert done[:, 1] * limits.capacity_kwh == pytest.approx(found.stored_kwh, abs=1e-5)


@given(problems())
@settings(max_examples=60, deadline=None)
def test_the_plan_keeps_every_limit(problem: Problem) -> None:
    limits, found = problem.limits, problem.solve()
    assert found.grid_kw == pytest.approx(found.battery_kw - problem.net_flow_kw, abs=1e-6)
    assert (found.battery_kw <= limits.charge_kw + 1e-6).all()
    assert (found.battery_kw >= -limits.discharge_kw - 1e-6).all()
    assert (found.stored_kwh >= problem.floor_kwh - 1e-6).all()
    assert (found.stored_kwh <= problem.top_kwh + 1e-6).all()
    reach = np.maximum(CONNECTION_KW, np.abs(problem.net_flow_kw))  # an idle battery needs no more
    assert (np.abs(found.grid_kw) <= reach + 1e-6).all()


@given(problems())
@settings(max_examples=60, deadline=None)
def test_nothing_is_gained_by_going_in_a_circle(problem: Problem) -> None:
    """Charging and discharging at once would lose less, or more, than the one power between them."""
    found = problem.solve()
    before = np.concatenate([[problem.stored_kwh], found.stored_kwh[:-1]])
    change = found.stored_kwh - problem.kept * before
    gain = np.where(found.battery_kw > 0, problem.efficiency, 1 / problem.efficiency)
    assert change == pytest.approx(HOURS * gain * found.battery_kw, abs=1e-6)


@given(problems(most_steps=8))
@settings(max_examples=60, deadline=None)
def test_stored_energy_is_worth_what_a_little_more_or_less_changes(problem: Problem) -> None:
    """Between the two one-sided differences of the least cost, which SciPy finds."""
    found = problem.solve()
    cost, more, less = (cheapest(problem, extra) for extra in (0.0, KWH, -KWH))
    assert (cost - more) / KWH <= found.stored_value + 1e-4
    assert found.stored_value <= (less - cost) / KWH + 1e-4


def steady(limits: BatteryLimits, stored_kwh: float, net_flow_kw: float, steps: int = 8) -> Problem:
    """Everything the same all the time; what is left at the end is worth nothing."""
    buy, sell = np.full(steps, 0.30), np.full(steps, 0.08)
    return Problem(limits, np.full(steps, net_flow_kw), stored_kwh, buy, sell, 0.0)


@pytest.mark.parametrize("soc", [0.0, 0.1, 0.29])
def test_below_its_reserve_a_battery_may_stay_and_is_not_discharged(soc: float) -> None:
    limits = BatteryLimits(10, 5, 5, standing_loss=0.01, min_soc=0.3)
    problem = steady(limits, soc * 10, net_flow_kw=-4)
    found = problem.solve()
    assert found.battery_kw == pytest.approx(np.zeros(8), abs=1e-9)
    assert found.stored_kwh == pytest.approx(problem.left_kwh)
    assert found.grid_kw == pytest.approx(np.full(8, 4.0))


def test_above_its_reserve_it_is_discharged_to_the_reserve() -> None:
    found = steady(BatteryLimits(10, 5, 5, min_soc=0.3), 3.9, net_flow_kw=-4).solve()
    assert found.stored_kwh[-1] == pytest.approx(3.0)


def test_above_its_highest_state_of_charge_it_may_stay() -> None:
    problem = steady(BatteryLimits(10, 5, 5, max_soc=0.8), 9.5, net_flow_kw=0.0)
    stay = replace(problem, end_value=0.2)
    assert stay.solve().stored_kwh == pytest.approx(np.full(8, 9.5))


def test_a_load_above_the_connection_is_planned_with_all_that_the_battery_has() -> None:
    """20 kW of load, 12 kW of connection: the battery gives all it can, and the rest is planned beyond."""
    found = steady(BatteryLimits(100, 5, 5), 90, net_flow_kw=-20).solve()
    assert found.battery_kw == pytest.approx(np.full(8, -5.0))
    assert found.grid_kw == pytest.approx(np.full(8, 15.0))


def test_a_full_battery_burns_no_surplus() -> None:
    """Above the connection a kWh costs a hundred: charging and discharging at once would lose some of it."""
    found = steady(BatteryLimits(10, 5, 5), 10, net_flow_kw=15).solve()
    assert found.battery_kw == pytest.approx(np.zeros(8), abs=1e-9)
    assert found.stored_kwh == pytest.approx(np.full(8, 10.0))


def test_room_is_made_before_a_surplus_above_the_connection() -> None:
    """13 kW for an hour, 12 can leave: the battery is emptied before by what it has to take, and more."""
    flow = np.array([5.0, 5.0, 13.0, 13.0, 13.0, 13.0])
    found = Problem(BatteryLimits(10, 5, 5), flow, 10.0, np.full(6, 0.3), np.full(6, 0.08), 0.2).solve()
    assert found.grid_kw[2:] == pytest.approx(np.full(4, -12.0))
    assert found.stored_kwh[1] <= 10 - math.sqrt(0.9) + 1e-9


def test_the_battery_shaves_a_load_above_the_connection() -> None:
    """Dear energy first, cheap energy later, and yet the battery is kept for the step that needs it."""
    flow, buy = np.array([-5.0, -5.0, -16.0, -5.0]), np.array([0.5, 0.5, 0.1, 0.1])
    limits = BatteryLimits(1, 5, 5, round_trip_efficiency=1.0)
    found = Problem(limits, flow, 1.0, buy, np.zeros(4), 0.0).solve()
    assert found.grid_kw[2] == pytest.approx(12.0)


@given(problems(most_steps=1), st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_programme_that_solved_many_others_solves_as_a_fresh_one(first: Problem, seeds: list[int]) -> None:
    """The simplex method goes on from the last optimum: the cost may not depend on it."""
    steps, limits = 24, first.limits
    program = BatteryProgram(limits, CONNECTION_KW, steps, HOURS)
    for seed in seeds:
        random = np.random.default_rng(seed)
        sell = random.uniform(0, 0.2, steps)
        flow, buy = random.uniform(-20, 20, steps), sell + random.uniform(0, 0.3, steps)
        stored = limits.capacity_kwh * float(random.uniform(0, 1))
        problem = Problem(limits, flow, stored, buy, sell, float(random.uniform(0, 0.3)))
        assert problem.cost_of(problem.solve(program)) == pytest.approx(problem.cost_of(problem.solve()), abs=1e-6)
