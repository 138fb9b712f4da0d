"""A real socket between a stand-in for Flower's ClientApp and the building; only the training itself is a fake."""

import socket
import stat
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from building_clients.learner import TrainResult
from building_clients.settings import LearningConfig
from building_clients.slots import TrainError
from building_clients.trainer_socket import ARRAYS_MAX, TrainerError, TrainerServer, request

WEIGHTS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([0.5], np.float32)]
CONFIG = LearningConfig(local_steps=2).model_dump()


class FakeLearner:
    """Adds one to the weights."""

    def __init__(self) -> None:
        self.adopted: list[list[np.ndarray]] = []
        self.error: Exception | None = None

    def train(self, weights: list[np.ndarray], config: LearningConfig, server_round: int) -> TrainResult:
        if self.error is not None:
            raise self.error
        assert config.local_steps == 2
        return TrainResult([array + server_round for array in weights], 12, {"loss_before": 0.25})

    def adopt(self, weights: list[np.ndarray], config: LearningConfig) -> bool:
        assert config.local_steps == 2
        self.adopted.append(weights)
        return True


@pytest.fixture
def learner() -> FakeLearner:
    return FakeLearner()


@pytest.fixture
def path(learner: FakeLearner, tmp_path: Path) -> Iterator[Path]:
    address = tmp_path / "t.sock"
    server: Any = TrainerServer(learner, address)  # type: ignore[arg-type]  # a fake with the two methods used
    thread = threading.Thread(target=server.run)
    thread.start()
    yield address
    server.stop()
    thread.join(5)
    assert not thread.is_alive()


def train(path: Path, server_round: int = 1, **changes: object) -> tuple[dict[str, Any], list[np.ndarray]]:
    return request(path, {"do": "train", "round": server_round, "config": CONFIG | changes}, WEIGHTS, 5)


def test_weights_go_there_and_come_back(path: Path, learner: FakeLearner) -> None:
    answer, trained = train(path, server_round=1)
    assert answer == {"num_examples": 12, "metrics": {"loss_before": 0.25}}
    assert all((new == old + 1).all() for new, old in zip(trained, WEIGHTS, strict=True))
    assert learner.adopted == []


def test_the_last_message_releases_the_model(path: Path, learner: FakeLearner) -> None:
    assert request(path, {"do": "adopt", "config": CONFIG}, WEIGHTS, 5) == ({"in_use": True}, [])
    assert len(learner.adopted) == 1


@pytest.mark.parametrize("error", [TrainError("2.0 days of history"), ValueError("weight array 3 has shape ()")])
def test_the_reason_of_a_refusal_arrives(path: Path, learner: FakeLearner, error: Exception) -> None:
    learner.error = error
    with pytest.raises(TrainerError) as caught:
        train(path)
    assert str(caught.value) == str(error)
    learner.error = None
    assert train(path)[0]["num_examples"] == 12


def test_an_impossible_setting_is_refused(path: Path) -> None:
    with pytest.raises(TrainerError, match="batch_size"):
        train(path, batch_size=0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("!I", 4) + b"nojs" + struct.pack("!Q", 0),
        struct.pack("!I", 2) + b"{}" + struct.pack("!Q", 6) + b"no-zip",
        struct.pack("!I", 2) + b"{}" + struct.pack("!Q", 8) + b"PK\x03\x04half",
        struct.pack("!I", 2) + b"{}" + struct.pack("!Q", ARRAYS_MAX + 1),
    ],
)
def test_garbage_does_not_end_the_service(path: Path, garbage: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(garbage)
    assert train(path)[0]["num_examples"] == 12


@pytest.mark.parametrize("head", [{}, {"do": "train"}, {"do": "train", "round": 1}])
def test_an_incomplete_request_is_refused(path: Path, head: dict[str, Any]) -> None:
    with pytest.raises(TrainerError):
        request(path, head, WEIGHTS, 5)
    assert train(path)[0]["num_examples"] == 12


def test_nobody_there_is_said_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"does not answer at .*none\.sock"):
        request(tmp_path / "none.sock", {"do": "adopt"}, [], 1)


def test_only_the_owner_may_connect(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_pickled_objects_are_refused(path: Path, learner: FakeLearner) -> None:
    with pytest.raises((TrainerError, ValueError)):
        request(path, {"do": "adopt", "config": CONFIG}, [np.array([object()])], 5)
    assert learner.adopted == []
