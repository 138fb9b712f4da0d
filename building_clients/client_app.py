"""Flower's ClientApp of a building: unpack the message, let the building train, pack the reply.

With `socket` in the node's configuration the building's own warm process trains; without it (plain simulation) a
virtual building is simulated and trains here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from building_clients import secure_stages
from building_clients.node_training import TRAIN_TIMEOUT_S, building_id, train_here
from building_clients.settings import learning_config
from building_clients.trainer_socket import request
from building_clients.wire import packed, unpacked

if TYPE_CHECKING:
    from building_clients.architecture import Weights

METRICS = ("train_loss", "loss_before", "loss_after", "train_seconds")

app = ClientApp()
app.query("keys")(secure_stages.keys)
app.query("shares")(secure_stages.shares)
app.train("masked")(secure_stages.masked_update)
app.query("unmask")(secure_stages.unmask)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train on the building's own data and answer with weights, sample count and losses."""
    values = dict(message.content.config_records["config"])
    config = learning_config(values)
    weights = unpacked(message.content.array_records["arrays"])
    who = ConfigRecord({"building-id": building_id(context)})
    try:
        numbers, trained = train_here(context, values, config, weights)
    except (ValueError, RuntimeError) as error:
        # The reply must look like the others, so that one building's trouble does not fail the round.
        numbers, trained = dict.fromkeys(METRICS, 0.0) | {"num-examples": 0}, weights
        who["error"] = str(error)
    content = RecordDict({"arrays": packed(trained), "metrics": MetricRecord(numbers), "building": who})
    return Message(content=content, reply_to=message)


@app.evaluate()
def adopt(message: Message, context: Context) -> Message:
    """Take the released global weights into use, unless the building refuses them; `in-use` says whether it did."""
    weights = unpacked(message.content.array_records["arrays"])
    who, in_use = ConfigRecord({"building-id": building_id(context)}), False
    try:
        in_use = _adopt(message, context, weights)
    except (ValueError, RuntimeError) as error:
        who["error"] = str(error)
    metrics = MetricRecord({"num-examples": 1, "in-use": int(in_use)})
    return Message(content=RecordDict({"metrics": metrics, "building": who}), reply_to=message)


def _adopt(message: Message, context: Context, weights: Weights) -> bool:
    socket = context.node_config.get("socket")
    if socket is None:
        return False  # a virtual building forecasts nothing
    config = learning_config(message.content.config_records["config"])
    head = {"do": "adopt", "config": config.model_dump()}
    answer, _ = request(Path(str(socket)), head, weights, TRAIN_TIMEOUT_S)
    return bool(answer["in_use"])
