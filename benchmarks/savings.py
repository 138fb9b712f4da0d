"""What planning, trading and forecasts save a community in a year, with the code that runs live.

Recorded homes, made unequal: every third without solar, every second with a battery. The chain is replaced by its
Python model (contracts/market_model.py), which tests/contracts/test_market_model.py proves equal.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks._table import Row, show_figures
from benchmarks.backtest.arms import ARMS, Forecasts
from benchmarks.backtest.figures import arm_figures, captured, paired_difference
from benchmarks.backtest.scenario import RETAIL, Homes, read_homes, time_of_use
from benchmarks.backtest.year import Arm, Community, Result, Year
from benchmarks.forecasting.homes import EvaluationError
from benchmarks.forecasting.learning import Plan
from benchmarks.forecasting.workers import TrainingPool
from building_clients.bidding import newsvendor

ZONE = "Etc/GMT+8"
"""Of times without offset in the data."""
ALONE, NO_BATTERY = "alone", "no_battery"


@dataclass(frozen=True)
class Run:
    """One arm of one tariff."""

    tariff: str
    arm: str
    result: Result
    cpu_s: float
    """Agents, auctions, batteries and settlement; not the forecasts [CPU s]"""


def main(json_file: str | None, data: str | None = None, days: int | None = None) -> None:
    """Back-test the homes of folder `data`; prints the table. Raises EvaluationError or ReplayError."""
    if data is None:
        raise EvaluationError("bench savings needs --data DIR, a folder of recorded homes (docs/commands.md)")
    folder = Path(data)
    homes = read_homes(folder, ZONE, days)
    tariffs = {"flat": np.full(len(homes.load_kwh), RETAIL)}
    own = time_of_use(folder, ZONE, homes)
    if own is not None:
        tariffs["time_of_use"] = own
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        forecasts, poisoner = _forecasts(homes, progress)
        runs = _runs(homes, tariffs, forecasts, progress)
    figures = {name: _figures(homes, homes.community(retail), runs, name, poisoner) for name, retail in tariffs.items()}
    rows = [row for name, one in figures.items() for row in _rows(name, one)]
    show_figures(f"savings, {len(homes.learners)} homes", rows, json_file, _headline(figures) | figures)


def _forecasts(homes: Homes, progress: Progress) -> tuple[dict[str, np.ndarray], int]:
    pool = TrainingPool({learner.name: learner.series.slots for learner in homes.learners})
    try:
        task = progress.add_task("forecasts")
        maker = Forecasts(
            homes, pool, Plan(), lambda arm: progress.update(task, advance=1, description=f"learn: {arm}")
        )
        learned = sum(arm in ("local_lstm", "federated", "poisoned", "undefended") for arm in ARMS)
        progress.update(task, total=learned * maker.steps + (len(ARMS) - 1) * len(homes.learners))
        return {arm: maker.of(arm) for arm in ARMS}, maker.poisoner
    finally:
        pool.close()


def _runs(
    homes: Homes, tariffs: Mapping[str, np.ndarray], forecasts: Mapping[str, np.ndarray], progress: Progress
) -> list[Run]:
    """All arms of all tariffs, on all cores."""
    jobs: list[tuple[str, str, Community, Arm]] = []
    for tariff, retail in tariffs.items():
        community = homes.community(retail)
        jobs.append((tariff, ALONE, community, Arm(forecasts["federated"], None, plans=False)))
        jobs.append((tariff, "alone_planned", community, Arm(forecasts["federated"], None)))
        jobs += [(tariff, arm, community, Arm(forecasts[arm], newsvendor)) for arm in ARMS]
    task = progress.add_task("back-test", total=len(jobs))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_run, *job) for job in jobs]
        done = []
        for job in as_completed(waiting):
            done.append(job.result())
            progress.update(task, advance=1, description=f"back-test: {done[-1].arm}")
    return done


def _run(tariff: str, name: str, community: Community, arm: Arm) -> Run:
    begin = time.process_time()
    result = Year(community, arm).run()
    return Run(tariff, name, result, time.process_time() - begin)


def _figures(homes: Homes, community: Community, runs: list[Run], tariff: str, poisoner: int) -> dict[str, Any]:
    found = {run.arm: run for run in runs if run.tariff == tariff}
    alone = found[ALONE].result
    costs = {arm: float(run.result.money.sum()) for arm, run in found.items()}
    net = np.stack([site.net_flow_kw for site in community.sites], axis=1) * homes.hours
    idle = float(_utility_cost(-net, community).sum())
    shares, over_greedy = captured(costs, idle), captured(costs, costs[ALONE])
    others = np.arange(len(community.sites)) != poisoner
    return {
        "captured_share": shares["federated"],
        "captured_share_by_arm": shares,
        "captured_over_self_consumption": over_greedy,
        "cost_no_battery_no_trade": round(idle, 2),
        "saved_against_no_battery": round(idle - costs["federated"], 2),
        "price_of_forecast_error": round(costs["federated"] - costs["perfect"], 2),
        "federated_over_persistence": paired_difference(
            found["federated"].result, found["persistence"].result, homes.hours
        ),
        "federated_over_local": paired_difference(found["federated"].result, found["local_lstm"].result, homes.hours),
        "poison_changes_others_bill": {
            arm: round(float((found[arm].result.money - found["federated"].result.money)[:, others].sum()), 2)
            for arm in ("poisoned", "undefended")
        },
        "arms": {
            arm: {**arm_figures(homes, community, run.result, alone), "cpu_s": round(run.cpu_s, 1)}
            for arm, run in found.items()
        },
    }


def _utility_cost(grid_kwh: np.ndarray, community: Community) -> np.ndarray:
    """When everything is exchanged with the utility; shape (slots, homes) [currency]"""
    bought, sold = np.maximum(grid_kwh, 0), np.maximum(-grid_kwh, 0)
    return np.asarray(bought * community.retail[:, None] - sold * community.feed_in[:, None])


def _headline(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The worst of all tariffs."""
    arms = [one["arms"]["federated"] for one in figures.values()]
    return {
        "captured_share": min(one["captured_share"] for one in figures.values()),
        "captured_over_self_consumption": min(
            one["captured_over_self_consumption"]["federated"] for one in figures.values()
        ),
        "members_worse_off": max(arm["members_worse_off"] for arm in arms),
        "cpu_s": max(arm["cpu_s"] for arm in arms),
    }


def _rows(tariff: str, figures: Mapping[str, Any]) -> list[Row]:
    shown = ("cost", "saving", "imbalance_cost", "members_worse_off", "self_sufficiency", "traded_kwh", "cpu_s")
    return [
        {
            "what": f"{tariff}: {arm}",
            **{name: one[name] for name in shown},
            "captured": figures["captured_share_by_arm"][arm],
            "over self-consumption": figures["captured_over_self_consumption"][arm],
        }
        for arm, one in figures["arms"].items()
    ]
