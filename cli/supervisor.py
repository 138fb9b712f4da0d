"""The supervisor of `up`: starts processes, waits until they are ready, restarts the crashed, stops them all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulation.child_process import die_with_parent
from simulation.errors import MicrogridError

PROJECT = Path(__file__).parents[1]
GRACE_S = 20.0
SHORT_LIFE_S = 30.0
MOST_CRASHES = 4
LAST_LINES = 12

Ready = Callable[[], Awaitable[bool]]
Tell = Callable[[str], None]


class UpError(MicrogridError):
    """The community cannot run; the text names the process and what it said."""


@dataclass
class Child:
    """One supervised process."""

    name: str
    """Unique name; also of its log."""
    command: Sequence[str]
    """Program and arguments."""
    ready: Ready
    """Whether it serves by now."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own."""
    process: asyncio.subprocess.Process | None = None
    """The running process."""
    started: float = 0.0
    """Monotonic time of the last start [s]"""
    restarts: int = 0
    """Restarts after a crash [1]"""
    crashes_in_a_row: int = 0
    """Crashes soon after a start [1]"""

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.returncode is None


class Supervisor:
    """Keeps children alive; `failed` holds the reason when one cannot be kept."""

    def __init__(self, logs: Path, tell: Tell) -> None:
        self._logs = logs
        self._tell = tell
        self._stopping: set[str] = set()
        self._watchers: list[asyncio.Task[None]] = []
        self.children: list[Child] = []
        """In the order of their start."""
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Resolves to the reason when a process keeps crashing."""

    async def start(self, children: Sequence[Child], timeout_s: float) -> None:
        """Start `children` side by side and wait until all are ready. Raises UpError."""
        for child in children:
            self.children.append(child)
            await self._spawn(child)
            self._watchers.append(asyncio.create_task(self._watch(child)))
        deadline = time.monotonic() + timeout_s
        for child in children:
            while not await child.ready():
                if self.failed.done():
                    raise UpError(self.failed.result())
                if time.monotonic() > deadline:
                    raise UpError(f"{child.name} is not ready after {timeout_s:.0f} s\n{self.last_words(child.name)}")
                await asyncio.sleep(0.2)

    async def stop(self, names: Sequence[str] | None = None) -> None:
        """Stop the named children (default: all, the last started first): SIGTERM, then SIGKILL to the group."""
        chosen = [child for child in self.children if names is None or child.name in names]
        self._stopping |= {child.name for child in chosen}
        await asyncio.gather(*(self._stop(child) for child in reversed(chosen)))

    def last_words(self, name: str) -> str:
        """The end of a child's log."""
        path = self.log_of(name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(f"  {name} | {line}" for line in lines[-LAST_LINES:])

    def log_of(self, name: str) -> Path:
        """Where a child's output goes."""
        return self._logs / f"{name}.log"

    async def _spawn(self, child: Child) -> None:
        with self.log_of(child.name).open("ab") as log:
            child.process = await asyncio.create_subprocess_exec(
                *die_with_parent(child.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **child.environment},
                start_new_session=True,
                cwd=PROJECT,
            )
        child.started = time.monotonic()

    async def _watch(self, child: Child) -> None:
        while not self.failed.done():
            assert child.process is not None
            code = await child.process.wait()
            _signal_group(child.process.pid, signal.SIGKILL)
            if child.name in self._stopping or self.failed.done():
                return
            short = time.monotonic() - child.started < SHORT_LIFE_S
            child.crashes_in_a_row = child.crashes_in_a_row + 1 if short else 1
            if child.crashes_in_a_row >= MOST_CRASHES:
                words = self.last_words(child.name)
                self.failed.set_result(f"{child.name} ended {MOST_CRASHES} times in a row (exit code {code})\n{words}")
                return
            self._tell(f"{child.name} ended (exit code {code}); it is started again")
            await asyncio.sleep(0.5 * 2 ** (child.crashes_in_a_row - 1))
            child.restarts += 1
            if child.name not in self._stopping:
                await self._spawn(child)

    async def _stop(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), GRACE_S)
        except TimeoutError:
            self._tell(f"{child.name} did not stop within {GRACE_S:.0f} s and is killed")
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
