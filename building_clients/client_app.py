"""Flower's ClientApp of a building: unpack the message, let the building train, pack the reply.

With `socket` in the node's configuration the building's own warm process trains; without it (plain simulation) a
virtual building is simulated and trains here.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from building_clients.settings import LearningConfig, learning_config
from building_clients.trainer_socket import request

if TYPE_CHECKING:
    import numpy as np

    from building_clients.learner import Learner

TRAIN_TIMEOUT_S = 600.0

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train on the building's own data and answer with weights, sample count and losses."""
    values = dict(message.content.config_records["config"])
    config = learning_config(values)
    weights = message.content.array_records["arrays"].to_numpy_ndarrays()
    who = ConfigRecord({"building-id": building_id(context)})
    try:
        numbers, trained = _train(context, values, config, weights)
    except (ValueError, RuntimeError) as error:
        # The reply must look like the others, so that one building's trouble does not fail the round.
        numbers, trained = {"num-examples": 0, "train_loss": 0.0, "loss_before": 0.0, "loss_after": 0.0}, weights
        who["error"] = str(error)
    content = RecordDict({"arrays": ArrayRecord(trained), "metrics": MetricRecord(numbers), "building": who})
    return Message(content=content, reply_to=message)


@app.evaluate()
def adopt(message: Message, context: Context) -> Message:
    """Take the released global weights into use."""
    weights = message.content.array_records["arrays"].to_numpy_ndarrays()
    socket = context.node_config.get("socket")
    if socket is not None:
        config = learning_config(message.content.config_records["config"])
        request(Path(str(socket)), {"do": "adopt", "config": config.model_dump()}, weights, TRAIN_TIMEOUT_S)
    content = RecordDict({"metrics": MetricRecord({"num-examples": 1})})
    return Message(content=content, reply_to=message)


def building_id(context: Context) -> str:
    """Name of the building of this node."""
    known = context.node_config.get("building-id")
    return str(known) if known is not None else f"virtual-{context.node_config.get('partition-id', 0)}"


def _train(
    context: Context, values: dict[str, Any], config: LearningConfig, weights: list[np.ndarray]
) -> tuple[dict[str, Any], list[np.ndarray]]:
    socket = context.node_config.get("socket")
    server_round = int(values["server-round"])
    if socket is not None:
        head = {"do": "train", "round": server_round, "config": config.model_dump()}
        answer, trained = request(Path(str(socket)), head, weights, TRAIN_TIMEOUT_S)
        return {"num-examples": int(answer["num_examples"]), **answer["metrics"]}, trained
    learner = virtual_learner(int(str(context.node_config["partition-id"])), config.seed)
    result = learner.train(weights, config, server_round)
    return {"num-examples": result.num_examples, **result.metrics}, result.weights


@lru_cache(maxsize=8)
def virtual_learner(index: int, seed: int) -> Learner:
    """A simulated building with 28 days of history, for runs without any other process."""
    from building_clients.learner import FORECAST_DAYS, Learner
    from simulation.building import BuildingSimulation
    from simulation.catalogue import virtual_building
    from simulation.settings import ClockConfig, SiteConfig
    from simulation.simulator import SimulatedBuilding

    config, clock = virtual_building(index), ClockConfig()
    simulation = BuildingSimulation(config, SimulatedBuilding(config, SiteConfig(), seed))
    history = simulation.readings_before(clock.start, FORECAST_DAYS).set_index("timestamp")
    return Learner(config.id, None, lambda minutes: history.iloc[-minutes:], clock.slot_minutes)
