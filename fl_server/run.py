"""Starting Flower's processes and runs: command lines, environment, and waiting for a run's end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel

from simulation.errors import MicrogridError

CONNECTION = "microgrid"
EAGER_SUPERNODE = Path(__file__).with_name("eager_supernode.py")
POLL_S = 2.0
FLWR_S = 120.0
TASK_POLL_S = "0.1"
"""How often Flower looks for work that it has been given; its own default is 1 s."""
FINISHED = "finished:"


class FederationError(MicrogridError):
    """A run could not be started or did not succeed; the text says why."""


class RunResult(BaseModel, frozen=True):
    """How a run ended."""

    run_id: str
    """Flower's id of the run."""
    status: str
    """Flower's status, such as `finished:completed`."""

    @property
    def completed(self) -> bool:
        """Whether all rounds were done."""
        return self.status == "finished:completed"


def program(name: str) -> str:
    """A console script of this Python environment."""
    return str(Path(sys.executable).parent / name)


def flower_environment(flwr_home: Path) -> dict[str, str]:
    """Flower without telemetry, update checks, and installing at run time; its files under `flwr_home`."""
    return {
        "FLWR_HOME": str(flwr_home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": TASK_POLL_S,
        "PYTHONDONTWRITEBYTECODE": "",  # every message starts a process: it must not compile the app again
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def superlink_command(address: str, folder: Path) -> list[str]:
    """The SuperLink at `address` (host:port), with its state in `folder`."""
    host, port = address.rsplit(":", 1)
    options = ["--insecure", "--host", host, "--port", port, "--database", str(folder / "superlink.sqlite3")]
    return [program("flower-superlink"), *options]


def supernode_command(address: str, building_id: str, socket: Path, port: int) -> list[str]:
    """A building's SuperNode: its ClientApp finds the building's process through `socket`."""
    facts = f'building-id="{building_id}" socket="{socket}"'
    options = ["--insecure", "--superlink", address, "--port", str(port), "--node-config", facts]
    isolation = "process" if sys.platform == "linux" else "subprocess"  # elsewhere, to fork is not safe
    return [sys.executable, "-P", str(EAGER_SUPERNODE), *options, "--isolation", isolation]


def write_flwr_config(flwr_home: Path, address: str) -> None:
    """Make the SuperLink at `address` the default connection of `flwr` commands with this FLWR_HOME."""
    flwr_home.mkdir(parents=True, exist_ok=True)
    connections = {"default": CONNECTION, CONNECTION: {"address": address, "insecure": True}}
    (flwr_home / "config.toml").write_text(tomli_w.dumps({"superlink": connections}), encoding="utf-8")


def start_run(project: Path, flwr_home: Path, overrides: Mapping[str, str | int | float]) -> str:
    """Submit a run of the app in `project`; returns its id. Raises FederationError."""
    settings = ["--run-config", run_settings(overrides)]
    answer = _flwr(flwr_home, "run", str(project), CONNECTION, "--format", "json", *settings)
    if not answer.get("success", True) or "run-id" not in answer:
        raise FederationError(f"the SuperLink did not take the run: {_reason(answer)}")
    return str(answer["run-id"])


def run_settings(overrides: Mapping[str, str | int | float]) -> str:
    """Overrides of the run configuration as Flower's command line wants them."""
    return " ".join(f"{key}={json.dumps(value)}" for key, value in overrides.items())


def wait_for_run(flwr_home: Path, run_id: str, timeout_s: float) -> RunResult:
    """Poll until the run is over. Raises FederationError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        status = run_status(flwr_home, run_id)
        if status.startswith(FINISHED):
            return RunResult(run_id=run_id, status=status)
        time.sleep(POLL_S)
    raise FederationError(f"run {run_id} is not over after {timeout_s:.0f} s; see ./microgrid logs superlink")


def run_status(flwr_home: Path, run_id: str) -> str:
    """Flower's status of a run. Raises FederationError."""
    answer = _flwr(flwr_home, "list", CONNECTION, "--run-id", run_id, "--format", "json")
    if not answer.get("runs"):
        why = _reason(answer) if "error-message" in answer else f"the SuperLink knows no run {run_id}"
        raise FederationError(why)
    return str(answer["runs"][0]["status"])


def end_run(flwr_home: Path, run_id: str) -> None:
    """Stop a run, if it is not over. Raises FederationError when that is not certain."""
    answer = _flwr(flwr_home, "stop", run_id, CONNECTION, "--format", "json")
    if not answer.get("success") and not run_status(flwr_home, run_id).startswith(FINISHED):
        raise FederationError(f"run {run_id} cannot be stopped: {_reason(answer)}; restart the SuperLink")


def _reason(answer: Mapping[str, Any]) -> str:
    """The last line of what Flower says went wrong; those before only repeat the request."""
    return str(answer.get("error-message") or answer).strip().splitlines()[-1]


def _flwr(flwr_home: Path, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, **flower_environment(flwr_home)}
    try:
        done = subprocess.run(
            [program("flwr"), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=FLWR_S
        )
    except subprocess.TimeoutExpired as error:
        raise FederationError(f"flwr {arguments[0]} gave no answer in {FLWR_S:.0f} s; is the SuperLink up?") from error
    start = done.stdout.find("{")
    try:
        return dict(json.loads(done.stdout[start:]))
    except ValueError as error:
        words = (done.stderr or done.stdout).strip()[-500:]
        raise FederationError(f"flwr {arguments[0]} failed: {words}") from error
