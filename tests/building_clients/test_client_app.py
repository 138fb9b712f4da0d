"""The thin adapter between Flower's messages and the building; no network, no SuperLink."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from building_clients import client_app, node_training
from building_clients.architecture import HEAD, initial_weights
from building_clients.settings import LearningConfig
from building_clients.trainer_socket import TrainerError
from building_clients.wire import packed, unpacked
from fl_server.replies import METRICS

ROOT = Path(__file__).parents[2]
WEIGHTS = [np.ones((2, 2), np.float32), np.zeros(3, np.float32)]


def message(kind: str, weights: list[np.ndarray], **settings: Any) -> Message:
    config = LearningConfig.model_validate(settings).model_dump() | {"server-round": 2}
    content = RecordDict({"arrays": packed(weights), "config": ConfigRecord(config)})
    return Message(content=content, dst_node_id=1, message_type=kind)


def context(**node: Any) -> Context:
    return Context(run_id=1, node_id=1, node_config=node, state=RecordDict(), run_config={})


WARM = {"building-id": "B4", "socket": "/somewhere/t.sock"}


def test_training_is_handed_to_the_warm_building(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(path: Path, head: dict[str, Any], weights: list[np.ndarray], _timeout: float) -> Any:
        asked.append((path, head))
        metrics = {"train_loss": 0.3, "loss_before": 0.4, "loss_after": 0.2, "train_seconds": 1.5}
        return {"num_examples": 77, "metrics": metrics}, [array + 1 for array in weights]

    monkeypatch.setattr(node_training, "request", answer)
    reply = client_app.app(message("train", WEIGHTS, local_steps=9), context(**WARM))
    (path, head), records = asked[0], reply.content
    assert (path, head["do"], head["round"]) == (Path("/somewhere/t.sock"), "train", 2)
    assert head["config"]["local_steps"] == 9
    assert dict(records.metric_records["metrics"]) == {
        "num-examples": 77,
        "train_loss": 0.3,
        "loss_before": 0.4,
        "loss_after": 0.2,
        "train_seconds": 1.5,
    }
    assert dict(records.config_records["building"]) == {"building-id": "B4"}
    assert (unpacked(records.array_records["arrays"])[0] == 2).all()


def test_a_refusal_looks_like_any_reply_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise TrainerError("2.0 days of history; training needs at least 3")

    monkeypatch.setattr(node_training, "request", refuse)
    records = client_app.app(message("train", WEIGHTS), context(**WARM)).content
    assert records.metric_records["metrics"]["num-examples"] == 0
    assert records.config_records["building"]["error"] == "2.0 days of history; training needs at least 3"
    assert set(records.metric_records["metrics"]) == METRICS


def test_the_last_message_releases_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(*arguments: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
        asked.append(arguments)
        return {"in_use": True}, []

    monkeypatch.setattr(client_app, "request", answer)
    reply = client_app.app(message("evaluate", WEIGHTS), context(**WARM))
    assert asked[0][1] == {"do": "adopt", "config": LearningConfig().model_dump()}
    assert (asked[0][2][0] == WEIGHTS[0]).all()
    assert dict(reply.content.metric_records["metrics"]) == {"num-examples": 1, "in-use": 1}


def test_a_refused_model_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise TrainerError("its hash is not anchored")

    monkeypatch.setattr(client_app, "request", refuse)
    records = client_app.app(message("evaluate", WEIGHTS), context(**WARM)).content
    assert records.metric_records["metrics"]["in-use"] == 0
    assert dict(records.config_records["building"]) == {"building-id": "B4", "error": "its hash is not anchored"}


def test_a_virtual_building_trains_here() -> None:
    weights = initial_weights(96, 7)
    settings = {"local_steps": 2, "batch_size": 4}
    reply = client_app.app(message("train", weights, **settings), context(**{"partition-id": 1, "num-partitions": 2}))
    numbers = reply.content.metric_records["metrics"]
    assert reply.content.config_records["building"] == ConfigRecord({"building-id": "virtual-1"})
    assert isinstance(numbers["num-examples"], int)
    assert numbers["num-examples"] > 1000
    trained = unpacked(reply.content.array_records["arrays"])
    assert any((new != old).any() for new, old in zip(trained, weights, strict=True))


def test_a_virtual_buildings_heads_last_from_round_to_round() -> None:
    """In the run's own state: another process may train the next round, and another run begins anew."""
    body = initial_weights(96, 7)[: HEAD.start]
    settings = {"local_steps": 2, "batch_size": 4, "personal_heads": True}
    here = context(**{"partition-id": 1, "num-partitions": 2})
    client_app.app(message("train", body, **settings), here)
    first = unpacked(here.state.array_records["heads"])
    node_training.virtual_learner.cache_clear()
    client_app.app(message("train", body, **settings), here)
    assert not np.array_equal(first[1], unpacked(here.state.array_records["heads"])[1])
    elsewhere = context(**{"partition-id": 1, "num-partitions": 2})
    client_app.app(message("train", body, **settings), elsewhere)
    for old, new in zip(first, unpacked(elsewhere.state.array_records["heads"]), strict=True):
        np.testing.assert_allclose(old, new, atol=1e-6)


def test_the_short_lived_process_stays_light() -> None:
    code = (
        "import sys, building_clients.client_app;"
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'pvlib', 'web3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
