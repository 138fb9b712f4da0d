"""Rounds with secure aggregation through real messages: against the plain average, with buildings that drop out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict

from building_clients import secure_stages
from building_clients.client_app import app
from building_clients.masking import FRACTION_BITS, LARGEST, quantised
from building_clients.settings import LearningConfig
from fl_server.grid import AttentiveGrid
from fl_server.report import RoundOutcome
from fl_server.secure_round import SecureFedAvg
from tests.fl_server.fake_grid import FakeGrid

SHAPES: list[tuple[int, ...]] = [(40, 7), (9,)]
Weights = list[np.ndarray]
Meddle = Callable[[Message, int], Message | None]


def weights(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


class Community:
    """Nodes that answer through the real ClientApp; only the training inside them is a table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, nodes: int, meddle: Meddle | None = None) -> None:
        self.start = weights(0)
        self.trained = {
            node: [a + 0.1 * b for a, b in zip(self.start, weights(node), strict=True)] for node in self.node_ids(nodes)
        }
        self.counts = {node: 100 + 7 * place for place, node in enumerate(self.trained)}
        self.received: list[tuple[int, Message]] = []
        self.outcomes: list[RoundOutcome] = []
        self._contexts = {
            node: Context(1, node, {"building-id": f"B{node % 1000}", "socket": "x"}, RecordDict(), {})
            for node in self.trained
        }
        self._meddle = meddle or (lambda message, _: app(message, self._contexts[self._node(message)]))
        monkeypatch.setattr(secure_stages, "train_here", self._train)
        monkeypatch.setattr("fl_server.grid.POLL_S", 0.01)

    @staticmethod
    def node_ids(count: int) -> list[int]:
        return [2**62 + 1000 + node for node in range(count)]

    def _node(self, message: Message) -> int:
        return message.metadata.dst_node_id

    def _train(self, context: Context, _values: Any, _config: Any, found: Weights) -> tuple[dict[str, Any], Weights]:
        assert all((a == b).all() for a, b in zip(found, self.start, strict=True))
        node = context.node_id
        numbers = {"num-examples": self.counts[node], "train_loss": 0.2, "loss_before": node % 7, "loss_after": 0.1}
        return numbers, self.trained[node]

    def really(self, message: Message) -> Message:
        return app(message, self._contexts[self._node(message)])

    def play(self, **config: Any) -> Weights | None:
        def answer(message: Message) -> Message | None:
            node = self._node(message)
            reply = self._meddle(message, node)
            if reply is not None:
                reply.metadata.__dict__["_reply_to_message_id"] = message.metadata.message_id
                self.received.append((node, reply))
            return reply

        settings = LearningConfig(secure_aggregation=True, min_available_nodes=3, **config)
        grid = AttentiveGrid(FakeGrid(list(self.trained), answer))
        strategy = SecureFedAvg(
            settings,
            SHAPES,
            1000,
            lambda _, outcome: self.outcomes.append(outcome),
            lambda found: list(found.get_node_ids()),
            grid.sender_of,
        )
        return strategy.play(1, self.start, grid)

    def assert_average_of(self, found: Weights | None, nodes: list[int], equal: bool = False) -> None:
        assert found is not None
        counts = [1 if equal else self.counts[node] for node in nodes]
        for index, array in enumerate(found):
            wanted = np.average([self.trained[node][index] for node in nodes], axis=0, weights=counts)
            np.testing.assert_allclose(array, wanted, rtol=3e-7, atol=2.0**-FRACTION_BITS)


def test_the_result_is_the_weighted_average(monkeypatch: pytest.MonkeyPatch) -> None:
    community = Community(monkeypatch, 5)
    found = community.play()
    community.assert_average_of(found, list(community.trained))
    (outcome,) = community.outcomes
    assert outcome.num_examples == sum(community.counts.values())
    wanted = np.average([node % 7 for node in community.trained], weights=list(community.counts.values()))
    assert outcome.loss == pytest.approx(wanted, abs=1e-6)
    assert [(p.num_examples, p.loss_before) for p in outcome.participants] == [(None, None)] * 5
    assert outcome.dropped == ()


def test_the_server_receives_no_single_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever arrived, in whatever part of a message: no array but the masked ones, and those are noise."""
    community = Community(monkeypatch, 4)
    assert community.play() is not None
    arrays: dict[int, np.ndarray] = {}
    for node, reply in community.received:
        assert not reply.content.metric_records
        for record in reply.content.array_records.values():
            assert node not in arrays
            (arrays[node],) = record.to_numpy_ndarrays()
    assert set(arrays) == set(community.trained)
    for node, vector in arrays.items():
        plain = quantised(
            [a - b for a, b in zip(community.trained[node], community.start, strict=True)],
            (0.2, node % 7, 0.1),
            community.counts[node],
        )
        assert vector.shape == plain.shape
        assert not (vector == plain).any()
        # The numbers fill 64 bits evenly, and the difference from the truth does so too: no scale, no offset shows it.
        for numbers in (vector, vector - plain):
            bits = np.unpackbits(numbers.view(np.uint8))
            assert abs(bits.mean() - 0.5) < 5 * 0.5 / np.sqrt(bits.size)


def silent_at(stage: str, *nodes: int) -> Callable[[Community], Meddle]:
    def meddle_of(community: Community) -> Meddle:
        return lambda message, node: (
            None if message.metadata.message_type == stage and node in nodes else community.really(message)
        )

    return meddle_of


@pytest.mark.parametrize("stage", ["query.keys", "query.shares", "train.masked", "query.unmask"])
def test_a_building_may_drop_out_at_any_stage(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    monkeypatch.setattr("fl_server.secure_round.STAGE_S", 1.0)
    community = Community(monkeypatch, 5)
    nodes = list(community.trained)
    community._meddle = silent_at(stage, nodes[1], nodes[3])(community)
    found = community.play(round_timeout_seconds=5)
    left = nodes if stage == "query.unmask" else [nodes[0], nodes[2], nodes[4]]
    community.assert_average_of(found, left)
    (outcome,) = community.outcomes
    assert [len(outcome.participants), len(outcome.dropped)] == [len(left), 2]
    assert all(dropped.reason.startswith(f"{stage}: no answer") for dropped in outcome.dropped)


@pytest.mark.parametrize("stage", ["query.keys", "query.shares", "train.masked", "query.unmask"])
def test_too_few_answers_end_the_round_without_an_average(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    monkeypatch.setattr("fl_server.secure_round.STAGE_S", 1.0)
    community = Community(monkeypatch, 4)
    nodes = list(community.trained)
    community._meddle = silent_at(stage, nodes[1], nodes[3])(community)
    assert community.play(round_timeout_seconds=5) is None
    (outcome,) = community.outcomes
    assert outcome.participants == ()
    assert "secure aggregation:" in outcome.dropped[-1].reason


def failing(message: Message) -> Message:
    who = ConfigRecord({"building-id": "B9", "error": "2.0 days of history"})
    return Message(content=RecordDict({"building": who}), reply_to=message)


def short_vector(message: Message) -> Message:
    content = RecordDict({"masked": ArrayRecord([np.zeros(3, np.uint64)]), "building": ConfigRecord()})
    return Message(content=content, reply_to=message)


def empty(message: Message) -> Message:
    return Message(content=RecordDict(), reply_to=message)


@pytest.mark.parametrize(
    ("bad", "words"),
    [(failing, "2.0 days of history"), (short_vector, "not one vector"), (empty, "not in the agreed form")],
)
def test_one_that_cannot_train_is_left_out(monkeypatch: pytest.MonkeyPatch, bad: Any, words: str) -> None:
    community = Community(monkeypatch, 4)
    nodes = list(community.trained)

    def meddle(message: Message, node: int) -> Message:
        spoil = message.metadata.message_type == "train.masked" and node == nodes[2]
        return bad(message) if spoil else community.really(message)

    community._meddle = meddle
    community.assert_average_of(community.play(), [nodes[0], nodes[1], nodes[3]])
    assert words in community.outcomes[0].dropped[0].reason


def test_a_false_share_ends_the_round_instead_of_spoiling_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    community = Community(monkeypatch, 3)
    nodes = list(community.trained)

    def meddle(message: Message, node: int) -> Message:
        reply = community.really(message)
        if message.metadata.message_type == "query.unmask" and node == nodes[0]:
            shares = reply.content.config_records["shares"]
            for name, share in dict(shares).items():
                assert isinstance(share, bytes)
                shares[name] = share[:4] + bytes(len(share) - 4)
        return reply

    community._meddle = meddle
    assert community.play() is None
    assert "secure aggregation:" in community.outcomes[0].dropped[0].reason


@pytest.mark.parametrize("shares", [None, MetricRecord({"1": 1}), ConfigRecord({"x": b"1"}), ConfigRecord()])
def test_an_unmasking_that_cannot_be_read_is_left_out(monkeypatch: pytest.MonkeyPatch, shares: Any) -> None:
    community = Community(monkeypatch, 4)
    nodes = list(community.trained)

    def meddle(message: Message, node: int) -> Message:
        if message.metadata.message_type != "query.unmask" or node != nodes[0]:
            return community.really(message)
        content = RecordDict({"building": ConfigRecord()} if shares is None else {"shares": shares})
        return Message(content=content, reply_to=message)

    community._meddle = meddle
    community.assert_average_of(community.play(), nodes)
    assert community.outcomes[0].dropped[0].reason.startswith("query.unmask: ")


def test_an_update_too_large_to_hide_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    community = Community(monkeypatch, 4)
    nodes = list(community.trained)
    community.trained[nodes[0]][0][0, 0] = 2 * LARGEST
    community.assert_average_of(community.play(), nodes[1:])
    assert "64 is the most" in community.outcomes[0].dropped[0].reason


def test_central_privacy_adds_its_noise_to_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    community = Community(monkeypatch, 5)
    found = community.play(privacy="central", clip_norm=0.1, noise_multiplier=0.01)
    community_mean = [np.mean([w[i] for w in community.trained.values()], axis=0) for i in range(len(SHAPES))]
    assert found is not None
    deviation = 0.1 * 0.01 / 5
    error = np.concatenate([(a - b).reshape(-1) for a, b in zip(found, community_mean, strict=True)])
    assert 0.5 * deviation < error.std() < 2 * deviation
    assert community.outcomes[0].num_examples == 5


def test_more_windows_than_there_can_be_end_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    community = Community(monkeypatch, 3)
    community.counts[next(iter(community.trained))] = 5000
    assert community.play() is None
    assert "but each has 1000 at most" in community.outcomes[0].dropped[0].reason


def test_an_absurd_sum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    community = Community(monkeypatch, 3)
    community.trained = {node: [array + 60 for array in community.start] for node in community.trained}
    assert community.play() is None
    assert "the next model is refused" in community.outcomes[0].dropped[0].reason


@pytest.mark.parametrize("aggregation", ["median", "trimmed_mean"])
def test_central_noise_is_for_means_alone(aggregation: Any) -> None:
    with pytest.raises(ValueError, match=r"hides nobody in a .*; choose aggregation = .fedavg."):
        LearningConfig(privacy="central", aggregation=aggregation)
    LearningConfig(privacy="local", aggregation=aggregation, server_momentum=0.5)


def test_noise_that_hides_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="noise_multiplier"):
        LearningConfig(privacy="central", noise_multiplier=5e-4)


def test_a_median_of_hidden_updates_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no median can be taken; choose aggregation = .fedavg."):
        LearningConfig(secure_aggregation=True, aggregation="median", min_available_nodes=3)
    with pytest.raises(ValueError, match=r"set min_available_nodes to 3 or more \(it is 2\)"):
        LearningConfig(secure_aggregation=True)
