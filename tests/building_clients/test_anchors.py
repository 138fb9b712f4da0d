"""A building asks the contract, not the sender, whether a released model is the one that was released."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from building_clients import anchors
from building_clients.anchors import ModelAnchors
from building_clients.architecture import initial_weights, model_hash
from building_clients.learner import Learner
from building_clients.settings import LearningConfig
from building_clients.slots import TrainError
from building_clients.trainer_socket import TrainerError, TrainerServer, request
from contracts.hub_client import HubClient
from tests.building_clients.synthetic import SLOT_MINUTES, readings
from tests.contracts.market_world import MarketWorld
from tests.dashboard.hub_server import HubServer

HORIZON = 24 * 60 // SLOT_MINUTES
WEIGHTS = initial_weights(HORIZON, 1)
CHANGED = [WEIGHTS[0] + np.float32(1e-6), *WEIGHTS[1:]]


@pytest.fixture
def world(chain: str, monkeypatch: pytest.MonkeyPatch) -> MarketWorld:
    monkeypatch.setattr(anchors, "WAIT_S", 1.0)
    return MarketWorld(chain, 1)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubClient]:
    server = HubServer(tmp_path / "hub").start()
    client = HubClient(server.url)
    yield client
    client.close()
    server.stop()


@pytest.fixture
def found(world: MarketWorld, hub: HubClient) -> ModelAnchors:
    hub.put("/api/market", world.deployment.model_dump(mode="json"))
    return ModelAnchors(hub, None)


def test_the_anchored_model_passes_and_a_changed_one_does_not(world: MarketWorld, found: ModelAnchors) -> None:
    with pytest.raises(TrainError, match="is not anchored on contract 0x"):
        found.require(WEIGHTS)
    world.ledger.anchor_model(model_hash(WEIGHTS))
    found.require(WEIGHTS)
    with pytest.raises(TrainError, match=f"the model {model_hash(CHANGED)} is refused"):
        found.require(CHANGED)


def test_without_a_contract_nothing_is_believed(world: MarketWorld, hub: HubClient) -> None:
    with pytest.raises(TrainError, match="is refused"):
        ModelAnchors(hub, None).require(WEIGHTS)


def test_a_building_keeps_its_model_when_it_gets_a_changed_one(
    world: MarketWorld, found: ModelAnchors, tmp_path: Path
) -> None:
    history = readings(2)
    (tmp_path / "B1").mkdir()
    learner = Learner("B1", tmp_path / "B1", lambda minutes: history.iloc[-minutes:], SLOT_MINUTES)
    path = tmp_path / "t.sock"
    server = TrainerServer(learner, path, found.require)
    thread = threading.Thread(target=server.run)
    thread.start()
    head = {"do": "adopt", "config": LearningConfig().model_dump()}
    try:
        world.ledger.anchor_model(model_hash(WEIGHTS))
        with pytest.raises(TrainerError, match="was it changed on the way"):
            request(path, head, CHANGED, 30)
        assert learner.model_version == 0
        assert request(path, head, WEIGHTS, 30)[0] == {"in_use": True}
        assert learner.model_version == 1
    finally:
        server.stop()
        thread.join(30)
