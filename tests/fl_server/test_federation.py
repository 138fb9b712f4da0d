"""The real thing, small: a SuperLink, two SuperNodes, two warm buildings, one run of two rounds."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from building_clients.architecture import initial_weights
from building_clients.differential_privacy import norm_of
from building_clients.learner import Learner
from building_clients.settings import LearningConfig
from building_clients.trainer_socket import TrainerServer
from fl_server.aggregation import difference
from fl_server.checkpoint import load_checkpoint
from fl_server.run import (
    end_run,
    flower_environment,
    run_status,
    start_run,
    superlink_command,
    supernode_command,
    wait_for_run,
    write_flwr_config,
)
from simulation.clock import slot_index
from tests.building_clients.synthetic import SLOT_MINUTES, after, readings
from tests.contracts.chain_process import free_port

ROOT = Path(__file__).parents[2]
OVERRIDES: dict[str, str | int | float] = {
    "rounds": 2,
    "local-steps": 4,
    "batch-size": 8,
    "min-available-nodes": 2,
    "node-wait-seconds": 90,
    "slot-minutes": SLOT_MINUTES,
    "hub-url": "",
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@contextmanager
def process(command: list[str], flwr_home: Path, log: Path) -> Iterator[None]:
    """A process with all that it starts, ended at the end."""
    environment = {**os.environ, **flower_environment(flwr_home)}
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait(5)


def wait_until_answering(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://{address}/", timeout=1)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"no SuperLink at {address}")


@contextmanager
def building(name: str, days: float, address: str, folder: Path) -> Iterator[Learner]:
    """A building's trainer socket in a thread of this process, and its real SuperNode."""
    history = readings(days, seed=len(name) + ord(name[-1]))
    folder.mkdir()
    learner = Learner(name, folder, lambda minutes: history.iloc[-minutes:], SLOT_MINUTES)
    with tempfile.TemporaryDirectory(prefix="microgrid-test-") as rendezvous:
        path = Path(rendezvous) / "trainer.sock"
        server = TrainerServer(learner, path)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            command = supernode_command(address, name, path, free_port())
            with process(command, folder / "flwr", folder / "supernode.log"):
                yield learner
        finally:
            server.stop()
            thread.join(30)


def test_a_run_trains_and_releases_the_model_to_all(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    home = tmp_path / "flwr"
    write_flwr_config(home, address)
    with ExitStack() as stack:
        stack.enter_context(process(superlink_command(address, tmp_path), home, tmp_path / "superlink.log"))
        wait_until_answering(address)
        old, young = (
            stack.enter_context(building(name, days, address, tmp_path / name)) for name, days in (("B1", 8), ("B2", 1))
        )
        run_id = start_run(ROOT, home, OVERRIDES)
        result = wait_for_run(home, run_id, 300)
        logs = "\n".join(file.read_text(errors="replace") for file in tmp_path.rglob("*.log"))
        assert result.completed, logs
    # The release brings weights into use; the building with one day of history gets them as well.
    assert (old.model_version, young.model_version) == (1, 1)
    assert old.forecast(after(8), slot_index(after(8), SLOT_MINUTES)).source == "model"
    assert young.forecast(after(1), slot_index(after(1), SLOT_MINUTES)).source == "seasonal"
    again = Learner("B1", tmp_path / "B1", lambda _: readings(8), SLOT_MINUTES)
    assert again.model_version == 1


def test_a_secure_run_survives_a_building_that_cannot_train(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    home = tmp_path / "flwr"
    write_flwr_config(home, address)
    with ExitStack() as stack:
        stack.enter_context(process(superlink_command(address, tmp_path), home, tmp_path / "superlink.log"))
        wait_until_answering(address)
        days = {"B1": 8, "B2": 6, "B3": 7, "B4": 1}
        learners = [
            stack.enter_context(building(name, known, address, tmp_path / name)) for name, known in days.items()
        ]
        secure: dict[str, str | int | float] = {
            "secure-aggregation": True,
            "min-available-nodes": 4,
            "rounds": 1,
            "checkpoint-dir": str(tmp_path),
        }
        run_id = start_run(ROOT, home, OVERRIDES | secure)
        result = wait_for_run(home, run_id, 300)
        logs = "\n".join(file.read_text(errors="replace") for file in tmp_path.rglob("*.log"))
        assert result.completed, logs
    assert [learner.model_version for learner in learners] == [1, 1, 1, 1]
    checkpoint = load_checkpoint(tmp_path, 24 * 60 // SLOT_MINUTES)
    assert checkpoint is not None
    start = initial_weights(24 * 60 // SLOT_MINUTES, LearningConfig().seed)
    moved = norm_of(difference(checkpoint.weights, start))
    assert 0 < moved < 100, "the released model is not the start, and no mask is left in it"


@contextmanager
def without_buildings(folder: Path) -> Iterator[Path]:
    """A SuperLink that no building has joined; yields Flower's home there."""
    address, home = f"127.0.0.1:{free_port()}", folder / "flwr"
    write_flwr_config(home, address)
    with process(superlink_command(address, folder), home, folder / "superlink.log"):
        wait_until_answering(address)
        yield home


def test_a_run_without_enough_buildings_fails_by_itself(tmp_path: Path) -> None:
    with without_buildings(tmp_path) as home:
        run_id = start_run(ROOT, home, OVERRIDES | {"node-wait-seconds": 2})
        result = wait_for_run(home, run_id, 120)
    assert result.status == "finished:failed"


def test_a_run_that_waits_is_ended_for_certain(tmp_path: Path) -> None:
    with without_buildings(tmp_path) as home:
        run_id = start_run(ROOT, home, OVERRIDES)
        end_run(home, run_id)
        assert run_status(home, run_id) == "finished:stopped"
        end_run(home, run_id)
