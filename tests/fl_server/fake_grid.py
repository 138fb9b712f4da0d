"""A grid without a network: every node answers through a function."""

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

Answer = Callable[[Message], Message | None]


class FakeGrid(Grid):
    """`answer` gives a node's reply, or None for a node that stays silent."""

    def __init__(self, nodes: list[int], answer: Answer) -> None:
        self.nodes = nodes
        self.sent: list[Message] = []
        self._answer = answer
        self._waiting: dict[str, Message] = {}

    def set_run(self, run: Any) -> None:
        """Not used."""

    @property
    def run(self) -> Any:
        """Not used."""
        return None

    def create_message(self, *_: Any, **__: Any) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return self.nodes

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        identities = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = identity = uuid.uuid4().hex
            self.sent.append(message)
            self._waiting[identity] = message
            identities.append(identity)
        return identities

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """One reply at a time, as from buildings of unequal speed."""
        for identity in message_ids:
            reply = self._answer(self._waiting[identity])
            if reply is not None:
                return [reply]
        return []

    def send_and_receive(self, *_: Any, **__: Any) -> Iterable[Message]:
        raise AssertionError("Flower's slow way of waiting must not be used")
