"""The four messages of a round with secure aggregation, as a building answers them.

1. `query.keys`: fresh public keys. 2. `query.shares`: shares of its secrets, encrypted for the other buildings.
3. `train.masked`: it trains, and sends the masked update. 4. `query.unmask`: shares of what masks the sum.
Secrets stay in the node's own state between the messages; see `secure_update` for what is never said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict

from building_clients.masking import quantised
from building_clients.node_training import building_id, train_here
from building_clients.secure_update import SecureError, State, hide, make_keys, make_shares, reveal
from building_clients.settings import learning_config
from building_clients.wire import unpacked

STATE = "secure-round"
KEYS = ("mask", "cipher")
LOSSES = ("train_loss", "loss_before", "loss_after")
"""Metrics that travel inside the masked vector, in this order."""


def keys(message: Message, context: Context) -> Message:
    """Stage 1: forget the last round, and answer with two fresh public keys."""

    def answer() -> RecordDict:
        state, public = make_keys()
        _remember(context, state)
        return RecordDict({"keys": ConfigRecord(dict(public))})

    return _reply(message, context, answer)


def shares(message: Message, context: Context) -> Message:
    """Stage 2: from everybody's public keys, encrypted shares for everybody else."""

    def answer() -> RecordDict:
        listed = _bytes(message.content, "keys")
        nodes = {int(name.partition("-")[0]) for name in listed}
        public = {node: {name: listed[f"{node}-{name}"] for name in KEYS} for node in nodes}
        state, found = make_shares(_state(context), context.node_id, public)
        _remember(context, state)
        return _shares_record(found)

    return _reply(message, context, answer)


def masked_update(message: Message, context: Context) -> Message:
    """Stage 3: train from the global weights, and answer with the update under masks."""

    def answer() -> RecordDict:
        values = dict(message.content.config_records["config"])
        config = learning_config(values)
        weights = unpacked(message.content.array_records["arrays"])
        received = {int(node): text for node, text in _bytes(message.content, "shares").items()}
        numbers, trained = train_here(context, values, config, weights)
        update = [new - old for new, old in zip(trained, weights, strict=True)]
        # With differential privacy everyone counts the same: the noise is made for a plain mean.
        count = int(numbers["num-examples"]) if config.privacy == "none" else 1
        vector = quantised(update, tuple(float(numbers[name]) for name in LOSSES), count)
        state, hidden = hide(_state(context), context.node_id, received, vector)
        _remember(context, state)
        return RecordDict({"masked": ArrayRecord([hidden])})

    return _reply(message, context, answer)


def unmask(message: Message, context: Context) -> Message:
    """Stage 4: help to take the masks off the sum, once."""

    def answer() -> RecordDict:
        asked = message.content.config_records["asked"]
        survivors, gone = ([int(node) for node in str(asked[name]).split()] for name in ("survivors", "gone"))
        state, found = reveal(_state(context), survivors, gone)
        _remember(context, state)
        return _shares_record(found)

    return _reply(message, context, answer)


def _reply(message: Message, context: Context, answer: Callable[[], RecordDict]) -> Message:
    """The answer with the building's name, or its reason for giving none."""
    who = ConfigRecord({"building-id": building_id(context)})
    try:
        content = answer()
    except (ValueError, RuntimeError, KeyError) as error:
        content = RecordDict()
        who["error"] = f"no record {error} in the message" if isinstance(error, KeyError) else str(error)
    content["building"] = who
    return Message(content=content, reply_to=message)


def _shares_record(found: Mapping[int, bytes]) -> RecordDict:
    return RecordDict({"shares": ConfigRecord({str(node): share for node, share in found.items()})})


def _state(context: Context) -> State:
    if STATE not in context.state:
        raise SecureError("this building did not take part in the round's first stage")
    return _bytes(context.state, STATE)


def _remember(context: Context, state: State) -> None:
    context.state[STATE] = ConfigRecord(dict(state))


def _bytes(content: RecordDict, name: str) -> dict[str, bytes]:
    found = dict(content.config_records[name])
    return {key: value for key, value in found.items() if isinstance(value, bytes)}
