"""Real processes for a benchmark: started together, measured, ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

GRACE_S = 20.0
SAMPLE_S = 0.5


class Processes:
    """Child processes, each in a session of its own with its output in a file; all end with the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Start one; returns its process id."""
        with (self._folder / f"{name}.log").open("wb") as log:
            self._children[name] = subprocess.Popen(
                list(command),
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self._children[name].pid

    def pid(self, name: str) -> int:
        """Process id of one."""
        return self._children[name].pid

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._children.values()):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self._children.values():
            try:
                child.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


class PeakMemory:
    """The largest sum of resident memory of a process and all below it, sampled while the block runs."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        """Largest sum so far [MB]"""
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.peak_mb = max(self.peak_mb, memory_mb(self._pid, below=True))

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def memory_mb(pid: int, below: bool = False) -> float:
    """Resident memory of a process, with `below` of its descendants too [MB]"""
    wanted = _family(pid) if below else {pid}
    return sum(size for one, _, size in _processes() if one in wanted) / 1024


def _family(pid: int) -> set[int]:
    """A process and all below it."""
    rows, wanted = _processes(), {pid}
    while more := {child for child, parent, _ in rows if parent in wanted} - wanted:
        wanted |= more
    return wanted


def _processes() -> list[tuple[int, int, int]]:
    """Id, parent and resident memory [kB] of every process."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    return [(int(pid), int(parent), int(size)) for pid, parent, size in map(str.split, listing.splitlines())]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all below it, as far as they live (Linux) [s]"""
    ticks = 0
    for one in _family(pid):
        fields = Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A TCP port of loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for_port(address: str, timeout_s: float = 60.0) -> None:
    """Until something listens at `address` (host:port). Raises TimeoutError."""
    host, port = address.rsplit(":", 1)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens at {address} after {timeout_s:.0f} s") from error
        time.sleep(SAMPLE_S)
