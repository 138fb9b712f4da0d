"""Readings reach a real hub once each, whatever stops on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from building_clients import telemetry
from building_clients.readings_store import ReadingsStore
from building_clients.telemetry import Outbox
from contracts import hub_client
from contracts.hub_client import HubClient
from tests.building_clients.test_readings_store import reading
from tests.dashboard.hub_server import BUILDINGS, HubServer, join


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(hub_client, "PAUSE_S", 0.01)
    monkeypatch.setattr(telemetry, "RETRY_S", 0.05)
    server = HubServer(tmp_path / "hub").start()
    join(server, 1, BUILDINGS[0])
    yield server
    server.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReadingsStore]:
    with ReadingsStore(tmp_path / "readings", "B1") as opened:
        for seq in range(1300):
            opened.append(reading(seq))
        yield opened


@pytest.fixture
def client(hub: HubServer) -> Iterator[HubClient]:
    opened = HubClient(hub.url)
    yield opened
    opened.close()


def stored(hub: HubServer) -> tuple[int, int]:
    known = hub.http.get("/api/buildings/B1").json()
    return known["readings_received"], known["last_seq"]


def test_only_live_rows_are_sent_and_each_once(hub: HubServer, client: HubClient, store: ReadingsStore) -> None:
    """1,200 rows need three batches; the first 100 are history and stay at home."""
    outbox = Outbox(client, store, 100)
    assert outbox.stop(5)
    assert stored(hub) == (1200, 1299)
    assert outbox.stop(5)
    assert stored(hub) == (1200, 1299)


def test_a_new_process_goes_on_where_the_hub_is(hub: HubServer, client: HubClient, store: ReadingsStore) -> None:
    assert Outbox(client, store, 1000).stop(5)
    store.append(reading(1300))
    assert Outbox(client, store, 1000).stop(5)
    assert stored(hub) == (301, 1300)


def test_readings_wait_while_the_hub_is_away(
    hub: HubServer, client: HubClient, store: ReadingsStore, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(client, store, 1250)
    hub.stop()
    with caplog.at_level("INFO"):
        worker = threading.Thread(target=outbox.run)
        worker.start()
        while "wait in the building's CSV" not in caplog.text:
            worker.join(0.02)
        hub.start()
        while "the hub answers again" not in caplog.text:
            worker.join(0.02)
        outbox.stop(5)
        worker.join(10)
    assert stored(hub) == (50, 1299)
    assert caplog.text.count("wait in the building's CSV") == 1


def test_without_a_hub_stopping_keeps_the_rows(hub: HubServer, client: HubClient, store: ReadingsStore) -> None:
    hub.stop()
    assert not Outbox(client, store, 0).stop(0.1)
    assert store.verify() == 1300
