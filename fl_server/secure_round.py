"""Rounds with secure aggregation: the server learns the weighted mean of the updates, and of no building anything else.

Four messages instead of one; the buildings' side is `building_clients.secure_stages`. Buildings may drop out between
any two of them, as long as a majority stays. What is given up: an absurd update cannot be seen before it is averaged;
an absurd sum ends the round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from building_clients.architecture import Weights
from building_clients.masking import averaged
from building_clients.secure_stages import KEYS, LOSSES
from building_clients.secure_update import SecureError, threshold_of
from building_clients.settings import SMALLEST, STAGE_S
from building_clients.wire import packed
from fl_server.replies import who_of
from fl_server.report import Dropped, Participant, RoundOutcome
from fl_server.strategy import LATE, BuildingFedAvg
from fl_server.unmasking import unmasked_sum

Contents = dict[int, RecordDict]


class SecureFedAvg(BuildingFedAvg):
    """Federated averaging of updates that nobody but their buildings ever sees."""

    _lost: list[Dropped]

    def play(self, server_round: int, weights: Weights, grid: Grid) -> Weights | None:
        """One round from `weights`; the next global weights, or None when the sum could not be had."""
        self._start, self._lost = weights, []
        try:
            mean, outcome = self._sum_of_all(server_round, grid)
            following = self._stepped(mean, len(outcome.participants))
        except (SecureError, ValueError) as error:
            self._lost.append(Dropped(building_id="all", reason=f"secure aggregation: {error}"[:2000]))
            self._on_round(server_round, RoundOutcome(participants=(), num_examples=0, loss=None, dropped=self._gone))
            return None
        self.successful_rounds += 1
        self._on_round(server_round, outcome)
        return following

    @property
    def _gone(self) -> tuple[Dropped, ...]:
        return tuple(self._lost)

    def _sum_of_all(self, server_round: int, grid: Grid) -> tuple[Weights, RoundOutcome]:
        public = self._keys(grid)
        shares = self._shares(grid, public)
        vectors = self._vectors(grid, server_round, shares)
        gone = sorted(set(shares) - set(vectors))
        threshold = threshold_of(len(public))
        helped = self._help(grid, sorted(vectors), gone, threshold)
        masks = {node: keys["mask"] for node, keys in public.items()}
        total = unmasked_sum(vectors, gone, masks, helped, threshold)
        mean, losses, count = averaged(total, self._shapes, len(LOSSES), len(vectors))
        if count > self._windows_max * len(vectors):
            raise SecureError(f"{count} windows of {len(vectors)} buildings, but each has {self._windows_max} at most")
        by_name = dict(zip(LOSSES, losses, strict=True))
        outcome = RoundOutcome(
            participants=tuple(Participant(building_id=self._name_of(node)) for node in sorted(vectors)),
            num_examples=count,
            loss=by_name["loss_before"],
            train_loss=by_name["train_loss"],
            dropped=self._gone,
        )
        return mean, outcome

    def _keys(self, grid: Grid) -> dict[int, dict[str, bytes]]:
        nodes = self._find_nodes(grid)
        answers = self._ask(grid, "query.keys", {node: RecordDict() for node in nodes}, STAGE_S, _has_keys)
        if len(answers) < SMALLEST:
            raise SecureError(f"{len(answers)} buildings answered; {SMALLEST} are needed to hide from each other")
        return {node: _bytes(content, "keys") for node, content in answers.items()}

    def _shares(self, grid: Grid, public: Mapping[int, Mapping[str, bytes]]) -> dict[int, dict[str, bytes]]:
        listed = ConfigRecord({f"{node}-{name}": keys[name] for node, keys in public.items() for name in KEYS})
        contents = {node: RecordDict({"keys": listed}) for node in public}

        def complete(content: RecordDict, node: int) -> str | None:
            missing = {str(other) for other in public if other != node} - set(_bytes(content, "shares"))
            return f"its secrets are not shared with nodes {', '.join(sorted(missing))}" if missing else None

        answers = self._ask(grid, "query.shares", contents, STAGE_S, complete)
        return {node: _bytes(content, "shares") for node, content in answers.items()}

    def _vectors(self, grid: Grid, server_round: int, shares: dict[int, dict[str, bytes]]) -> dict[int, np.ndarray]:
        config = ConfigRecord({**self._config.model_dump(), "server-round": server_round})
        arrays = packed(self._start)
        contents = {
            node: RecordDict({"arrays": arrays, "config": config, "shares": _received(shares, node)}) for node in shares
        }
        size = sum(array.size for array in self._start) + len(LOSSES) + 1

        def fits(content: RecordDict, _: int) -> str | None:
            found = content.array_records["masked"].to_numpy_ndarrays()
            right = len(found) == 1 and found[0].shape == (size,) and found[0].dtype == np.uint64
            return None if right else "its masked update is not one vector of the model's size"

        answers = self._ask(grid, "train.masked", contents, self._config.round_timeout_seconds, fits)
        return {node: content.array_records["masked"].to_numpy_ndarrays()[0] for node, content in answers.items()}

    def _help(self, grid: Grid, survivors: list[int], gone: list[int], threshold: int) -> list[dict[int, bytes]]:
        if len(survivors) < threshold:
            raise SecureError(
                f"{len(survivors)} buildings sent an update; with fewer than {threshold} none can be read"
            )
        asked = ConfigRecord({"survivors": " ".join(map(str, survivors)), "gone": " ".join(map(str, gone))})
        contents = {node: RecordDict({"asked": asked}) for node in survivors}

        def readable(content: RecordDict, _: int) -> str | None:
            return None if _by_node(content) else "it holds no share"

        answers = self._ask(grid, "query.unmask", contents, STAGE_S, readable)
        return [_by_node(content) for content in answers.values()]

    def _ask(
        self,
        grid: Grid,
        stage: str,
        contents: Contents,
        timeout_s: float,
        fault_of: Callable[[RecordDict, int], str | None],
    ) -> Contents:
        """One stage: what each node answered; the others are noted as lost, with the reason."""
        messages = [Message(content=one, dst_node_id=node, message_type=stage) for node, one in contents.items()]
        answers: Contents = {}
        waiting = set(contents)
        for reply in grid.send_and_receive(messages, timeout=timeout_s):
            node = self._sender_of(reply)
            if node not in waiting:
                continue
            waiting.discard(node)
            name, fault = self._name(reply), _fault(reply, node, fault_of)
            if fault is None:
                answers[node] = reply.content
            else:
                self._lost.append(Dropped(building_id=name, reason=f"{stage}: {fault}"[:2000]))
        self._lost += [Dropped(building_id=self._name_of(node), reason=f"{stage}: {LATE}") for node in sorted(waiting)]
        return answers


def _fault(reply: Message, node: int, fault_of: Callable[[RecordDict, int], str | None]) -> str | None:
    if reply.has_error():
        return f"failed: {reply.error.reason}"
    if "error" in (who := who_of(reply)):
        return str(who["error"])
    try:
        return fault_of(reply.content, node)
    except Exception as error:  # bytes of a stranger can fail to decode in many ways
        return f"the answer is not in the agreed form ({type(error).__name__}: {error})"


def _has_keys(content: RecordDict, _: int) -> str | None:
    return None if set(_bytes(content, "keys")) == set(KEYS) else "its public keys are incomplete"


def _received(shares: Mapping[int, Mapping[str, bytes]], node: int) -> ConfigRecord:
    return ConfigRecord({str(other): texts[str(node)] for other, texts in shares.items() if other != node})


def _by_node(content: RecordDict) -> dict[int, bytes]:
    return {int(node): share for node, share in _bytes(content, "shares").items()}


def _bytes(content: RecordDict, name: str) -> dict[str, bytes]:
    return {key: value for key, value in content.config_records[name].items() if isinstance(value, bytes)}
