"""Flower's SuperExec, which forks the process of a message from itself; run as a file, with its options.

Flower's own executor starts a new Python for every message, which spends a second of CPU on imports before it reads a
word. Here Flower and NumPy are imported once; the app is not, because every message may bring another version of it.
"""

from __future__ import annotations

import contextlib
import os
import sys

from flwr.supercore.cli.flower_superexec import flower_superexec
from flwr.supercore.superexec import run_superexec
from flwr.supercore.superexec.executor.subprocess_executor import SubprocessExecutor
from flwr.supercore.superexec.executor.types import ExecutionSpec, LaunchResult
from flwr.supernode.runtime.run_clientapp import run_clientapp


class ForkingExecutor(SubprocessExecutor):
    """A child of this process for every message."""

    def launch(self, spec: ExecutionSpec) -> LaunchResult:
        """Fork; the child never returns."""
        if os.fork() == 0:
            _answer(spec)
        return LaunchResult.accepted()

    def reconcile(self) -> None:
        """Take leave of children that have ended; Flower calls this whenever it looks for work."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(spec: ExecutionSpec) -> None:
    try:
        run_clientapp(spec.runtime_api_address, spec.token, spec.insecure, parent_pid=spec.parent_pid)
    finally:
        os._exit(0)  # Flower has told the SuperNode how it ended


def main() -> None:
    """Start the SuperExec with the options of this process."""
    if hasattr(run_superexec, "get_executor"):
        setattr(run_superexec, "get_executor", lambda *_, **__: ForkingExecutor())  # noqa: B010  # not exported
    else:
        sys.stderr.write("this version of Flower has no executors: a new Python starts for every message\n")
    flower_superexec()


if __name__ == "__main__":
    main()
