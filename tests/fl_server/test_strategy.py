"""The average against numpy's, and every kind of update that must not spoil it."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from building_clients.differential_privacy import norm_of
from building_clients.settings import LearningConfig
from building_clients.wire import packed, unpacked
from fl_server import strategy as strategy_module
from fl_server.report import Dropped, Participant, RoundOutcome
from fl_server.strategy import BuildingFedAvg

SHAPES: list[tuple[int, ...]] = [(2, 3), (4,)]
WINDOWS = 2000
Weights = list[np.ndarray]


class Rounds:
    """A strategy and what it reported."""

    def __init__(self, nodes: tuple[int, ...] = (), **config: Any) -> None:
        self.participants: list[Participant] = []
        self.dropped: list[Dropped] = []
        self.loss: float | None = None
        self.nodes = list(nodes)
        settings = LearningConfig(**config)
        self.strategy = BuildingFedAvg(settings, SHAPES, WINDOWS, self._note, lambda _grid: self.nodes, _sender)
        self.strategy._start = weights(0)

    def _note(self, _round: int, outcome: RoundOutcome) -> None:
        self.participants, self.dropped = list(outcome.participants), list(outcome.dropped)
        self.loss = outcome.loss


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
    numbers = {
        "num-examples": examples,
        "train_loss": 0.3,
        "loss_before": 0.4,
        "loss_after": 0.2,
        "train_seconds": 1.5,
    } | more
    building = ConfigRecord({"building-id": who or f"B{node}"})
    content = RecordDict({"arrays": packed(arrays), "metrics": MetricRecord(numbers), "building": building})
    return Message(content=content, reply_to=asked(node))


def average(rounds: Rounds, replies: list[Message]) -> Weights | None:
    arrays, _ = rounds.strategy.aggregate_train(1, replies)
    return None if arrays is None else unpacked(arrays)


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


def with_record(name: str, record: Any) -> Message:
    message = reply(9, weights(9))
    message.content[name] = record
    return message


def with_array(stype: str, data: bytes) -> Message:
    return with_record("arrays", ArrayRecord({"2x3,4": Array("float32", (10,), stype, data)}))


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
        (reply(9, weights(9), examples=WINDOWS + 1), "gives at most 2000 windows"),
        (reply(9, weights(9), examples=2**53 - 1), "gives at most 2000 windows"),
        (reply(9, weights(9), loss_before=float("nan")), "loss_before: not finite"),
        (reply(9, weights(9), loss_before=1e308), "loss_before: not finite, or beyond 1e+06"),
        (with_record("metrics", ConfigRecord({"num-examples": 10})), "not in the agreed form"),
        (with_record("building", MetricRecord({"building-id": 9})), "not in the agreed form"),
        (with_record("arrays", MetricRecord()), "not in the agreed form"),
        (with_array("numpy.ndarray", b""), "not in the agreed form (EOFError"),
        (with_array("numpy.ndarray", b"PK\x05\x06"), "not in the agreed form (BadZipFile"),
        (with_array("pickle", b"x"), "not in the agreed form (TypeError"),
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
    list(rounds.strategy.configure_train(1, packed(weights(1)), ConfigRecord(), grid))
    average(rounds, [reply(1, weights(1)), reply(2, weights(2))])
    assert [(d.building_id, "no answer" in d.reason) for d in rounds.dropped] == [("node 3", True)]
    average(rounds, [reply(1, weights(1)), reply(3, weights(2))])
    assert [d.building_id for d in rounds.dropped] == ["B2"]


def test_every_connected_building_is_asked_once_with_the_settings() -> None:
    rounds = Rounds(nodes=(5, 6))
    grid: Any = NoGrid()
    messages = list(rounds.strategy.configure_train(2, packed(weights(1)), ConfigRecord({"seed": 3}), grid))
    assert [message.metadata.dst_node_id for message in messages] == [5, 6]
    assert dict(messages[0].content.config_records["config"]) == {"seed": 3, "server-round": 2}


def test_the_model_is_released_to_all_who_are_connected() -> None:
    strategy, grid = Rounds().strategy, NoGrid()
    fake: Grid = grid  # type: ignore[assignment]  # the one method that is used
    messages = strategy.release(packed(weights(1)), ConfigRecord({"seed": 3}), fake)
    assert [message.metadata.dst_node_id for message in messages] == [1, 2]
    assert dict(messages[0].content.config_records["config"]) == {"seed": 3}


def started(rounds: Rounds, start: Weights) -> None:
    grid: Any = NoGrid()
    list(rounds.strategy.configure_train(1, packed(start), ConfigRecord(), grid))


def near(start: Weights, seed: int, size: float = 0.01) -> Weights:
    return [old + np.float32(size) * step for old, step in zip(start, weights(seed), strict=True)]


def test_hundred_times_the_weights_are_left_out_and_named() -> None:
    rounds, start = Rounds(), weights(1)
    started(rounds, start)
    sent = [near(start, seed) for seed in (2, 3, 4)]
    loud = [100 * array for array in near(start, 5)]
    found = average(rounds, [reply(9, loud), *(reply(node, update) for node, update in enumerate(sent))])
    assert_average(found, sent, [10, 10, 10])
    assert [(d.building_id, "times the median" in d.reason) for d in rounds.dropped] == [("B9", True)]
    assert [p.building_id for p in rounds.participants] == ["B0", "B1", "B2"]


@pytest.mark.parametrize("privacy", ["none", "local"])
def test_of_two_buildings_the_absurd_one_is_left_out(privacy: str) -> None:
    rounds, start = Rounds(privacy=privacy, noise_multiplier=0.01), weights(1)
    started(rounds, start)
    sent = near(start, 2)
    found = average(rounds, [reply(1, sent), reply(9, [100 * array for array in near(start, 5)])])
    assert_average(found, [sent], [10])
    assert [(d.building_id, "times the norm of the model" in d.reason) for d in rounds.dropped] == [("B9", True)]


def test_honest_local_noise_is_not_absurd() -> None:
    """Far larger than the model, but as large as it was asked for."""
    rounds, start = Rounds(privacy="local", noise_multiplier=50.0), weights(1)
    started(rounds, start)
    assert average(rounds, [reply(1, near(start, 2, size=50.0)), reply(2, near(start, 3, size=50.0))]) is not None
    assert rounds.dropped == []


def test_central_privacy_chooses_nobody_by_what_is_in_the_update() -> None:
    rounds, start = Rounds(privacy="central"), weights(1)
    started(rounds, start)
    loud = [100 * array for array in near(start, 5)]
    average(rounds, [reply(9, loud), *(reply(node, near(start, node)) for node in (2, 3, 4))])
    assert (len(rounds.participants), rounds.dropped) == (4, [])


def test_an_absurd_next_model_is_refused_and_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, start = Rounds(server_momentum=0.5), weights(1)
    started(rounds, start)
    average(rounds, [reply(1, near(start, 2))])
    velocity = rounds.strategy.server.velocity
    monkeypatch.setattr(strategy_module, "aggregate", lambda *_: [array * 1e20 for array in start])
    assert average(rounds, [reply(1, near(start, 2))]) is None
    assert [(d.building_id, "the next model is refused" in d.reason) for d in rounds.dropped] == [("all", True)]
    assert (rounds.participants, rounds.strategy.successful_rounds) == ([], 1)
    assert rounds.strategy.server.velocity is velocity


@pytest.mark.parametrize("privacy", ["central", "local"])
def test_with_privacy_no_buildings_losses_are_reported(privacy: str) -> None:
    rounds = Rounds(privacy=privacy)
    average(rounds, [reply(1, weights(0)), reply(2, weights(0))])
    assert [(p.num_examples, p.train_loss, p.loss_before) for p in rounds.participants] == [(10, None, None)] * 2
    assert rounds.loss == pytest.approx(0.4)


def test_who_does_not_answer_the_release_is_known() -> None:
    rounds, grid = Rounds(), NoGrid()
    fake: Grid = grid  # type: ignore[assignment]  # the one method that is used
    rounds.strategy.release(packed(weights(1)), ConfigRecord(), fake)
    content = RecordDict({"metrics": MetricRecord({"in-use": 1}), "building": ConfigRecord({"building-id": "B1"})})
    refused = rounds.strategy.refusals([Message(content=content, reply_to=asked(1))])
    assert [(who, "no answer" in why) for who, why in refused] == [("node 2", True)]


def test_a_median_ignores_sample_counts() -> None:
    rounds = Rounds(aggregation="median")
    sent = [weights(seed) for seed in (1, 2, 3)]
    found = average(rounds, [reply(n, update, 10 ** (n + 1)) for n, update in enumerate(sent)])
    assert found is not None
    np.testing.assert_allclose(found[0], np.median([update[0] for update in sent], axis=0), rtol=1e-6)


def test_momentum_carries_on() -> None:
    rounds, start = Rounds(server_momentum=0.5), weights(1)
    started(rounds, start)
    first = average(rounds, [reply(1, near(start, 2))])
    assert first is not None
    started(rounds, first)
    second = average(rounds, [reply(1, first)])
    assert second is not None
    np.testing.assert_allclose(second[0], first[0] + 0.5 * (first[0] - start[0]), rtol=1e-4, atol=1e-6)


def test_the_server_clips_whoever_does_not() -> None:
    rounds, start = Rounds(privacy="central", clip_norm=0.5, noise_multiplier=0.01), weights(1)
    started(rounds, start)
    found = average(rounds, [reply(1, near(start, 2, size=3.0), 1000)])
    assert found is not None
    assert norm_of([new - old for new, old in zip(found, start, strict=True)]) == pytest.approx(0.5, rel=0.1)


def test_central_noise_is_as_large_as_promised() -> None:
    shapes: list[tuple[int, ...]] = [(200, 100)]
    rounds = Rounds(privacy="central", clip_norm=2.0, noise_multiplier=3.0)
    rounds.strategy._shapes = shapes
    start = [np.zeros(shapes[0], np.float32)]
    started(rounds, start)
    found = average(rounds, [reply(node, start) for node in range(4)])
    assert found is not None
    assert float(found[0].std()) == pytest.approx(2.0 * 3.0 / 4, rel=0.03)
