"""Federated runs as the command line starts them: by hand, after start-up, and each simulated night."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cli.home import Home
from cli.scenario import Scenario
from contracts.hub_client import HubClient, HubError
from fl_server.report import RoundReport
from fl_server.run import FederationError, RunResult, run_status, start_run, write_flwr_config

PROJECT = Path(__file__).parents[1]
POLL_S = 2.0


def train(scenario: Scenario, home: Home, on_round: Callable[[RoundReport], None]) -> RunResult:
    """Start one run and wait for its end; `on_round` sees each report of the hub. Raises FederationError."""
    learning = scenario.learning
    write_flwr_config(home.flwr, learning.superlink)
    run_id = start_run(PROJECT, home.flwr, run_overrides(scenario))
    limit_s = learning.node_wait_seconds + learning.rounds * (learning.round_timeout_seconds + 60) + 120
    deadline, seen = time.monotonic() + limit_s, 0
    with closing(HubClient(scenario.hub.url)) as hub:
        while time.monotonic() < deadline:
            status = run_status(home.flwr, run_id)
            reports = _reports(hub, run_id)
            for report in reports[seen:]:
                on_round(report)
            seen = len(reports)
            if status.startswith("finished"):
                return RunResult(run_id=run_id, status=status)
            time.sleep(POLL_S)
    raise FederationError(f"run {run_id} is not over after {limit_s} s; see ./microgrid logs superlink")


def run_overrides(scenario: Scenario) -> dict[str, str | int | float]:
    """The scenario's learning settings under the names of Flower's run configuration."""
    values: dict[str, str | int | float] = {
        name.replace("_", "-"): value
        for name, value in scenario.learning.model_dump().items()
        if name not in ("superlink", "night_hour")
    }
    wanted = min(scenario.learning.min_available_nodes, len(scenario.building))
    return values | {
        "min-available-nodes": wanted,
        "slot-minutes": scenario.clock.slot_minutes,
        "hub-url": scenario.hub.url,
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
