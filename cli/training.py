"""Federated runs as the command line starts them: by hand, after start-up, and each simulated night."""

from __future__ import annotations

import fcntl
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from building_clients.settings import SMALLEST
from cli.home import Home
from cli.scenario import Scenario
from contracts.hub_client import HubClient, HubError
from fl_server.checkpoint import Checkpoint, CheckpointError, last_checkpoint
from fl_server.report import RoundReport
from fl_server.run import FINISHED, FederationError, RunResult, end_run, run_status, start_run, write_flwr_config

log = logging.getLogger(__name__)

PROJECT = Path(__file__).parents[1]
POLL_S = 1.0
STATUS_S = 10.0
"""To ask Flower for a run's status starts a process; before the last round that is done only so often."""
RESUMES = 3
STALL_S = 120.0
LOST = "lost: "
"""How the status of a run begins that was still going when it was last seen."""
RESTART_S = 90.0
Start = Literal["last", "resume", "fresh"]
"""From the model of the last run, in the middle of an interrupted one, or from new weights."""


def train(
    scenario: Scenario,
    home: Home,
    on_round: Callable[[RoundReport], None],
    start: Start = "last",
    stopping: threading.Event | None = None,
) -> RunResult:
    """Run to the last round and wait for its end; `on_round` sees each report of the hub. Raises FederationError.

    A run whose SuperLink or server dies is resumed from its last checkpoint, at most RESUMES times. Raises
    CheckpointError before anything starts when the last checkpoint cannot be used; a fresh start needs none.
    Who is about to stop the SuperLink sets `stopping` first: the run is then left to it, with a FederationError.
    """
    stopping = stopping or threading.Event()
    write_flwr_config(home.flwr, scenario.learning.superlink)
    with _claimed(home.federation):
        if start != "fresh":
            _last(scenario, home)
        result = _one_run(scenario, home, on_round, start, stopping)
        for _ in range(RESUMES):
            if result.completed or not _worth_resuming(scenario, home, result.run_id):
                break
            _make_way(scenario, home, result, stopping)
            result = _one_run(scenario, home, on_round, "resume", stopping)
        if result.status.startswith(LOST):
            with suppress(FederationError):
                end_run(home.flwr, result.run_id)
            raise FederationError(result.status.removeprefix(LOST))
    return result


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold the federation while the block runs. Raises FederationError when another `train` or night has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "train.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FederationError(f"{folder}: a training run is under way here already; try again after it") from error
        yield


def _one_run(
    scenario: Scenario,
    home: Home,
    on_round: Callable[[RoundReport], None],
    start: Start,
    stopping: threading.Event,
) -> RunResult:
    """A run to its end, or until it is lost from sight. Raises FederationError when it does not start or is stopped."""
    _pause(stopping, 0.0)
    run_id = start_run(PROJECT, home.flwr, run_overrides(scenario, home, start))
    try:
        return _followed(scenario, home, on_round, run_id, stopping)
    except FederationError as error:
        _pause(stopping, POLL_S)  # a Ctrl-C ends `flwr` too, maybe a moment before it is told here
        return RunResult(run_id=run_id, status=f"{LOST}{error}")


def _followed(
    scenario: Scenario,
    home: Home,
    on_round: Callable[[RoundReport], None],
    run_id: str,
    stopping: threading.Event,
) -> RunResult:
    patience_s = scenario.learning.longest_round_s + STALL_S
    deadline, seen, asked = time.monotonic() + patience_s, 0, time.monotonic()
    reports: list[RoundReport] = []
    with closing(HubClient(scenario.hub.url)) as hub:
        while time.monotonic() < deadline:
            status, due = "", asked + STATUS_S <= time.monotonic()
            if due or (reports and reports[-1].round >= scenario.learning.rounds):
                status, asked = run_status(home.flwr, run_id), time.monotonic()
            reports = _reports(hub, run_id)
            for report in reports[seen:]:
                on_round(report)
                deadline = time.monotonic() + patience_s
            seen = max(seen, len(reports))
            if status.startswith(FINISHED):
                return RunResult(run_id=run_id, status=status)
            _pause(stopping, POLL_S)
    raise FederationError(f"run {run_id}: no round in {patience_s:.0f} s; see ./microgrid logs superlink")


def _last(scenario: Scenario, home: Home) -> Checkpoint | None:
    """The last run's checkpoint, or None. Raises CheckpointError when these settings cannot go on from it."""
    return last_checkpoint(home.federation, scenario.learning, 24 * 60 // scenario.clock.slot_minutes)


def _worth_resuming(scenario: Scenario, home: Home, run_id: str) -> bool:
    """Whether the run that ended left something of its own to go on from."""
    try:
        known = _last(scenario, home)
    except CheckpointError:
        return False  # an older one, which a fresh run has not replaced yet
    return known is not None and known.run_id == run_id and not known.ended


def _make_way(scenario: Scenario, home: Home, ended: RunResult, stopping: threading.Event) -> None:
    """For a run that goes on where `ended` was. Raises FederationError when there can be none."""
    _pause(stopping, 0.0)
    log.warning("the run has ended early (%s); resuming from its last round", ended.status)
    _wait_for(scenario.learning.superlink, stopping)
    end_run(home.flwr, ended.run_id)  # never two that write one checkpoint


def _pause(stopping: threading.Event, seconds: float) -> None:
    """Raises FederationError as soon as `stopping` is set."""
    if stopping.wait(seconds):
        raise FederationError("stopped with the community")


def _wait_for(address: str, stopping: threading.Event) -> None:
    """Until the SuperLink takes connections again. Raises FederationError after RESTART_S or when stopped."""
    host, port = address.rsplit(":", 1)
    deadline = time.monotonic() + RESTART_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            _pause(stopping, POLL_S)
        else:
            return
    raise FederationError(f"no SuperLink at {address} in {RESTART_S:.0f} s; see ./microgrid logs superlink")


def run_overrides(scenario: Scenario, home: Home, start: Start = "last") -> dict[str, str | int | float]:
    """The scenario's learning settings under the names of Flower's run configuration."""
    learning = scenario.learning
    values: dict[str, str | int | float] = {
        name.replace("_", "-"): value
        for name, value in learning.model_dump().items()
        if name not in ("superlink", "night_hour")
    }
    wanted = max(min(learning.min_available_nodes, len(scenario.building)), SMALLEST * learning.secure_aggregation)
    return values | {
        "min-available-nodes": wanted,
        "slot-minutes": scenario.clock.slot_minutes,
        "hub-url": scenario.hub.url,
        "checkpoint-dir": str(home.federation.resolve()),
        "start": start,
    }


def _reports(hub: HubClient, run_id: str) -> list[RoundReport]:
    try:
        known = [RoundReport.model_validate(report) for report in hub.get("/api/rounds")]
        return [report for report in known if report.run_id == run_id]
    except HubError:
        return []


class Nights:
    """Tells once per simulated night that it is time to train."""

    def __init__(self, scenario: Scenario, now: datetime) -> None:
        self._zone = ZoneInfo(scenario.site.timezone)
        self._hour = scenario.learning.night_hour
        self._last = self._night_of(now)

    def due(self, now: datetime) -> bool:
        """Whether a new night's hour has been passed since the last call."""
        night = self._night_of(now)
        new, self._last = night > self._last, night
        return new

    def _night_of(self, now: datetime) -> int:
        local = now.astimezone(self._zone)
        return local.toordinal() - (local.hour < self._hour)
