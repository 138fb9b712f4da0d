"""The average against numpy's, and every kind of update that must not spoil it."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fl_server.report import Dropped, Participant
from fl_server.strategy import BuildingFedAvg

SHAPES: list[tuple[int, ...]] = [(2, 3), (4,)]
Weights = list[np.ndarray]


class Rounds:
    """A strategy and what it reported."""

    def __init__(self, nodes: tuple[int, ...] = ()) -> None:
        self.participants: list[Participant] = []
        self.dropped: list[Dropped] = []
        self.nodes = list(nodes)
        self.strategy = BuildingFedAvg(3, SHAPES, self._note, lambda _grid: self.nodes, _sender)

    def _note(self, _round: int, participants: list[Participant], dropped: list[Dropped]) -> None:
        self.participants, self.dropped = participants, dropped


def _sender(message: Message) -> int:
    return message.metadata.src_node_id


class NoGrid:
    """Knows which nodes are connected."""

    def get_node_ids(self) -> Iterable[int]:
        return [1, 2]


def weights(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


def asked(node: int) -> Message:
    return Message(content=RecordDict(), dst_node_id=node, message_type="train")


def reply(node: int, arrays: Weights, examples: Any = 10, who: str | None = None, **more: Any) -> Message:
    numbers = {"num-examples": examples, "train_loss": 0.3, "loss_before": 0.4, "loss_after": 0.2} | more
    building = ConfigRecord({"building-id": who or f"B{node}"})
    content = RecordDict({"arrays": ArrayRecord(arrays), "metrics": MetricRecord(numbers), "building": building})
    return Message(content=content, reply_to=asked(node))


def average(rounds: Rounds, replies: list[Message]) -> Weights | None:
    arrays, _ = rounds.strategy.aggregate_train(1, replies)
    return None if arrays is None else arrays.to_numpy_ndarrays()


def assert_average(found: Weights | None, sent: list[Weights], counts: list[int]) -> None:
    assert found is not None
    for index, array in enumerate(found):
        wanted = np.average([one[index] for one in sent], axis=0, weights=counts)
        np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)
        assert array.dtype == np.float32


def test_the_aggregate_is_the_weighted_average() -> None:
    rounds, sent, counts = Rounds(), [weights(1), weights(2), weights(3)], [10, 300, 7]
    replies = [reply(node, *pair) for node, pair in enumerate(zip(sent, counts, strict=True), start=1)]
    assert_average(average(rounds, replies), sent, counts)
    assert [(p.building_id, p.num_examples, p.loss_before) for p in rounds.participants] == [
        ("B1", 10, 0.4),
        ("B2", 300, 0.4),
        ("B3", 7, 0.4),
    ]
    assert rounds.dropped == []


def spoilt(change: Callable[[Weights], Weights]) -> Message:
    return reply(9, change(weights(9)))


def refused() -> Message:
    message = reply(9, weights(9), examples=0)
    message.content.config_records["building"]["error"] = "2.0 days of history"
    return message


def without_building() -> Message:
    message = reply(9, weights(9))
    del message.content["building"]
    return message


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (spoilt(lambda w: [w[0] * np.nan, w[1]]), "not finite"),
        (spoilt(lambda w: [w[0], w[1] + np.inf]), "not finite"),
        (spoilt(lambda w: [w[0].T, w[1]]), "other shapes"),
        (spoilt(lambda w: w[:1]), "other shapes"),
        (spoilt(lambda _: []), "other shapes"),
        (reply(9, weights(9), examples=0), "not a positive count"),
        (reply(9, weights(9), examples=-5), "not a positive count"),
        (reply(9, weights(9), examples=2.5), "not a positive count"),
        (reply(9, weights(9), examples=10**18), "not a positive count"),
        (reply(9, weights(9), loss_before=float("nan")), "not finite"),
        (reply(9, weights(9), train_loss=[0.1, 0.2]), "not finite"),
        (reply(9, weights(9), extra=1.0), "extra"),
        (refused(), "2.0 days of history"),
        (without_building(), "instead of arrays, metrics and building"),
        (Message(error=Error(code=0, reason="client app crashed"), reply_to=asked(9)), "client app crashed"),
    ],
)
def test_a_bad_update_is_left_out_and_named(bad: Message, words: str) -> None:
    rounds, sent, counts = Rounds(), [weights(1), weights(2)], [10, 30]
    found = average(rounds, [reply(1, sent[0], 10), bad, reply(2, sent[1], 30)])
    assert_average(found, sent, counts)
    (dropped,) = rounds.dropped
    assert dropped.building_id in ("B9", "node 9")
    assert words in dropped.reason
    assert rounds.strategy.successful_rounds == 1


def test_without_a_usable_update_the_model_stays() -> None:
    rounds = Rounds()
    assert average(rounds, [reply(1, [array * np.nan for array in weights(1)])]) is None
    assert average(rounds, []) is None
    assert rounds.strategy.successful_rounds == 0


def test_a_silent_building_is_reported_by_the_name_it_once_gave() -> None:
    rounds = Rounds(nodes=(1, 2, 3))
    grid: Any = NoGrid()
    list(rounds.strategy.configure_train(1, ArrayRecord(weights(1)), ConfigRecord(), grid))
    average(rounds, [reply(1, weights(1)), reply(2, weights(2))])
    assert [(d.building_id, "no answer" in d.reason) for d in rounds.dropped] == [("node 3", True)]
    average(rounds, [reply(1, weights(1)), reply(3, weights(2))])
    assert [d.building_id for d in rounds.dropped] == ["B2"]


def test_every_connected_building_is_asked_once_with_the_settings() -> None:
    rounds = Rounds(nodes=(5, 6))
    grid: Any = NoGrid()
    messages = list(rounds.strategy.configure_train(2, ArrayRecord(weights(1)), ConfigRecord({"seed": 3}), grid))
    assert [message.metadata.dst_node_id for message in messages] == [5, 6]
    assert dict(messages[0].content.config_records["config"]) == {"seed": 3, "server-round": 2}


def test_only_the_last_round_releases_the_model() -> None:
    strategy, grid = Rounds().strategy, NoGrid()
    fake: Grid = grid  # type: ignore[assignment]  # the one method that is used
    arrays = ArrayRecord(weights(1))
    assert list(strategy.configure_evaluate(1, arrays, ConfigRecord(), fake)) == []
    messages = list(strategy.configure_evaluate(3, arrays, ConfigRecord(), fake))
    assert [message.metadata.dst_node_id for message in messages] == [1, 2]
