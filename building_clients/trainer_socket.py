"""Flower's short-lived ClientApp asks the building's own process to train, over a Unix socket in a private folder.

A message is: 4 bytes length and JSON, 8 bytes length and an .npz of arrays. No pickle, so nothing is executed.
"""

from __future__ import annotations

import io
import json
import logging
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from building_clients.settings import LearningConfig
from simulation.errors import MicrogridError

if TYPE_CHECKING:
    from building_clients.learner import Learner

log = logging.getLogger(__name__)

JSON_MAX, ARRAYS_MAX = 1 << 20, 1 << 28
IDLE_S = 0.5
Arrays = list[np.ndarray]


class TrainerError(MicrogridError):
    """The building did not train; the text is its reason."""


def request(path: Path, head: dict[str, Any], weights: Arrays, timeout_s: float) -> tuple[dict[str, Any], Arrays]:
    """Ask the building at `path`; returns its answer and weights. Raises TrainerError with its reason."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
            _send(connection, head, weights)
            answer, arrays = _receive(connection)
        except OSError as error:
            raise TrainerError(f"the building's process does not answer at {path}: {error}") from error
    if "error" in answer:
        raise TrainerError(str(answer["error"]))
    return answer, arrays


class TrainerServer:
    """Answers `train` and `adopt`, one after the other, in the thread that calls `run`."""

    def __init__(self, learner: Learner, path: Path, approve: Callable[[Arrays], None] | None = None) -> None:
        """`approve` raises when a released model must not be used."""
        self._learner = learner
        self._approve = approve
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(4)
        self._listener.settimeout(IDLE_S)
        self._running = True

    def run(self) -> None:
        """Serve until `stop`."""
        while self._running:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with connection:
                self._answer(connection)

    def stop(self) -> None:
        """Take no more requests."""
        self._running = False
        self._listener.close()

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        try:
            head, weights = _receive(connection)
        except OSError as error:
            log.warning("a training request broke off: %s", error)
            return
        except (ValueError, zipfile.BadZipFile) as error:
            answer, arrays = _refused(error)
        else:
            try:
                answer, arrays = self._handle(head, weights)
            except (ValueError, RuntimeError, KeyError, OSError) as error:
                answer, arrays = _refused(error)
        try:
            _send(connection, answer, arrays)
        except OSError as error:
            log.warning("nobody waited for the answer of a training: %s", error)

    def _handle(self, head: dict[str, Any], weights: Arrays) -> tuple[dict[str, Any], Arrays]:
        config = LearningConfig.model_validate(head["config"])
        if head["do"] == "adopt":
            if self._approve is not None:
                self._approve(weights)
            return {"in_use": self._learner.adopt(weights, config)}, []
        result = self._learner.train(weights, config, int(head["round"]))
        return {"num_examples": result.num_examples, "metrics": result.metrics}, result.weights


def _refused(error: Exception) -> tuple[dict[str, Any], Arrays]:
    log.warning("training refused: %s", error)
    return {"error": str(error) or type(error).__name__}, []


def _send(connection: socket.socket, head: dict[str, Any], arrays: Arrays) -> None:
    text = json.dumps(head).encode()
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    body = buffer.getvalue()
    connection.sendall(struct.pack("!I", len(text)) + text + struct.pack("!Q", len(body)) + body)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], Arrays]:
    (size,) = struct.unpack("!I", _exactly(connection, 4))
    head = json.loads(_exactly(connection, _limit(size, JSON_MAX)))
    (size,) = struct.unpack("!Q", _exactly(connection, 8))
    with np.load(io.BytesIO(_exactly(connection, _limit(size, ARRAYS_MAX))), allow_pickle=False) as stored:
        return head, [stored[f"arr_{index}"] for index in range(len(stored.files))]


def _limit(size: int, most: int) -> int:
    if size > most:
        raise ConnectionError(f"a message of {size} bytes is too large (at most {most})")
    return size


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(1 << 16, size - len(data)))
        if not part:
            raise ConnectionError("the other side closed the connection in the middle of a message")
        data += part
    return bytes(data)
