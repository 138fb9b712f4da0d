"""The SuperNode asks often while there is something to ask for; Flower's own loop still reads its clock that way."""

import inspect
import subprocess
import sys
import time

import pytest

from fl_server import eager_supernode
from fl_server.eager_supernode import EAGER_S, EAGER_TURNS, EagerTime
from fl_server.run import EAGER_SUPERNODE

FLOWER_S = 3.0


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(eager_supernode.time, "sleep", found.append)
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
    assert f"time.sleep({FLOWER_S:.0f})" in inspect.getsource(start_client_internal)


def test_it_takes_the_options_of_flower() -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(EAGER_SUPERNODE), "--help"], capture_output=True, text=True, check=True
    )
    assert "--superlink" in done.stdout
    assert "another loop" not in done.stderr
