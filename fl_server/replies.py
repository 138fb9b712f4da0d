"""What a building's reply to a train message holds, and what is wrong with it: no reply may end a round for others."""

from __future__ import annotations

from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from building_clients.wire import unpacked
from fl_server.report import Participant

METRICS = {"num-examples", "train_loss", "loss_before", "loss_after", "train_seconds"}
"""Metrics of a reply; all replies of a round must have the same."""
METRIC_MAX = 1e6
"""A loss [1] or a time [s] beyond this is nonsense, and would spoil the mean of all"""
Shapes = list[tuple[int, ...]]


def who_of(reply: Message) -> ConfigRecord:
    """What the building says about itself; empty when it says nothing."""
    return reply.content.config_records.get("building", ConfigRecord()) if reply.has_content() else ConfigRecord()


def fault_of(reply: Message, shapes: Shapes, windows_max: int) -> str | None:
    """Why a reply cannot be used; None when it can. `windows_max` is the largest sample count to believe."""
    if reply.has_error():
        return f"failed: {reply.error.reason}"
    try:
        return _content_fault(reply.content, shapes, windows_max)
    except Exception as error:  # bytes of a stranger can fail to decode in many ways
        return f"the reply is not in the agreed form ({type(error).__name__}: {error})"


def participant(name: str, reply: Message) -> Participant:
    """The numbers of a reply without fault."""
    numbers: Any = reply.content.metric_records["metrics"]
    return Participant(
        building_id=name,
        num_examples=numbers["num-examples"],
        train_loss=numbers["train_loss"],
        loss_before=numbers["loss_before"],
        train_seconds=numbers["train_seconds"],
    )


def _content_fault(records: RecordDict, shapes: Shapes, windows_max: int) -> str | None:
    if {*records} != {"arrays", "metrics", "building"}:
        return f"the reply holds {sorted(records)} instead of arrays, metrics and building"
    if "error" in (who := records.config_records["building"]):
        return str(who["error"])
    numbers: dict[str, Any] = dict(records.metric_records["metrics"])
    return _number_fault(numbers, windows_max) or _array_fault(records.array_records["arrays"], shapes)


def _number_fault(numbers: dict[str, Any], windows_max: int) -> str | None:
    if set(numbers) != METRICS:
        return f"the metrics are {sorted(numbers)} instead of {sorted(METRICS)}"
    count = numbers["num-examples"]
    if not isinstance(count, int) or count <= 0:
        return f"num-examples = {count} is not a positive count"
    if count > windows_max:
        return f"num-examples = {count}, but learning.history_days gives at most {windows_max} windows"
    wrong = [name for name, value in numbers.items() if name != "num-examples" and not _usual(value)]
    return f"{', '.join(sorted(wrong))}: not finite, or beyond {METRIC_MAX:g}" if wrong else None


def _usual(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= METRIC_MAX


def _array_fault(record: ArrayRecord, shapes: Shapes) -> str | None:
    arrays = unpacked(record)
    if [array.shape for array in arrays] != shapes:
        return "the weights have other shapes than the model"
    if not all(np.isfinite(array).all() for array in arrays):
        return "the weights are not finite"
    return None
