"""One failing thread ends them all, with its name."""

import threading

import pytest

from building_clients.workers import WorkerError, Workers


def test_failure_of_one_stops_the_process() -> None:
    stop = threading.Event()
    workers = Workers(stop)
    workers.start("quiet", lambda: None)
    workers.start("broken", lambda: None.missing)  # type: ignore[attr-defined]  # fails on purpose
    with pytest.raises(WorkerError, match="'broken'"):
        workers.wait()


def test_a_normal_stop_is_no_error() -> None:
    stop = threading.Event()
    workers = Workers(stop)
    workers.start("quiet", lambda: None)
    stop.set()
    workers.wait()
