"""Looking after a community: stop it, show it, read its logs, train, measure."""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.table import Table

from cli.home import Home, HomeError, running_pid
from cli.scenario import Scenario
from contracts.hub_client import HubClient, HubError
from fl_server.report import RoundReport

if TYPE_CHECKING:
    from cli.training import Start

PROJECT = Path(__file__).parents[1]
STOP_S = 120.0
console = Console()


def stop_community(home: Home) -> str:
    """Stop the `up` of a home and wait. Raises HomeError when it does not stop."""
    pid = running_pid(home)
    if pid is None:
        return f"{home.folder}: nothing is running here"
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while running_pid(home) is not None:
        if time.monotonic() > deadline:
            raise HomeError(f"process {pid} did not stop within {STOP_S:.0f} s; see {home.logs}")
        time.sleep(0.3)
    return "stopped"


def print_status(home: Home) -> None:
    """A table of the processes, then what the hub knows."""
    state = home.state()
    if not state:
        raise HomeError(f"{home.folder}: no community yet; start one with ./microgrid up")
    alive = running_pid(home) is not None
    table = Table("process", "pid", "state", "restarts", title=f"{home.folder} ({'running' if alive else 'stopped'})")
    for name, process in state["processes"].items():
        runs = alive and process["running"]
        table.add_row(
            name, str(process["pid"]) if runs else "-", "running" if runs else "stopped", str(process["restarts"])
        )
    console.print(table)
    if not alive:
        return
    for name, url in state["urls"].items():
        console.print(f"{name:>10}  {url}")
    _print_hub(state["urls"]["hub"])


def _print_hub(url: str) -> None:
    try:
        summary = HubClient(url).get("/api/summary")
    except HubError as error:
        console.print(str(error))
        return
    for key in ("buildings_reporting", "readings_received", "federated_rounds", "slots_settled"):
        console.print(f"{key.replace('_', ' '):>20}  {summary[key]}")
    console.print(f"{'trades':>20}  {summary['trades']} (with the utility's)")


def print_logs(home: Home, name: str | None, follow: bool) -> None:
    """The last lines of one log or of all, and new ones while they come."""
    files = sorted(home.logs.glob("*.log"))
    if name is not None:
        files = [file for file in files if file.stem == name]
    if not files:
        known = ", ".join(file.stem for file in sorted(home.logs.glob("*.log"))) or "none yet: ./microgrid up"
        raise HomeError(f"no log {name or ''} in {home.logs}; there are: {known}")
    ends = {file: _print_tail(file, len(files) > 1) for file in files}
    while follow:
        time.sleep(0.5)
        for file, end in ends.items():
            ends[file] = _print_new(file, end, len(files) > 1)


def _print_tail(file: Path, prefix: bool) -> int:
    lines = file.read_text(errors="replace").splitlines()[-40:]
    for line in lines:
        print(f"{file.stem} | {line}" if prefix else line)
    return file.stat().st_size


def _print_new(file: Path, start: int, prefix: bool) -> int:
    with file.open("rb") as stream:
        stream.seek(start)
        new = stream.read().decode(errors="replace")
    for line in new.splitlines():
        print(f"{file.stem} | {line}" if prefix else line, flush=True)
    return start + len(new.encode())


def train_with_progress(home: Home, scenario: Scenario, start: Start) -> bool:
    """One federated run with a progress bar; True when it completed."""
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from cli.training import train

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("federated rounds", total=scenario.learning.rounds)

        def advance(report: RoundReport) -> None:
            progress.console.print(
                f"round {report.round}: {len(report.participants)} buildings, {report.num_examples} windows, "
                f"loss {report.loss_text}"
            )
            progress.advance(task)

        result = train(scenario, home, advance, start)
    console.print(f"run {result.run_id}: {result.status}")
    return result.completed


def run_flwr(arguments: Sequence[str], home: Home, scenario: Scenario) -> int:
    """Flower's command line with this home's connection; from the project's root, where the app is.

    `run` gets the scenario's learning settings, hub and checkpoint, as `train` does; what is given by hand wins.
    """
    from cli.training import run_overrides
    from fl_server.run import flower_environment, program, run_settings

    own = ["--run-config", run_settings(run_overrides(scenario, home))] if arguments[:1] == ["run"] else []
    command = [program("flwr"), *arguments[:1], *own, *arguments[1:]]
    environment = {**os.environ, **flower_environment(home.flwr)}
    return subprocess.run(command, env=environment, cwd=PROJECT, check=False).returncode


def run_bench(name: str | None, json_file: str | None, options: Mapping[str, object]) -> None:
    """Run one benchmark with those options that are given, or list them."""
    known = sorted(path.stem for path in (PROJECT / "benchmarks").glob("[a-z]*.py"))
    if name is None:
        console.print("benchmarks: " + ", ".join(known))
        return
    if name not in known:
        raise HomeError(f"no benchmark {name!r}; there are: {', '.join(known)}")
    main = importlib.import_module(f"benchmarks.{name}").main
    given = {key: value for key, value in options.items() if value is not None}
    foreign = given.keys() - inspect.signature(main).parameters.keys()
    if foreign:
        raise HomeError(f"bench {name} has no option --{min(foreign)}")
    main(json_file, **given)


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Turn this process into another program."""
    os.execvpe(command[0], list(command), {**os.environ, **environment})
