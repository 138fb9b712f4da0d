"""The supervisor with real processes: readiness, restart, giving up, stopping, and no orphans."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cli import supervisor as module
from cli.supervisor import Child, Supervisor, UpError

ROOT = Path(__file__).parents[2]
SLEEPER = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
BROKEN = [sys.executable, "-c", "import sys; print('the cause'); sys.exit(3)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)",
]


def says_here(logs: Path, name: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        path = logs / f"{name}.log"
        return path.exists() and "here" in path.read_text()

    return ready


def child(logs: Path, name: str, command: list[str]) -> Child:
    return Child(name, command, says_here(logs, name))


def test_restart_after_a_crash_and_stop(tmp_path: Path) -> None:
    told: list[str] = []

    async def story() -> None:
        supervisor = Supervisor(tmp_path, told.append)
        one = child(tmp_path, "one", SLEEPER)
        await supervisor.start([one], 20)
        assert one.process is not None
        first = one.process.pid
        os.kill(first, signal.SIGKILL)
        while one.restarts == 0 or one.process.pid == first:
            await asyncio.sleep(0.05)
        await supervisor.stop()
        assert not one.running
        assert one.restarts == 1

    asyncio.run(asyncio.wait_for(story(), 60))
    assert told == ["one ended (exit code -9); it is started again"]


def test_a_process_that_keeps_crashing_is_given_up_with_its_words(tmp_path: Path) -> None:
    async def story() -> None:
        supervisor = Supervisor(tmp_path, lambda _: None)
        try:
            await supervisor.start([child(tmp_path, "broken", BROKEN)], 40)
        finally:
            await supervisor.stop()

    with pytest.raises(UpError, match=r"broken ended 4 times in a row \(exit code 3\)[\s\S]*broken \| the cause"):
        asyncio.run(asyncio.wait_for(story(), 60))


def test_a_stubborn_process_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.5)
    told: list[str] = []

    async def story() -> None:
        supervisor = Supervisor(tmp_path, told.append)
        stubborn = child(tmp_path, "stubborn", STUBBORN)
        await supervisor.start([stubborn], 20)
        await supervisor.stop()
        assert not stubborn.running

    asyncio.run(asyncio.wait_for(story(), 60))
    assert told == ["stubborn did not stop within 0 s and is killed"]


PARENT = """
import asyncio, sys; from pathlib import Path
from tests.cli.test_supervisor import SLEEPER, child; from cli.supervisor import Supervisor
async def story():
    supervisor = Supervisor(Path(sys.argv[1]), print)
    one = child(Path(sys.argv[1]), "one", SLEEPER)
    await supervisor.start([one], 20)
    print(one.process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(story())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)
