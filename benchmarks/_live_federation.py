"""A run on a real community: SuperLink, hub, chain, operator, and buildings with their SuperNodes."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks._processes import Processes, free_port, memory_mb
from cli.effective import effective_scenario
from cli.home import Home
from cli.scenario import Scenario
from cli.training import train
from contracts.hub_client import HubClient
from fl_server.report import RoundReport

PROJECT = Path(__file__).parents[1]
READY_S = 240.0
SETTLE_S = 5.0


@dataclass(frozen=True)
class LiveRun:
    """What a run took."""

    seconds: float
    """From the request to the end of the run, start and release included [wall s]"""
    round_s: float
    """Median wall time of a round [s]"""
    overhead_s: float
    """Median of a round's wall time less the slowest building's training [s]"""
    first_round_s: float
    """The first round, in which every building imports TensorFlow and traces its model [s]"""
    idle_mb: float
    """Largest resident memory of a building's process before its first training [MB]"""
    trained_mb: float
    """The same after the run [MB]"""
    supernode_mb: float
    """Largest resident memory of what a building's process starts, its SuperNode, when idle [MB]"""


def live_run(buildings: int, rounds: int, tick: Callable[[str], None]) -> LiveRun:
    """Start a community, let it settle, train, and end it."""
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as folder:
        home, scenario = _home(Path(folder), buildings, rounds)
        with Processes(home.logs) as processes:
            _start(processes, home, scenario)
            tick("waiting for the buildings")
            names = [f"building-{building.id}" for building in scenario.building]
            _wait(scenario)
            idle = [memory_mb(processes.pid(name)) for name in names]
            nodes = [memory_mb(processes.pid(name), below=True) - own for name, own in zip(names, idle, strict=True)]
            reports: list[RoundReport] = []

            def note(report: RoundReport) -> None:
                reports.append(report)
                tick(f"round {report.round} of {rounds}")

            begin = time.perf_counter()
            train(scenario, home, note, "fresh")
            seconds = time.perf_counter() - begin
            trained = [memory_mb(processes.pid(name)) for name in names]
    slowest = [max((p.train_seconds or 0.0 for p in report.participants), default=0.0) for report in reports]
    return LiveRun(
        seconds=seconds,
        round_s=median(report.seconds for report in reports),
        overhead_s=median(report.seconds - train_s for report, train_s in zip(reports, slowest, strict=True)),
        first_round_s=reports[0].seconds,
        idle_mb=max(idle),
        trained_mb=max(trained),
        supernode_mb=max(nodes),
    )


def _home(folder: Path, buildings: int, rounds: int) -> tuple[Home, Scenario]:
    scenario = effective_scenario(None, buildings=buildings)
    ports = [free_port() for _ in range(4)]
    changes = {
        "chain": scenario.chain.model_copy(update={"rpc_url": f"http://127.0.0.1:{ports[0]}"}),
        "hub": scenario.hub.model_copy(update={"url": f"http://127.0.0.1:{ports[1]}"}),
        "dashboard": scenario.dashboard.model_copy(update={"port": ports[2]}),
        "learning": scenario.learning.model_copy(
            update={"superlink": f"127.0.0.1:{ports[3]}", "rounds": rounds, "min_available_nodes": buildings}
        ),
    }
    home = Home(folder / "home")
    home.folder.mkdir()
    scenario = scenario.model_copy(update=changes)
    home.prepare(scenario)
    return home, scenario


def _start(processes: Processes, home: Home, scenario: Scenario) -> None:
    command = [sys.executable, "-m", "cli.main"]
    where = ["--home", str(home.folder)]
    environment = {"PYTHONPATH": str(PROJECT)}
    for name in ("chain", "hub", "superlink", "operator"):
        processes.start(name, [*command, name, *where], environment)
    for building in scenario.building:
        processes.start(f"building-{building.id}", [*command, "building", "--id", building.id, *where], environment)


def _wait(scenario: Scenario) -> None:
    """Until all buildings report and trade on an announced market, and a little longer."""
    deadline = time.monotonic() + READY_S
    with closing(HubClient(scenario.hub.url)) as hub:
        hub.wait_until_up(READY_S)
        while sum(one["forecast"] is not None for one in hub.get("/api/buildings")) < len(scenario.building):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the buildings were not ready after {READY_S:.0f} s")
            time.sleep(0.5)
    time.sleep(SETTLE_S)
