"""Flower's SuperNode, which asks for messages more often while a run is on; run as a file, with its options.

Its loop sleeps 3 s when there is no message, and in every round all buildings wait for the one that has just begun to
sleep. Flower has no option for it, so the loop gets a `time` whose long sleeps are short for a while after a message.
"""

from __future__ import annotations

import sys
import time
from typing import Any

EAGER_S = 0.25
EAGER_TURNS = 80
"""So many short sleeps without a message, then the long ones again [1]"""
LONG_S = 2.0


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


def main() -> None:
    """Start the SuperNode with the options of this process."""
    from flwr.supernode import start_client_internal
    from flwr.supernode.cli.flower_supernode import flower_supernode

    if getattr(start_client_internal, "time", None) is time:
        setattr(start_client_internal, "time", EagerTime())  # noqa: B010  # mypy knows it as the module
    else:
        sys.stderr.write("this version of Flower has another loop: rounds take up to 3 s longer\n")
    flower_supernode()


if __name__ == "__main__":
    main()
