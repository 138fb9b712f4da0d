"""The child is restarted when it ends and never outlives its parent. A real process stands in for Flower's."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from building_clients import supernode
from building_clients.supernode import SuperNode

WRITE_PID_AND_SLEEP = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "condition not met within 20 s"
        time.sleep(0.05)


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_restart_and_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supernode, "RESTART_S", 0.1)
    file = tmp_path / "pids"
    node = SuperNode([sys.executable, "-c", WRITE_PID_AND_SLEEP, str(file)], {}, tmp_path / "log")
    thread = threading.Thread(target=node.run)
    thread.start()
    eventually(lambda: len(pids(file)) == 1)
    os.kill(pids(file)[0], signal.SIGKILL)
    eventually(lambda: len(pids(file)) == 2)
    node.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert not any(alive(pid) for pid in pids(file))


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    code = (
        "import sys; from pathlib import Path; from building_clients.supernode import SuperNode\n"
        f"command = [sys.executable, '-c', {WRITE_PID_AND_SLEEP!r}, {str(file)!r}]\n"
        f"SuperNode(command, {{}}, Path({str(tmp_path / 'log')!r})).run()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    eventually(lambda: len(pids(file)) == 1)
    parent.kill()
    parent.wait()
    eventually(lambda: not alive(pids(file)[0]))
