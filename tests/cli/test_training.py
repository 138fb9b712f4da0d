"""Runs as the command line starts them, on a federation that is a script: what is resumed, stopped, refused."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from building_clients.architecture import HEAD, initial_weights
from cli import training
from cli.community import Community, UpOptions
from cli.effective import effective_scenario
from cli.home import Home
from cli.scenario import Scenario
from cli.supervisor import Child, Supervisor
from cli.training import RESUMES, Start, train
from fl_server.checkpoint import FILE, Checkpoint, CheckpointError, save_checkpoint
from fl_server.report import RoundReport
from fl_server.run import FederationError, RunResult
from simulation.clock import SimClock

WAIT_FOR = training._wait_for
WEIGHTS = initial_weights(96, 5)
Step = Callable[["Federation", str], str]
"""What a run of that id does when its status is asked for; returns the status."""


class Federation:
    """In place of Flower and hub; the first run does the first step, and so on."""

    def __init__(self, home: Home, steps: list[Step]) -> None:
        self.home = home
        self.steps = steps
        self.stopping = threading.Event()
        self.started: list[str] = []
        self.stopped: list[str] = []

    def start_run(self, _project: Path, _flwr: Path, overrides: dict[str, Any]) -> str:
        self.started.append(overrides["start"])
        return str(len(self.started))

    def run_status(self, _flwr: Path, run_id: str) -> str:
        return self.steps[int(run_id) - 1](self, run_id)

    def end_run(self, _flwr: Path, run_id: str) -> None:
        self.stopped.append(run_id)

    def train(self, start: Start = "last", **learning: Any) -> RunResult:
        return train(scenario(**learning), self.home, lambda _: None, start, self.stopping)


def scenario(**learning: Any) -> Scenario:
    known = effective_scenario(None)
    return known.model_copy(update={"learning": known.learning.model_copy(update=learning)})


def keep(home: Home, run_id: str, rounds_done: int = 1, **more: Any) -> None:
    save_checkpoint(home.federation, Checkpoint(rounds_done, 3, WEIGHTS, run_id=run_id, **more))


def completes(_: Federation, run_id: str) -> str:
    return "finished:completed"


def fails(_: Federation, run_id: str) -> str:
    return "finished:failed"


def fails_after_a_round(federation: Federation, run_id: str) -> str:
    keep(federation.home, run_id)
    return "finished:failed"


def is_lost(_: Federation, run_id: str) -> str:
    raise FederationError("flwr list gave no answer")


def is_lost_after_a_round(federation: Federation, run_id: str) -> str:
    keep(federation.home, run_id)
    return is_lost(federation, run_id)


def ends_without_success(federation: Federation, run_id: str) -> str:
    keep(federation.home, run_id, 3, ended=True)
    return "finished:failed"


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Federation]:
    def make(*steps: Step) -> Federation:
        federation = Federation(Home(tmp_path / "home"), list(steps))
        for name in ("start_run", "run_status", "end_run"):
            monkeypatch.setattr(training, name, getattr(federation, name))
        return federation

    monkeypatch.setattr(training, "POLL_S", 0.0)
    monkeypatch.setattr(training, "STATUS_S", 0.0)
    monkeypatch.setattr(training, "_wait_for", lambda *_: None)
    monkeypatch.setattr(training, "_reports", lambda _hub, _run: [])
    return make


@pytest.mark.parametrize(
    ("steps", "started", "stopped", "end"),
    [
        ([completes], ["last"], [], "finished:completed"),
        ([fails], ["last"], [], "finished:failed"),
        ([ends_without_success], ["last"], [], "finished:failed"),
        ([fails_after_a_round, completes], ["last", "resume"], ["1"], "finished:completed"),
        ([is_lost_after_a_round, completes], ["last", "resume"], ["1"], "finished:completed"),
        ([fails_after_a_round, fails], ["last", "resume"], ["1"], "finished:failed"),
    ],
)
def test_a_run_that_left_a_round_of_its_own_is_ended_and_resumed(
    play: Callable[..., Federation], steps: list[Step], started: list[str], stopped: list[str], end: str
) -> None:
    federation = play(*steps)
    assert federation.train().status == end
    assert (federation.started, federation.stopped) == (started, stopped)


def test_what_an_earlier_run_left_unfinished_does_not_turn_resuming_off(play: Callable[..., Federation]) -> None:
    federation = play(fails_after_a_round, completes)
    keep(federation.home, "run of another day", rounds_done=2)
    assert federation.train().completed
    assert federation.started == ["last", "resume"]


def test_what_an_earlier_run_left_unfinished_is_not_taken_for_the_run_s_own(play: Callable[..., Federation]) -> None:
    federation = play(fails)
    keep(federation.home, "run of another day", rounds_done=2)
    assert not federation.train().completed


def test_a_lost_run_is_stopped_before_the_reason_is_told(play: Callable[..., Federation]) -> None:
    federation = play(is_lost)
    with pytest.raises(FederationError, match="flwr list gave no answer"):
        federation.train()
    assert federation.stopped == ["1"]


def test_a_run_that_cannot_be_stopped_is_not_resumed(
    play: Callable[..., Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = play(is_lost_after_a_round)

    def living(*_: object) -> None:
        raise FederationError("run 1 cannot be stopped")

    monkeypatch.setattr(training, "end_run", living)
    with pytest.raises(FederationError, match="run 1 cannot be stopped"):
        federation.train()
    assert federation.started == ["last"]


def test_resuming_has_an_end(play: Callable[..., Federation]) -> None:
    federation = play(*[fails_after_a_round] * (1 + RESUMES))
    assert not federation.train().completed
    assert len(federation.started) == 1 + RESUMES


def cut(home: Home) -> None:
    keep(home, "1")
    (home.federation / FILE).write_bytes((home.federation / FILE).read_bytes()[:1000])


def of_personal_heads(home: Home) -> None:
    save_checkpoint(home.federation, Checkpoint(3, 3, WEIGHTS[: HEAD.start], ended=True))


def without_noise(home: Home) -> None:
    keep(home, "1", privacy_cost=float("inf"))


@pytest.mark.parametrize(
    ("spoil", "privacy", "words"),
    [(cut, "none", "is damaged"), (of_personal_heads, "none", "another model"), (without_noise, "central", "noise")],
)
@pytest.mark.parametrize("step", [completes, fails])
def test_a_checkpoint_of_no_use_matters_to_no_fresh_run(
    play: Callable[..., Federation], spoil: Callable[[Home], None], privacy: str, words: str, step: Step
) -> None:
    federation = play(step)
    spoil(federation.home)
    with pytest.raises(CheckpointError, match=rf"{words}.* --fresh"):
        federation.train(privacy=privacy)
    assert federation.started == []
    assert federation.train("fresh", privacy=privacy).completed == (step is completes)


def test_two_runs_at_a_time_are_refused(play: Callable[..., Federation]) -> None:
    def while_another_starts(federation: Federation, _: str) -> str:
        with pytest.raises(FederationError, match="a training run is under way here already"):
            federation.train()
        return "finished:completed"

    federation = play(while_another_starts, completes)
    assert federation.train().completed
    assert federation.train().completed
    assert federation.started == ["last", "last"]


def report(number: int) -> RoundReport:
    at = datetime(2026, 6, 17, tzinfo=UTC)
    return RoundReport(participants=(), num_examples=0, loss=None, run_id="1", round=number, of_rounds=3, at=at)


def test_every_round_is_told_once_though_the_hub_comes_and_goes(
    play: Callable[..., Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [[report(1)], [], [report(1), report(2)], [], [report(1), report(2), report(3)]]
    federation = play(lambda *_: "running" if answers else "finished:completed")
    monkeypatch.setattr(training, "_reports", lambda *_: answers.pop(0) if answers else [])
    told: list[int] = []
    train(scenario(), federation.home, lambda one: told.append(one.round))
    assert told == [1, 2, 3]


def test_patience_outlasts_the_longest_round() -> None:
    plain, secure = scenario().learning, scenario(secure_aggregation=True).learning
    assert plain.longest_round_s == 120 + 180
    assert secure.longest_round_s == 120 + 180 + 3 * 60


def goes_on(_: Federation, run_id: str) -> str:
    return "running"


@pytest.mark.parametrize("step", [goes_on, fails_after_a_round, is_lost, is_lost_after_a_round])
def test_a_run_that_ends_with_the_community_is_left_alone(
    play: Callable[..., Federation], caplog: pytest.LogCaptureFixture, step: Step
) -> None:
    def as_up_stops(federation: Federation, run_id: str) -> str:
        federation.stopping.set()
        return step(federation, run_id)

    federation = play(as_up_stops)
    with pytest.raises(FederationError, match="stopped with the community"):
        federation.train()
    assert (federation.started, federation.stopped, caplog.messages) == (["last"], [], [])


def test_a_stop_that_is_told_just_after_flower_has_gone_is_no_loss(
    play: Callable[..., Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_interrupted(federation: Federation, run_id: str) -> str:
        threading.Timer(0.1, federation.stopping.set).start()
        return is_lost_after_a_round(federation, run_id)

    federation = play(is_interrupted)
    monkeypatch.setattr(training, "POLL_S", 10.0)
    with pytest.raises(FederationError, match="stopped with the community"):
        federation.train()
    assert (federation.started, federation.stopped) == (["last"], [])


def test_no_run_starts_when_the_community_stops(play: Callable[..., Federation]) -> None:
    federation = play()
    federation.stopping.set()
    with pytest.raises(FederationError, match="stopped with the community"):
        federation.train()
    assert federation.started == []


def silent_address() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def test_a_stop_ends_the_wait_for_a_lost_superlink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "POLL_S", 10.0)
    monkeypatch.setattr(training, "RESTART_S", 5.0)
    stopping = threading.Event()
    threading.Timer(0.1, stopping.set).start()
    with pytest.raises(FederationError, match="stopped with the community"):
        training._wait_for(silent_address(), stopping)


def test_up_stops_at_once_in_the_middle_of_a_training_run(
    play: Callable[..., Federation], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    superlink = Child("superlink", [sys.executable, "-c", "import time; time.sleep(60)"], is_up)
    asked = threading.Event()

    def is_lost_with_the_superlink(federation: Federation, run_id: str) -> str:
        asked.set()
        while superlink.running:
            time.sleep(0.01)
        return is_lost_after_a_round(federation, run_id)

    told: list[str] = []
    federation = play(is_lost_with_the_superlink)
    monkeypatch.setattr(training, "_wait_for", WAIT_FOR)
    monkeypatch.setattr(training, "POLL_S", 0.1)
    monkeypatch.setattr(training, "RESTART_S", 20.0)
    community = community_of(federation.home, told.append)

    async def story() -> float:
        community._supervisor = Supervisor(tmp_path, told.append)
        await community._supervisor.start([superlink], 20)
        community._start_training()
        assert await asyncio.to_thread(asked.wait, 20)
        began = time.monotonic()
        await community._wind_down("failed")
        return began

    began = asyncio.run(story())  # returns when the training's thread has ended
    assert time.monotonic() - began < training.RESTART_S / 2
    assert (federation.started, federation.stopped, caplog.messages) == (["last"], [], [])
    assert told[-1] == "stopping ..."


async def is_up() -> bool:
    return True


def community_of(home: Home, tell: Callable[[str], None]) -> Community:
    now = datetime.now(UTC)
    clock = SimClock(start=now, wall_start=now, speed=1.0, slot_minutes=15)
    options = UpOptions(duration_s=None, summary=None, open_browser=False)
    return Community(scenario(superlink=silent_address()), home, clock, options, tell)
