"""The server app against nodes that are functions: rounds, reports, and the ways in which a run fails."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Error, Message, MetricRecord, RecordDict

from building_clients.architecture import model_hash
from building_clients.differential_privacy import epsilon_spent
from building_clients.wire import packed, unpacked
from fl_server import grid as grid_module
from fl_server import server_app
from fl_server.checkpoint import FILE, CheckpointError, load_checkpoint
from fl_server.grid import AttentiveGrid
from fl_server.report import RoundReport
from fl_server.server_app import RunError
from tests.fl_server.fake_grid import FakeGrid

SETTINGS: dict[str, Any] = {
    "rounds": 2,
    "local-steps": 5,
    "batch-size": 4,
    "learning-rate": 0.004,
    "dropout": 0.1,
    "seed": 7,
    "min-available-nodes": 2,
    "node-wait-seconds": 1,
    "round-timeout-seconds": 5,
    "slot-minutes": 60,
    "hub-url": "",
    "checkpoint-dir": "",
    "start": "last",
}


def run(grid: FakeGrid, **changes: Any) -> None:
    settings = SETTINGS | {key.replace("_", "-"): value for key, value in changes.items()}
    context = Context(run_id=42, node_id=0, node_config={}, state=RecordDict(), run_config=settings)
    server_app.app(grid, context)


def trained(message: Message, **changes: Any) -> Message:
    """A building that adds a hundredth of its number to every weight."""
    node = message.metadata.dst_node_id
    arrays = [array + np.float32(node / 100) for array in unpacked(message.content.array_records["arrays"])]
    if message.metadata.message_type == "evaluate":
        return Message(content=RecordDict({"metrics": MetricRecord({"num-examples": 1})}), reply_to=message)
    losses = {"num-examples": 10 * node, "train_loss": 0.3, "loss_before": 0.1 * node, "loss_after": 0.2}
    numbers = losses | {"train_seconds": 1.5} | changes
    building = ConfigRecord({"building-id": f"B{node}"})
    content = RecordDict({"arrays": packed(arrays), "metrics": MetricRecord(numbers), "building": building})
    return Message(content=content, reply_to=message)


@pytest.fixture
def hub() -> Iterator[tuple[str, list[Any]]]:
    """Address of a hub that keeps what is posted to it."""
    posted: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()
        thread.join()


def test_rounds_go_round_and_are_reported(hub: tuple[str, list[Any]], caplog: pytest.LogCaptureFixture) -> None:
    address, posted = hub
    grid = FakeGrid([1, 3], trained)
    with caplog.at_level(logging.INFO, logger="flwr"):
        run(grid, hub_url=address)
    assert [path for path, _ in posted] == ["/api/rounds"] * 2 + ["/api/models"]
    reports = [RoundReport.model_validate(body) for path, body in posted if path == "/api/rounds"]
    released = unpacked(grid.sent[-1].content.array_records["arrays"])
    assert posted[-1][1]["model_hash"] == model_hash(released)
    assert [(report.run_id, report.round, report.of_rounds, report.num_examples) for report in reports] == [
        ("42", 1, 2, 40),
        ("42", 2, 2, 40),
    ]
    assert reports[0].loss == pytest.approx((0.1 * 10 + 0.3 * 30) / 40)
    assert {p.building_id for p in reports[0].participants} == {"B1", "B3"}
    kinds = [message.metadata.message_type for message in grid.sent]
    assert kinds == ["train"] * 4 + ["evaluate"] * 2


def test_the_released_model_is_the_average_of_the_last_round() -> None:
    grid = FakeGrid([1, 3], trained)
    run(grid)
    first, final = (unpacked(grid.sent[index].content.array_records["arrays"]) for index in (0, -1))
    for before, after in zip(first, final, strict=True):
        np.testing.assert_allclose(after - before, 0.02 * (1 * 10 + 3 * 30) / 40, rtol=1e-3)


def test_settings_travel_in_the_message() -> None:
    grid = FakeGrid([1, 2], trained)
    run(grid, local_steps=17)
    config = grid.sent[0].content.config_records["config"]
    assert (config["local_steps"], config["server-round"]) == (17, 1)


def test_a_hub_that_is_away_does_not_stop_the_run(caplog: pytest.LogCaptureFixture) -> None:
    run(FakeGrid([1, 2], trained), hub_url="http://127.0.0.1:9")
    assert "is not at the hub" in caplog.text


def test_one_silent_building_does_not_stop_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[RoundReport] = []
    monkeypatch.setattr(server_app, "send_report", lambda _url, report: reports.append(report))
    monkeypatch.setattr(grid_module, "POLL_S", 0.01)
    silent = 2
    run(FakeGrid([1, silent], lambda m: None if m.metadata.dst_node_id == silent else trained(m)), rounds=1)
    assert [p.building_id for p in reports[0].participants] == ["B1"]
    assert [d.building_id for d in reports[0].dropped] == ["node 2"]


def test_an_answer_in_place_of_a_dead_node_counts_for_that_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SuperLink reports a lost node as a reply of its own; the building is named, once, and has no loss."""
    reports: list[RoundReport] = []
    monkeypatch.setattr(server_app, "send_report", lambda _url, report: reports.append(report))

    def from_superlink(message: Message) -> Message:
        reply = Message(error=Error(code=3, reason="node unavailable"), reply_to=message)
        reply.metadata.__dict__["_src_node_id"] = 1
        return reply

    with pytest.raises(RunError, match=r"node [56]: failed: node unavailable"):
        run(FakeGrid([5, 6], from_superlink), rounds=1)
    assert sorted(d.building_id for d in reports[0].dropped) == ["node 5", "node 6"]
    assert (reports[0].loss, reports[0].loss_text) == (None, "-")


def test_too_few_buildings_fail_the_run_in_time() -> None:
    with pytest.raises(RunError, match=r"1 buildings are connected after 1 s, the run needs 2"):
        run(FakeGrid([1], trained))


def test_buildings_that_vanish_between_rounds_fail_the_run_in_time() -> None:
    grid = FakeGrid([1, 2], trained)

    def vanish(message: Message) -> Message:
        grid.nodes = [1]
        return trained(message)

    grid._answer = vanish
    with pytest.raises(RunError, match=r"1 buildings are connected after 1 s"):
        run(grid)


def test_a_run_in_which_nobody_trained_has_failed_and_is_not_resumed(tmp_path: Path) -> None:
    grid = FakeGrid([1, 2], lambda message: trained(message, **{"num-examples": 0}))
    with pytest.raises(RunError, match=r"no building could train in 2 rounds: B[12]: num-examples = 0"):
        run(grid, checkpoint_dir=str(tmp_path))
    known = load_checkpoint(tmp_path, 24)
    assert known is not None
    assert known.ended


def test_the_grid_gives_up_at_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "POLL_S", 0.01)
    grid = AttentiveGrid(FakeGrid([1], lambda _: None))
    question = Message(content=RecordDict(), dst_node_id=1, message_type="train")
    assert list(grid.send_and_receive([question], timeout=0.1)) == []
    assert list(grid.send_and_receive([], timeout=None)) == []


def sent_weights(grid: FakeGrid, index: int) -> list[np.ndarray]:
    return unpacked(grid.sent[index].content.array_records["arrays"])


def test_a_killed_run_goes_on_after_its_last_round(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def killed_in_round_3(message: Message) -> Message:
        if message.content.config_records["config"].get("server-round") == 3:
            raise Killed
        return trained(message)

    broken, whole = FakeGrid([1, 3], killed_in_round_3), FakeGrid([1, 3], trained)
    with pytest.raises(Killed):
        run(broken, rounds=4, checkpoint_dir=str(tmp_path))
    known = load_checkpoint(tmp_path, 24)
    assert known is not None
    assert (known.rounds_done, known.of_rounds, known.ended) == (2, 4, False)
    resumed = FakeGrid([1, 3], trained)
    run(resumed, rounds=4, checkpoint_dir=str(tmp_path), start="resume")
    run(whole, rounds=4)
    assert [m.content.config_records["config"].get("server-round") for m in resumed.sent] == [3, 3, 4, 4, None, None]
    for one, other in zip(sent_weights(resumed, -1), sent_weights(whole, -1), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_run_killed_before_its_release_releases_when_resumed(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def killed_at_release(message: Message) -> Message:
        if message.content.config_records["config"].get("server-round") is None:
            raise Killed
        return trained(message)

    broken = FakeGrid([1, 3], killed_at_release)
    with pytest.raises(Killed):
        run(broken, checkpoint_dir=str(tmp_path))
    known = load_checkpoint(tmp_path, 24)
    assert known is not None
    assert (known.rounds_done, known.ended) == (known.of_rounds, False)
    resumed = FakeGrid([1, 3], trained)
    run(resumed, checkpoint_dir=str(tmp_path), start="resume")
    assert [m.content.config_records["config"].get("server-round") for m in resumed.sent] == [None, None]
    assert all((a == b).all() for a, b in zip(sent_weights(resumed, -1), known.weights, strict=True))
    known = load_checkpoint(tmp_path, 24)
    assert known is not None
    assert known.ended


def test_the_next_run_starts_from_the_last_model_unless_told_otherwise(tmp_path: Path) -> None:
    first, second, fresh = (FakeGrid([1, 3], trained) for _ in range(3))
    run(first, checkpoint_dir=str(tmp_path))
    run(second, checkpoint_dir=str(tmp_path))
    run(fresh, checkpoint_dir=str(tmp_path), start="fresh")
    for grid, wanted in ((second, sent_weights(first, -1)), (fresh, sent_weights(first, 0))):
        assert all((a == b).all() for a, b in zip(sent_weights(grid, 0), wanted, strict=True))


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint to resume"):
        run(FakeGrid([1, 2], trained), checkpoint_dir=str(tmp_path), start="resume")


def test_what_privacy_has_cost_is_reported_and_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[RoundReport] = []
    monkeypatch.setattr(server_app, "send_report", lambda _url, report: reports.append(report))
    for noise in (2.0, 4.0):
        run(FakeGrid([1, 2], trained), privacy="central", noise_multiplier=noise, checkpoint_dir=str(tmp_path))
    spent = [report.epsilon for report in reports]
    # a release with noise 2 costs as much as four with noise 4
    assert spent == [pytest.approx(epsilon_spent(4.0, releases, 1e-3)) for releases in (4, 8, 9, 10)]


def test_privacy_does_not_begin_on_a_model_trained_without_noise(tmp_path: Path) -> None:
    run(FakeGrid([1, 2], trained), checkpoint_dir=str(tmp_path))
    with pytest.raises(CheckpointError, match=r"trained without noise.* start afresh with .* --fresh"):
        run(FakeGrid([1, 2], trained), privacy="local", checkpoint_dir=str(tmp_path))
    run(FakeGrid([1, 2], trained), privacy="local", checkpoint_dir=str(tmp_path), start="fresh")


@pytest.mark.parametrize("noise", [0.01, 1e6])
def test_the_cost_of_any_noise_can_be_reported(monkeypatch: pytest.MonkeyPatch, noise: float) -> None:
    reports: list[RoundReport] = []
    monkeypatch.setattr(server_app, "send_report", lambda _url, report: reports.append(report))
    run(FakeGrid([1, 2], trained), privacy="central", noise_multiplier=noise, clip_norm=0.01)
    assert [report.epsilon is not None for report in reports] == [True, True]


def test_a_round_that_went_well_counts_after_a_resume(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def good_then_killed(message: Message) -> Message:
        if message.content.config_records["config"].get("server-round") == 2:
            raise Killed
        return trained(message)

    with pytest.raises(Killed):
        run(FakeGrid([1, 2], good_then_killed), checkpoint_dir=str(tmp_path))
    resumed = FakeGrid([1, 2], lambda message: trained(message, **{"num-examples": 0}))
    run(resumed, checkpoint_dir=str(tmp_path), start="resume")
    assert [m.metadata.message_type for m in resumed.sent] == ["train", "train", "evaluate", "evaluate"]


def test_a_fresh_start_needs_no_sound_checkpoint(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="is damaged"):
        run(FakeGrid([1, 2], trained), checkpoint_dir=str(tmp_path))
    run(FakeGrid([1, 2], trained), checkpoint_dir=str(tmp_path), start="fresh")
    assert load_checkpoint(tmp_path, 24) is not None
