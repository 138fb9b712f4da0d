"""The threads of a building: when one fails, the whole process ends, so that whoever supervises it starts it afresh."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from simulation.errors import MicrogridError

log = logging.getLogger(__name__)


class WorkerError(MicrogridError):
    """A thread of the building failed; its traceback is in the log."""


class Workers:
    """Runs jobs side by side until `stop` is set, by a signal or by the failure of one of them."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._failed: list[str] = []

    def start(self, name: str, job: Callable[[], None]) -> None:
        """Run `job` in a thread called `name`."""
        threading.Thread(target=self._guard, args=(name, job), name=name, daemon=True).start()

    def wait(self) -> None:
        """Block until `stop` is set. Raises WorkerError when that was because a job failed."""
        self._stop.wait()
        if self._failed:
            raise WorkerError(f"thread {self._failed[0]!r} failed; the cause stands above in this log")

    def _guard(self, name: str, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:
            log.exception("thread %r failed", name)
            self._failed.append(name)
            self._stop.set()
