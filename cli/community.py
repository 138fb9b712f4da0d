"""`up`: all processes of one community, from an empty folder to a clean stop. Reads top to bottom in that order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cli.home import Home
from cli.ports import addresses, check_ports
from cli.scenario import Scenario
from cli.summary import collect
from cli.supervisor import Child, Supervisor, UpError
from cli.training import PROJECT, Nights, train
from contracts.anvil import ensure_anvil
from fl_server.report import RoundReport
from fl_server.run import flower_environment
from simulation.clock import SimClock
from simulation.errors import MicrogridError
from simulation.files import write_atomically
from simulation.settings import BuildingConfig

READY_S = 180.0
TICK_S = 1.0
BASE = ("chain", "hub", "superlink", "dashboard")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class UpOptions:
    """What the person asked for."""

    duration_s: float | None
    """Wall time from the moment when all is ready until a clean stop; None to run until interrupted [s]"""
    summary: Path | None
    """Where to write the summary."""
    open_browser: bool
    """Whether to open the dashboard."""


def run_community(scenario: Scenario, home: Home, options: UpOptions, tell: Tell) -> bool:
    """Run a community until its end; True when nothing failed. Raises a MicrogridError that says what did."""
    with home.claim():
        check_ports(scenario)
        clock = home.prepare(scenario)
        ensure_anvil(PROJECT / ".tools")
        return asyncio.run(Community(scenario, home, clock, options, tell).run())


class Community:
    """One run of `up`."""

    def __init__(self, scenario: Scenario, home: Home, clock: SimClock, options: UpOptions, tell: Tell) -> None:
        self._scenario = scenario
        self._home = home
        self._clock = clock
        self._options = options
        self._tell = tell
        self._interrupted = asyncio.Event()
        self._training: asyncio.Task[None] | None = None
        self._failed_runs = 0
        self._stopping = threading.Event()
        self._began = time.time()

    async def run(self) -> bool:
        """Start, live, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted.set)
        self._supervisor = Supervisor(self._home.logs, self._tell)
        heart = asyncio.create_task(self._beat())
        reason = "failed"
        try:
            reason = await self._live()
        finally:
            summary = await self._wind_down(reason)
            heart.cancel()
            self._write_state("stopped")
        return self._conclude(summary)

    async def _live(self) -> str:
        started = await self._unless_interrupted(self._start())
        if not started:
            return "interrupted"
        self._tell(f"ready after {time.time() - self._began:.0f} s; the pages are at {self._page()}")
        if self._options.open_browser:
            await asyncio.to_thread(_open_browser, self._page())
        nights = Nights(self._scenario, self._clock.now())
        self._start_training()
        end = None if self._options.duration_s is None else time.monotonic() + self._options.duration_s
        while end is None or time.monotonic() < end:
            if self._interrupted.is_set():
                return "interrupted"
            if self._supervisor.failed.done():
                raise UpError(self._supervisor.failed.result())
            if nights.due(self._clock.now()):
                self._start_training()
            await asyncio.sleep(0.2)
        return "duration"

    # ---- start

    async def _start(self) -> None:
        children = self._children()
        base = [child for child in children if child.name in BASE]
        self._tell(f"starting {', '.join(BASE)} ...")
        await self._supervisor.start(base, READY_S)
        self._tell("starting operator (deploys the contract) ...")
        await self._supervisor.start([child for child in children if child.name == "operator"], READY_S)
        buildings = [child for child in children if child.name.startswith("building-")]
        days = self._scenario.history.backfill_days
        self._tell(f"starting {len(buildings)} buildings (on first start each writes {days} days of history) ...")
        await self._supervisor.start(buildings, READY_S)

    def _children(self) -> list[Child]:
        hub, chain = self._scenario.hub.url, self._scenario.chain.rpc_url
        superlink = addresses(self._scenario)["learning.superlink"]
        flower = flower_environment(self._home.flwr)
        page = {"MICROGRID_HUB_URL": hub}
        fixed = [
            Child("chain", self._command("chain"), _http(f"{chain}/healthz")),
            Child("hub", self._command("hub"), _http(f"{hub}/healthz")),
            Child("superlink", self._command("superlink"), _tcp(*superlink), flower),
            Child("dashboard", self._command("dashboard"), _http(f"{self._page()}/_stcore/health"), page),
            Child("operator", self._command("operator"), _http(f"{hub}/api/market")),
        ]
        return fixed + [
            Child(f"building-{b.id}", self._command("building", "--id", b.id), _live(hub, b))
            for b in self._scenario.building
        ]

    def _command(self, *arguments: str) -> list[str]:
        where = ["--home", str(self._home.folder), "--scenario", str(self._home.scenario_file)]
        return [sys.executable, "-m", "cli.main", *arguments, *where]

    def _page(self) -> str:
        return f"http://{self._scenario.dashboard.host}:{self._scenario.dashboard.port}"

    async def _unless_interrupted(self, work: Awaitable[None]) -> bool:
        """Whether `work` was done before an interruption, which cancels it."""
        task = asyncio.ensure_future(work)
        stop = asyncio.create_task(self._interrupted.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not task.done():
            task.cancel()
            return False
        task.result()
        return True

    # ---- learning

    def _start_training(self) -> None:
        if self._training is None or self._training.done():
            self._training = asyncio.create_task(self._train())

    async def _train(self) -> None:
        self._tell(f"federated training: {self._scenario.learning.rounds} rounds")
        try:
            result = await asyncio.to_thread(
                train, self._scenario, self._home, self._tell_round, stopping=self._stopping
            )
            completed, words = result.completed, result.status
        except MicrogridError as error:
            completed, words = False, str(error)
        if not self._stopping.is_set():
            self._failed_runs += not completed
            self._tell(f"federated training: {words}")

    def _tell_round(self, report: RoundReport) -> None:
        gone = f", left out: {', '.join(d.building_id for d in report.dropped)}" if report.dropped else ""
        self._tell(
            f"federated round {report.round} of {report.of_rounds}: {len(report.participants)} buildings, "
            f"loss {report.loss_text}{gone}"
        )

    # ---- stop

    async def _wind_down(self, reason: str) -> dict[str, Any]:
        """First the SuperLink, so that no half round is reported; then the buildings, so that their last readings
        arrive; then the operator; the books are audited while hub and chain still run."""
        self._tell("stopping ...")
        self._stopping.set()
        names = [child.name for child in self._supervisor.children]
        await self._supervisor.stop(["superlink"])
        await self._supervisor.stop([name for name in names if name.startswith("building-")])
        await self._supervisor.stop(["operator"])
        figures = await self._figures() if reason != "failed" else {}
        await self._supervisor.stop()
        restarts = sum(child.restarts for child in self._supervisor.children)
        return {**figures, "failed_runs": self._failed_runs, "restarts": restarts, "exit_reason": reason}

    async def _figures(self) -> dict[str, Any]:
        try:
            return await asyncio.to_thread(collect, self._scenario, self._home)
        except MicrogridError as error:
            self._tell(f"no summary: {error}")
            return {}

    def _conclude(self, summary: dict[str, Any]) -> bool:
        if self._options.summary is not None:
            write_atomically(self._options.summary.absolute(), (json.dumps(summary, indent=1) + "\n").encode())
        for key, value in summary.items():
            self._tell(f"{key:>26}  {value}")
        if "money_balance" not in summary:
            return bool(summary["exit_reason"] == "interrupted")
        faults = [summary[key] for key in ("readings_lost", "energy_balance_wh", "money_balance", "failed_runs")]
        return not any(faults) and bool(summary["trades_in_hub_equal_chain"])

    # ---- heart-beat

    async def _beat(self) -> None:
        while True:
            self._write_state("running")
            await asyncio.sleep(TICK_S)

    def _write_state(self, state: str) -> None:
        processes = {
            child.name: {
                "pid": child.process.pid if child.process else None,
                "running": child.running,
                "restarts": child.restarts,
            }
            for child in self._supervisor.children
        }
        urls = {"dashboard": self._page(), "hub": self._scenario.hub.url, "chain": self._scenario.chain.rpc_url}
        self._home.write_state({"pid": os.getpid(), "state": state, "urls": urls, "processes": processes})


def _http(url: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return await _get(url) is not None

    return ready


def _live(hub: str, building: BuildingConfig) -> Callable[[], Awaitable[bool]]:
    """Ready when it has reported; a building with a live meter when it has joined, for its meter may be silent."""

    async def ready() -> bool:
        answer = await _get(f"{hub}/api/buildings/{building.id}")
        if answer is None:
            return False
        state = answer.json()
        return bool(state["status"] == "live" or (building.meter is not None and state["owner"] is not None))

    return ready


def _tcp(host: str, port: int) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        writer.close()
        return True

    return ready


async def _get(url: str) -> httpx.Response | None:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=3.0) as http:
            answer = await http.get(url)
    except httpx.TransportError:
        return None
    return answer if answer.status_code == 200 else None


def _open_browser(url: str) -> None:
    webbrowser.open(url)
