"""Runs as the command line starts them, on a federation that is a script: what is resumed, stopped, refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from building_clients.architecture import HEAD, initial_weights
from cli import training
from cli.effective import effective_scenario
from cli.home import Home
from cli.scenario import Scenario
from cli.training import RESUMES, Start, train
from fl_server.checkpoint import FILE, Checkpoint, CheckpointError, save_checkpoint
from fl_server.report import RoundReport
from fl_server.run import FederationError, RunResult

WEIGHTS = initial_weights(96, 5)
Step = Callable[["Federation", str], str]
"""What a run of that id does when its status is asked for; returns the status."""


class Federation:
    """In place of Flower and hub; the first run does the first step, and so on."""

    def __init__(self, home: Home, steps: list[Step]) -> None:
        self.home = home
        self.steps = steps
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
        return train(scenario(**learning), self.home, lambda _: None, start)


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
    monkeypatch.setattr(training, "_wait_for", lambda _address: None)
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
