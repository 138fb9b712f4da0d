"""The SuperNode asks often while there is something to ask for, and lives with its SuperExec; real processes."""

import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks._processes import free_port, wait_for_port
from fl_server.eager_supernode import EAGER_S, EAGER_TURNS, EagerTime, Turns, superexec_command
from fl_server.run import EAGER_SUPERNODE, flower_environment, supernode_command

FLOWER_S = 3.0


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def test_long_sleeps_are_short_until_nothing_has_come_for_a_while(slept: list[float]) -> None:
    clock = EagerTime()
    for _ in range(EAGER_TURNS + 2):
        clock.sleep(FLOWER_S)
    assert slept == [EAGER_S] * EAGER_TURNS + [FLOWER_S] * 2


def test_a_message_makes_it_eager_again(slept: list[float]) -> None:
    clock = EagerTime()
    for _ in range(EAGER_TURNS + 1):
        clock.sleep(FLOWER_S)
    clock.sleep(0.1)
    clock.sleep(FLOWER_S)
    assert slept[-3:] == [FLOWER_S, 0.1, EAGER_S]


def test_all_else_is_the_clock() -> None:
    assert EagerTime().monotonic is time.monotonic


def test_flower_sleeps_in_the_loop_that_is_changed() -> None:
    from flwr.supernode import start_client_internal

    assert vars(start_client_internal)["time"] is time
    source = inspect.getsource(start_client_internal.start_client_internal)
    assert f"time.sleep({FLOWER_S:.0f})" in source
    assert "run_id = _pull_and_store_message(\n" in source
    assert "_push_messages(\n" in source


def test_an_answer_that_comes_late_is_not_taken_for_that_to_the_next_message() -> None:
    sent: list[str] = []
    messages = iter(["old", "new"])
    answers = iter(["old", "new", "never asked for"])

    def message(**metadata: str) -> SimpleNamespace:
        return SimpleNamespace(metadata=SimpleNamespace(**metadata))

    def flowers_pull(receive: Callable[[], Any], run: int | None) -> int | None:
        receive()
        return run

    def flowers_push(send: Callable[..., None]) -> None:
        send(message(reply_to_message_id=next(answers)), None, 0.0)

    turns = Turns(flowers_pull, flowers_push)
    received: dict[str, Any] = {"receive": lambda: (message(message_id=next(messages)), None)}
    assert turns.pull(**received, run=None) is None  # the SuperLink died: Flower pushes nothing now
    assert turns.pull(**received, run=7) == 7
    turns.push(send=lambda one, *_: sent.append(one.metadata.reply_to_message_id))
    assert sent == ["old", "new"]


def test_flower_takes_its_executor_from_where_it_is_changed() -> None:
    from flwr.supercore.superexec import run_superexec

    assert "executor = get_executor(" in inspect.getsource(run_superexec.run_superexec)
    assert hasattr(run_superexec, "get_executor")


def test_it_takes_the_options_of_flower() -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(EAGER_SUPERNODE), "--help"], capture_output=True, text=True, check=True
    )
    assert "--superlink" in done.stdout
    assert "another loop" not in done.stderr


def test_flowers_own_superexec_is_kept_where_forking_is_not_safe() -> None:
    assert superexec_command(["--insecure", "--port", "9001", "--isolation", "subprocess"]) is None
    command = superexec_command(["--insecure", "--port", "9001", "--isolation", "process"])
    assert command is not None
    assert command[command.index("--runtime-api-address") + 1] == "127.0.0.1:9001"


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
def test_without_its_superexec_it_ends_and_can_be_started_again(tmp_path: Path) -> None:
    port = free_port()
    command = supernode_command(f"127.0.0.1:{free_port()}", "B1", tmp_path / "t.sock", port)
    environment = {**os.environ, **flower_environment(tmp_path / "flwr")}
    with (tmp_path / "log").open("wb") as log:
        node = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for_port(f"127.0.0.1:{port}")
        (superexec,) = children(node.pid)
        assert "forking_superexec" in Path(f"/proc/{superexec}/cmdline").read_text()
        os.kill(superexec, signal.SIGKILL)
        node.wait(20)
    finally:
        node.kill()
        node.wait()
