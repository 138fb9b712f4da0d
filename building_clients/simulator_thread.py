"""The building's heart-beat: one reading per simulated minute into its own CSV."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from building_clients.readings_store import ReadingsStore
from simulation.building import Building
from simulation.clock import MINUTE, SimClock

log = logging.getLogger(__name__)

IDLE_S = 0.05
"""Shortest pause between two looks [wall s]"""


def floor_minute(moment: datetime) -> datetime:
    """Start of the minute that contains `moment`."""
    return moment.replace(second=0, microsecond=0)


def backfill(store: ReadingsStore, building: Building, until: datetime, days: int) -> int:
    """On first start, write `days` of history before `until`; returns the number of rows written."""
    if store.count or not days:
        return 0
    for chunk in building.history(until, days):
        store.extend(chunk)
    if store.count:
        log.info("wrote %d minutes of history (%d days) to %s", store.count, days, store.folder)
    return store.count


class Heartbeat:
    """Records each minute when it is over. Minutes missed while the process was down are made up at once."""

    def __init__(
        self, store: ReadingsStore, building: Building, clock: SimClock, on_reading: Callable[[], None]
    ) -> None:
        self._store = store
        self._building = building
        self._clock = clock
        self._on_reading = on_reading
        self._stop = threading.Event()
        last = store.last()
        self._next = floor_minute(clock.now()) if last is None else last.timestamp + MINUTE

    def run(self) -> None:
        """Record until `stop`; sleeps between the minutes."""
        while not self._stop.is_set():
            if self.record_finished_minutes():
                self._on_reading()
            self._stop.wait(max(IDLE_S, self._clock.seconds_until(self._next + MINUTE)))

    def record_finished_minutes(self) -> int:
        """Append a reading for every minute that is over and known by now; returns how many. A gap stays a gap."""
        count = 0
        while self._next + MINUTE <= self._building.known_until(self._clock.now()) and not self._stop.is_set():
            reading = self._building.step(self._next, self._store.count)
            if reading is not None:
                self._store.append(reading)
                count += 1
            self._next += MINUTE
        return count

    def stop(self) -> None:
        """Stop after the current minute."""
        self._stop.set()
