"""The home folder of a community: scenario, clock, state of its processes; one `up` at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cli.scenario import Scenario, dump_scenario, load_scenario
from simulation.clock import SimClock
from simulation.errors import MicrogridError
from simulation.files import write_atomically

LIVE_SECTIONS = {"clock", "learning", "hub", "dashboard", "chain"}
"""Sections that may change between two `up` on the same home; the others are what its data rests on."""


class HomeError(MicrogridError):
    """The home folder cannot be used; the text names the file and the fix. Nothing in it was changed."""


class Home:
    """Paths and files of one community."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.scenario_file = self.folder / "scenario.toml"
        self.clock_file = self.folder / "clock.json"
        self.state_file = self.folder / "state.json"
        self.logs = self.folder / "logs"
        self.flwr = self.folder / "flwr"
        self.federation = self.folder / "federation"

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the home while the block runs. Raises HomeError when another `up` has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                pid = self.state().get("pid", "unknown")
                raise HomeError(
                    f"{self.folder}: a community is running here already (process {pid}); "
                    "stop it with ./microgrid down, or use another --home"
                ) from error
            yield

    def prepare(self, scenario: Scenario) -> SimClock:
        """Write scenario and clock for the processes; on a known home simulated time goes on where it stopped."""
        self._check_same_community(scenario)
        clock = self._next_clock(scenario)
        self.logs.mkdir(exist_ok=True)
        write_atomically(self.folder / ".gitignore", b"*\n")  # a home inside the project is none of its files
        write_atomically(self.scenario_file, dump_scenario(scenario).encode())
        write_atomically(self.clock_file, clock.model_dump_json().encode())
        return clock

    def clock(self) -> SimClock:
        """The community's clock. Raises HomeError when the file is missing or damaged."""
        if not self.clock_file.exists():
            raise HomeError(f"{self.clock_file}: there is no clock yet; start the community with ./microgrid up")
        try:
            return SimClock.model_validate_json(self.clock_file.read_bytes())
        except ValidationError as error:
            raise HomeError(
                f"{self.clock_file}: damaged; restore it from a backup, or remove it to start the clock anew"
            ) from error

    def state(self) -> dict[str, Any]:
        """What the last `up` wrote about its processes; empty before the first. Raises HomeError when damaged."""
        try:
            return dict(json.loads(self.state_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (ValueError, OSError) as error:
            raise HomeError(f"{self.state_file}: damaged; remove it, it is made anew by ./microgrid up") from error

    def write_state(self, state: dict[str, Any]) -> None:
        """Replace the state; its time of change is the heart-beat of `up`."""
        write_atomically(self.state_file, json.dumps(state, indent=1).encode())

    def _next_clock(self, scenario: Scenario) -> SimClock:
        start, now = scenario.clock.start, datetime.now(UTC)
        if self.clock_file.exists() and self.state():
            stopped = datetime.fromtimestamp(self.state_file.stat().st_mtime, UTC)
            start = max(start, self.clock().at(stopped))
        return SimClock(
            start=start, wall_start=now, speed=scenario.clock.speed, slot_minutes=scenario.clock.slot_minutes
        )

    def _check_same_community(self, scenario: Scenario) -> None:
        if not self.scenario_file.exists():
            return
        known = load_scenario(self.scenario_file).model_dump(exclude=LIVE_SECTIONS)
        wanted = scenario.model_dump(exclude=LIVE_SECTIONS)
        changed = sorted(section for section in wanted if wanted[section] != known[section])
        if changed:
            raise HomeError(
                f"{self.folder}: holds a community with another [{changed[0]}]; use a new --home for this scenario, "
                f"or remove {self.folder} to start anew"
            )


def running_pid(home: Home) -> int | None:
    """Process of the `up` that holds the home; None when none does."""
    if not home.folder.exists():
        return None
    try:
        with home.claim():
            return None
    except HomeError:
        pid = home.state().get("pid")
        return int(pid) if pid is not None and _alive(int(pid)) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
