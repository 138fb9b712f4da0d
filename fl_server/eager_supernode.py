"""Flower's SuperNode, made quick; run as a file, with the options of `flower-supernode`.

Its loop sleeps 3 s when there is no message, and in every round all buildings wait for the one that has just begun to
sleep. Flower has no option for it, so the loop gets a `time` whose long sleeps are short for a while after a message.
It also answers one message late for ever once a SuperLink died while it received one; `Turns` mends that.
With `--isolation process` it keeps the SuperExec that forks, see `forking_superexec`; if that ends, so does this.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EAGER_S = 0.5
EAGER_TURNS = 40
"""So many short sleeps without a message, then the long ones again [1]"""
LONG_S = 2.0
FORKING_SUPEREXEC = Path(__file__).with_name("forking_superexec.py")


class EagerTime:
    """The module `time`, but for `sleep`."""

    def __init__(self) -> None:
        self._idle = 0

    def sleep(self, seconds: float) -> None:
        """Short while there was a message lately; a short sleep of the loop itself means that it has one."""
        self._idle = self._idle + 1 if seconds >= LONG_S else 0
        time.sleep(min(seconds, EAGER_S) if self._idle <= EAGER_TURNS else seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class Turns:
    """Makes the loop answer the message that it received last, and not whichever answer comes first.

    When a SuperLink dies within a message, Flower leaves half of it to the app, whose failure comes back later and is
    taken for the answer to the next message; that one's own would lie there until a third message arrives.
    """

    def __init__(self, pull: Callable[..., int | None], push: Callable[..., None]) -> None:
        self._pull, self._push = pull, push
        self._open = ""

    def pull(self, *, receive: Callable[[], Any], **others: Any) -> int | None:
        """Flower's `_pull_and_store_message`; notes which message it received."""

        def noted() -> Any:
            received = receive()
            if received is not None:
                self._open = received[0].metadata.message_id
            return received

        return self._pull(receive=noted, **others)

    def push(self, *, send: Callable[..., Any], **others: Any) -> None:
        """Flower's `_push_messages`, until the answer to that message is sent."""

        def noted(message: Any, *arguments: Any) -> Any:
            if message.metadata.reply_to_message_id == self._open:
                self._open = ""
            return send(message, *arguments)

        while self._open:
            self._push(send=noted, **others)


def superexec_command(options: list[str]) -> list[str] | None:
    """The SuperExec for these options of the SuperNode; None where Flower starts its own."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--isolation")
    parser.add_argument("--port")
    found = parser.parse_known_args(options)[0]
    if found.isolation != "process":
        return None
    where = ["--insecure", "--runtime-api-address", f"127.0.0.1:{found.port}"]
    return [sys.executable, "-P", str(FORKING_SUPEREXEC), *where, "--parent-pid", str(os.getpid())]


def _mend() -> bool:
    from flwr.supernode import start_client_internal

    loop = vars(start_client_internal)
    if loop.get("time") is not time or not {"_pull_and_store_message", "_push_messages"} <= set(loop):
        return False
    turns = Turns(loop["_pull_and_store_message"], loop["_push_messages"])
    loop |= {"time": EagerTime(), "_pull_and_store_message": turns.pull, "_push_messages": turns.push}
    return True


def _keep(command: list[str]) -> None:
    subprocess.run(command, check=False)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Start the SuperNode with the options of this process."""
    from flwr.supernode.cli.flower_supernode import flower_supernode

    if not _mend():
        sys.stderr.write("this version of Flower has another loop: rounds take up to 3 s longer\n")
    if command := superexec_command(sys.argv[1:]):
        threading.Thread(target=_keep, args=[command], daemon=True).start()
    flower_supernode()


if __name__ == "__main__":
    main()
