"""Where a Flower node's training happens: in the building's own warm process, or here for a virtual building."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import Context

from building_clients.settings import LearningConfig
from building_clients.trainer_socket import request
from building_clients.wire import packed, unpacked

if TYPE_CHECKING:
    from building_clients.architecture import Weights
    from building_clients.learner import Learner

TRAIN_TIMEOUT_S = 600.0
HEADS = "heads"
"""Where a virtual building's personal heads are between two rounds."""


def building_id(context: Context) -> str:
    """Name of the building of this node."""
    known = context.node_config.get("building-id")
    return str(known) if known is not None else f"virtual-{context.node_config.get('partition-id', 0)}"


def train_here(
    context: Context, values: dict[str, Any], config: LearningConfig, weights: Weights
) -> tuple[dict[str, Any], Weights]:
    """`num-examples` and losses, and the trained weights. Raises ValueError or RuntimeError with the reason."""
    socket = context.node_config.get("socket")
    server_round = int(values["server-round"])
    if socket is not None:
        head = {"do": "train", "round": server_round, "config": config.model_dump()}
        timeout_s = max(TRAIN_TIMEOUT_S, config.round_timeout_seconds)
        answer, trained = request(Path(str(socket)), head, weights, timeout_s)
        return {"num-examples": int(answer["num_examples"]), **answer["metrics"]}, trained
    learner = virtual_learner(int(str(context.node_config["partition-id"])), config.seed)
    heads = context.state.array_records.get(HEADS)  # of this run; other processes may have trained the rounds before
    learner.run_heads = None if heads is None else unpacked(heads)
    result = learner.train(weights, config, server_round)
    if learner.run_heads is not None:
        context.state[HEADS] = packed(learner.run_heads)
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
