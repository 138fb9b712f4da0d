"""The telemetry outbox: every live reading reaches the hub once, through restarts of either side."""

from __future__ import annotations

import logging
import threading
import time

from building_clients.readings_store import ReadingsStore
from contracts.hub_client import HubClient, HubError

log = logging.getLogger(__name__)

BATCH = 500
RETRY_S = 2.0


class Outbox:
    """Sends rows of the store in order. What the hub acknowledged is the only cursor, so nothing is lost or doubled."""

    def __init__(self, hub: HubClient, store: ReadingsStore, first_live_seq: int) -> None:
        self._hub = hub
        self._store = store
        self._first = first_live_seq
        self._sent: int | None = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._silent = False

    def notify(self) -> None:
        """Tell the outbox that there is something new."""
        self._wake.set()

    def run(self) -> None:
        """Send until `stop` was called. Connection failures are logged once and retried."""
        while not self._stop.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
            self._try_to_send()

    def stop(self, flush_s: float) -> bool:
        """Stop the loop and send what is left for at most `flush_s` [wall s]. True when all was acknowledged."""
        self._stop.set()
        self._wake.set()
        deadline = time.monotonic() + flush_s
        while not (done := self._try_to_send()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return done

    def _try_to_send(self) -> bool:
        try:
            while self.send_batch():
                pass
        except HubError as error:
            self._report_silence(error)
            return False
        if self._silent:
            log.info("the hub answers again; readings up to %s are delivered", self._sent)
        self._silent = False
        return True

    def send_batch(self) -> bool:
        """Send the next rows. True when there may be more. Raises HubError when the hub does not take them."""
        if self._sent is None:
            self._sent = self._acknowledged()
        rows = self._store.since(self._sent, BATCH)
        if not rows:
            return False
        answer = self._hub.post("/update", [row.model_dump(mode="json") for row in rows])
        self._sent = int(answer["last_seq"][rows[0].building_id])
        return len(rows) == BATCH

    def _acknowledged(self) -> int:
        known = self._hub.get(f"/api/buildings/{self._store.building_id}")["last_seq"]
        return max(self._first - 1, -1 if known is None else int(known))

    def _report_silence(self, error: HubError) -> None:
        self._sent = None
        if not self._silent:
            log.warning("readings wait in the building's CSV: %s", error)
        self._silent = True
        self._stop.wait(RETRY_S)
