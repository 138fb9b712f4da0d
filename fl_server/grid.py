"""Flower's grid, asked for replies several times a second instead of every 3 s."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

POLL_S = 0.25


class AttentiveGrid(Grid):
    """Delegates everything; only waiting for replies is its own."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._asked: dict[str, int] = {}

    def sender_of(self, reply: Message) -> int:
        """Node that a reply is about; when Flower answers in a node's place, the reply itself names the server."""
        return self._asked.get(reply.metadata.reply_to_message_id, reply.metadata.src_node_id)

    def set_run(self, run: Any) -> None:
        """As the grid inside."""
        self._grid.set_run(run)

    @property
    def run(self) -> Any:
        """As the grid inside."""
        return self._grid.run

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """As the grid inside."""
        return self._grid.create_message(*args, **kwargs)

    def get_node_ids(self) -> Iterable[int]:
        """As the grid inside."""
        return self._grid.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """As the grid inside."""
        return self._grid.push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """As the grid inside."""
        return self._grid.pull_messages(message_ids)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Send, and collect replies until all are there or `timeout` [s] is over."""
        messages = list(messages)
        ids = list(self.push_messages(messages))
        self._asked = {one: message.metadata.dst_node_id for one, message in zip(ids, messages, strict=True)}
        waiting = set(ids)
        end = None if timeout is None else time.monotonic() + timeout
        replies: list[Message] = []
        while waiting and (end is None or time.monotonic() < end):
            new = list(self.pull_messages(waiting))
            replies += new
            waiting -= {reply.metadata.reply_to_message_id for reply in new}
            if waiting:
                time.sleep(POLL_S)
        return replies
