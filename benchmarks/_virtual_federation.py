"""Rounds of Flower's own simulation with many virtual buildings: each is simulated, trains, and is forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from benchmarks._processes import PeakMemory, Processes, free_port, wait_for_port
from fl_server.report import RoundReport
from fl_server.run import CONNECTION, flower_environment, program, start_run, superlink_command, wait_for_run
from fl_server.run import write_flwr_config as write_config

PROJECT = Path(__file__).parents[1]
ROUNDS = 2
LOCAL_STEPS = 10
LIMIT_S = 3600
FEDERATION = "@none/default"


@dataclass(frozen=True)
class VirtualRun:
    """What rounds of so many virtual buildings took."""

    buildings: int
    """Virtual buildings [1]"""
    round_s: float
    """Wall time of the last round [s]"""
    peak_mb: float
    """Largest resident memory of SuperLink, simulation and all workers together [MB]"""
    trained: int
    """Buildings whose update was averaged in the last round [1]"""


def virtual_run(buildings: int, tick: Callable[[str], None]) -> VirtualRun:
    """A simulation of ROUNDS rounds."""
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as name, _Sink(tick) as sink:
        folder = Path(name)
        address, home = f"127.0.0.1:{free_port()}", folder / "flwr"
        write_config(home, address)
        environment = flower_environment(home)
        with Processes(folder) as processes:
            command = [*superlink_command(address, folder), "--simulation"]
            pid = processes.start("superlink", command, {**environment, "PYTHONPATH": str(PROJECT)})
            wait_for_port(address)
            _set_size(environment, buildings)
            with PeakMemory(pid) as memory:
                run_id = start_run(PROJECT, home, _overrides(buildings, sink.url))
                result = wait_for_run(home, run_id, LIMIT_S)
            if not result.completed:
                raise RuntimeError((folder / "superlink.log").read_text(errors="replace")[-2000:])
    last = sink.reports[-1]
    return VirtualRun(buildings, last.seconds, memory.peak_mb, len(last.participants))


def _set_size(environment: dict[str, str], buildings: int) -> None:
    command = [program("flwr"), "federation", "simulation-config", FEDERATION, CONNECTION]
    command += ["--num-supernodes", str(buildings), "--client-resources-num-cpus", "1"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"flwr did not take the number of virtual buildings: {done.stdout}{done.stderr}")


def _overrides(buildings: int, hub_url: str) -> dict[str, str | int | float]:
    return {
        "rounds": ROUNDS,
        "local-steps": LOCAL_STEPS,
        "min-available-nodes": buildings,
        "round-timeout-seconds": LIMIT_S,
        "hub-url": hub_url,
    }


class _Sink:
    """Takes the server's reports in place of a hub."""

    def __init__(self, tick: Callable[[str], None]) -> None:
        self.reports: list[RoundReport] = []
        """In the order of their arrival."""
        self._server = HTTPServer(("127.0.0.1", 0), self._handler(tick))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        """Where it listens."""
        self._thread = threading.Thread(target=self._server.serve_forever)

    def _handler(self, tick: Callable[[str], None]) -> type[BaseHTTPRequestHandler]:
        reports = self.reports

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name that http.server asks for
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/api/rounds":
                    reports.append(RoundReport.model_validate(json.loads(body)))
                    tick(f"round {reports[-1].round} of {ROUNDS}, {len(reports[-1].participants)} buildings")
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        return Handler

    def __enter__(self) -> _Sink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
