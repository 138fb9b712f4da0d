"""The building's own Flower SuperNode, kept alive as a child process."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulation.child_process import die_with_parent

log = logging.getLogger(__name__)

RESTART_S = 3.0
GRACE_S = 5.0


class SuperNode:
    """Starts `command`, restarts it with a pause when it ends, and takes its whole process group down at the end."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log_file: Path) -> None:
        self._command = die_with_parent(command)
        self._environment = {**os.environ, **environment}
        self._log_file = log_file
        self._stop = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Keep the SuperNode running until `stop`."""
        while not self._stop.is_set():
            with self._log_file.open("ab") as output:
                self._child = subprocess.Popen(
                    self._command,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            code = self._child.wait()
            if not self._stop.is_set():
                log.warning("the SuperNode ended with code %s; it is started again (%s)", code, self._log_file)
                self._stop.wait(RESTART_S)

    def stop(self) -> None:
        """End the SuperNode and whatever it started."""
        self._stop.set()
        child = self._child
        if child is None or child.poll() is not None:
            return
        _signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)
        _signal_group(child.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
