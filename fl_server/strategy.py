"""Weighted federated averaging (McMahan et al. 2017, arXiv:1602.05629, algorithm 1) that survives bad updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf, sqrt

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from building_clients.architecture import Weights
from building_clients.differential_privacy import central_deviation, clipped, with_noise
from building_clients.settings import LearningConfig
from building_clients.wire import packed, unpacked
from fl_server.aggregation import ServerMomentum, absurd, aggregate, difference
from fl_server.replies import Shapes, fault_of, participant, who_of
from fl_server.report import Dropped, Participant, RoundOutcome, mean_of, without_losses

OnRound = Callable[[int, RoundOutcome], None]
FindNodes = Callable[[Grid], list[int]]
"""Ids of the connected nodes; raises when they are too few for a round."""
LATE = "no answer within the round's time limit (learning.round_timeout_seconds)"


class BuildingFedAvg(FedAvg):
    """Flower's FedAvg over the buildings whose updates can be used; the others are reported and left out.

    The incoming model is measured inside the train message, so a round costs one message; only after the last round
    an evaluate message releases the final weights to all buildings.
    """

    def __init__(
        self,
        config: LearningConfig,
        shapes: Shapes,
        windows_max: int,
        on_round: OnRound,
        find_nodes: FindNodes,
        sender_of: Callable[[Message], int],
        velocity: Weights | None = None,
    ) -> None:
        """`windows_max`: most training windows that a building can have [1]; `velocity` as a checkpoint keeps it."""
        super().__init__()
        self._config = config
        self._shapes = shapes
        self._windows_max = windows_max
        self.server = ServerMomentum(config.server_momentum, velocity)
        """Its momentum belongs into a checkpoint."""
        self._start: Weights = []
        self._on_round = on_round
        self._find_nodes = find_nodes
        self._sender_of = sender_of
        self._names: dict[int, str] = {}
        self._asked: list[int] = []
        self.successful_rounds = 0
        """Rounds in which at least one building's weights were averaged [1]"""

    def play(self, server_round: int, weights: Weights, grid: Grid) -> Weights | None:
        """One round from `weights`; the next global weights, or None when nobody could take part."""
        record = ConfigRecord(self._config.model_dump())
        messages = self.configure_train(server_round, packed(weights), record, grid)
        replies = grid.send_and_receive(messages, timeout=self._config.round_timeout_seconds)
        arrays, _ = self.aggregate_train(server_round, replies)
        return None if arrays is None else unpacked(arrays)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask every connected building. Flower's own way waits without end when there are too few."""
        self._asked = self._find_nodes(grid)
        self._start = unpacked(arrays)
        config["server-round"] = server_round
        return self._messages("train", arrays, config, self._asked)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average what can be used. Without any usable update the global weights stay as they are."""
        good, participants, dropped = self._sort(replies)
        arrays = None
        try:
            arrays = packed(self._next(good, [p.num_examples or 0 for p in participants])) if good else None
        except ValueError as error:
            participants = []
            dropped.append(Dropped(building_id="all", reason=str(error)))
        self.successful_rounds += arrays is not None
        outcome = mean_of(participants, dropped)
        self._on_round(server_round, outcome if self._config.privacy == "none" else without_losses(outcome))
        return arrays, None

    def _next(self, updates: list[Weights], counts: list[int]) -> Weights:
        start, config = self._start, self._config
        if config.privacy == "none":
            return self._advanced(aggregate(updates, counts, config.aggregation, config.trim_share))
        # everyone counts the same: the noise is made for a plain mean, which no building moves by more than its share
        moved = [clipped(difference(update, start), self._clip_norm) for update in updates]
        mean = aggregate(moved, [1] * len(moved), config.aggregation, config.trim_share)
        return self._stepped(mean, len(moved))

    def _stepped(self, mean: Weights, buildings: int) -> Weights:
        """The next global weights, from the mean update of so many buildings. Raises ValueError as `_advanced`."""
        config = self._config
        if config.privacy == "central":
            deviation = central_deviation(config.noise_multiplier, config.clip_norm, buildings)
            mean = with_noise(mean, deviation, np.random.default_rng())
        return self._advanced([(old + step).astype(np.float32) for old, step in zip(self._start, mean, strict=True)])

    def _advanced(self, average: Weights) -> Weights:
        """The next global weights, from the round's average. Raises ValueError when they are absurd."""
        before = self.server.velocity
        weights = self.server.step(self._start, average)
        why = absurd(self._start, [weights], self._noise_norm).get(0)
        if why is not None:
            self.server.velocity = before
            raise ValueError(f"the next model is refused: {why}")
        return weights

    @property
    def _noise_norm(self) -> float:
        """Norm of the noise that one building may add, or the server at most [1]"""
        config, numbers = self._config, sum(array.size for array in self._start)
        return 0.0 if config.privacy == "none" else config.noise_multiplier * config.clip_norm * sqrt(numbers)

    @property
    def _clip_norm(self) -> float:
        """Buildings clip; the server makes sure. With local noise an update is longer, and noise needs no clipping."""
        return self._config.clip_norm if self._config.privacy == "central" else inf

    def _sort(self, replies: Iterable[Message]) -> tuple[list[Weights], list[Participant], list[Dropped]]:
        good: list[Weights] = []
        participants: list[Participant] = []
        dropped: list[Dropped] = []
        silent = set(self._asked)
        for reply in replies:
            silent.discard(self._sender_of(reply))
            name, fault = self._name(reply), fault_of(reply, self._shapes, self._windows_max)
            if fault is None:
                good.append(unpacked(reply.content.array_records["arrays"]))
                participants.append(participant(name, reply))
            else:
                dropped.append(Dropped(building_id=name, reason=fault[:2000]))
        # with central privacy clipping bounds the harm; to choose updates by what is in them would cost more epsilon
        gone = absurd(self._start, good, self._noise_norm) if self._config.privacy != "central" else {}
        dropped += [Dropped(building_id=participants[index].building_id, reason=why) for index, why in gone.items()]
        dropped += [Dropped(building_id=self._name_of(node), reason=LATE) for node in self._asked if node in silent]
        kept = [index for index in range(len(good)) if index not in gone]
        return [good[index] for index in kept], [participants[index] for index in kept], dropped

    def release(self, arrays: ArrayRecord, config: ConfigRecord, grid: Grid) -> list[Message]:
        """The messages that bring the final weights to whoever is connected."""
        self._asked = list(grid.get_node_ids())
        return self._messages("evaluate", arrays, config, self._asked)

    def refusals(self, answers: Iterable[Message]) -> list[tuple[str, str]]:
        """Who does not use the released model, or does not say so, and why."""
        found, silent = [], set(self._asked)
        for reply in answers:
            silent.discard(self._sender_of(reply))
            name, who = self._name(reply), who_of(reply)
            if reply.has_error():
                found.append((name, str(reply.error.reason)))
            elif "error" in who:
                found.append((name, str(who["error"])))
        return found + [(self._name_of(node), LATE) for node in self._asked if node in silent]

    def _messages(
        self, message_type: str, arrays: ArrayRecord, config: ConfigRecord, nodes: list[int]
    ) -> list[Message]:
        content = RecordDict({self.arrayrecord_key: arrays, self.configrecord_key: config})
        return [Message(content=content, dst_node_id=node, message_type=message_type) for node in nodes]

    def _name_of(self, node: int) -> str:
        return self._names.get(node, f"node {node}")

    def _name(self, reply: Message) -> str:
        """What the building calls itself, remembered for when its node can only report an error or nothing."""
        node = self._sender_of(reply)
        if who := who_of(reply):
            self._names[node] = str(who.get("building-id", f"node {node}"))[:64]
        return self._name_of(node)
