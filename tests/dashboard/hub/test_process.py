"""The hub as a process of its own: signals, ports, damaged folders."""

from __future__ import annotations

import contextlib
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.hub_client import HubError
from contracts.settings import MarketConfig
from dashboard.hub import database
from dashboard.hub.server import port_of, run_hub
from dashboard.hub.settings import HubConfig
from simulation.clock import SimClock
from simulation.settings import SiteConfig

PROGRAM = """
import sys
from pathlib import Path
from contracts.settings import MarketConfig
from dashboard.hub import database
from dashboard.hub.server import run_hub
from dashboard.hub.settings import HubConfig
from simulation.clock import SimClock
from simulation.settings import SiteConfig
clock = SimClock.model_validate_json(sys.argv[3])
run_hub(HubConfig(url=sys.argv[1]), Path(sys.argv[2]), clock, SiteConfig(), MarketConfig(), ["B1", "B2"])
print("returned")
"""
ROOT = Path(__file__).parents[3]


@pytest.fixture
def url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def running(url: str, folder: Path, clock: SimClock) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, url, str(folder), clock.model_dump_json()]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            wait_until_up(url, process)
            yield process
        finally:
            process.kill()


def wait_until_up(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/healthz").json()["status"] == "ok":
                return
        time.sleep(0.05)
    raise AssertionError(process.communicate(timeout=5))


def test_a_killed_hub_has_lost_nothing_that_it_acknowledged(
    url: str, tmp_path: Path, clock: SimClock, reading: Callable[..., dict[str, Any]]
) -> None:
    with running(url, tmp_path, clock) as process, httpx.Client(base_url=url) as client:
        for seq in range(60):
            acknowledged = client.post("/update", json=[reading(seq), reading(seq, "B2")]).json()["last_seq"]
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    with running(url, tmp_path, clock), httpx.Client(base_url=url) as client:
        summary = client.get("/api/summary").json()
        assert summary["last_seq"] == acknowledged == {"B1": 59, "B2": 59}
        assert summary["readings_received"] == 120
        assert [row["seq"] for row in client.get("/api/buildings/B1/history").json()] == list(range(60))
        assert client.post("/update", json=reading(60)).json()["last_seq"] == {"B1": 60}


def test_buildings_that_post_at_the_same_time(
    url: str, tmp_path: Path, clock: SimClock, reading: Callable[..., dict[str, Any]]
) -> None:
    """Eight senders, overlapping batches, two buildings: every reading is counted once."""
    batches = [[reading(seq, f"B{1 + n % 2}") for seq in range(n, n + 40)] for n in range(60)]
    with running(url, tmp_path, clock), httpx.Client(base_url=url) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda batch: client.post("/update", json=batch).json(), batches))
        rows = {(row["building_id"], row["seq"]) for batch in batches for row in batch}
        assert sum(answer["accepted"] for answer in answers) == len(rows)
        assert client.get("/api/summary").json()["readings_received"] == len(rows)
        assert [row["seq"] for row in client.get("/api/buildings/B1/history").json()] == list(range(98))


def test_a_locked_database_is_an_answer(
    tmp_path: Path, make_hub: Callable[..., httpx.Client], reading: Callable[..., dict[str, Any]], monkeypatch: Any
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    hub = make_hub()
    with contextlib.closing(sqlite3.connect(tmp_path / "hub" / "hub.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = hub.post("/update", json=reading(0))
        assert (answer.status_code, "locked" in answer.json()["detail"]) == (503, True)
        other.execute("ROLLBACK")
    assert hub.post("/update", json=reading(0)).json()["accepted"] == 1


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(url: str, tmp_path: Path, clock: SimClock, kind: signal.Signals) -> None:
    with running(url, tmp_path, clock) as process:
        process.send_signal(kind)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "returned\n"), err
    assert [path.name for path in tmp_path.iterdir()] == ["hub.sqlite3"], "the write-ahead log was folded in"


def start(url: str, folder: Path) -> None:
    now = datetime.now(UTC)
    clock = SimClock(start=now, wall_start=now, speed=1, slot_minutes=15)
    run_hub(HubConfig(url=url), folder, clock, SiteConfig(), MarketConfig(), ["B1"])


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(HubError, match=rf"port {port} .*hub\.url"):
            start(f"http://127.0.0.1:{port}", tmp_path)


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\x00" + b"\x07" * 4000, b"SQLite form"])
def test_a_damaged_database_is_named_and_left_alone(tmp_path: Path, url: str, content: bytes) -> None:
    file = tmp_path / "hub.sqlite3"
    file.write_bytes(content)
    with pytest.raises(HubError, match=r"hub\.sqlite3: .*Move it away"):
        start(url, tmp_path)
    assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["hub.sqlite3"]


def test_a_database_with_a_torn_page_is_left_alone(
    tmp_path: Path, url: str, make_hub: Callable[..., httpx.Client], reading: Callable[..., dict[str, Any]]
) -> None:
    hub = make_hub()
    hub.post("/update", json=[reading(seq) for seq in range(500)])
    hub._transport._app.app.state.hub.database.close()  # type: ignore[attr-defined]  # the app behind the transport
    file = tmp_path / "hub" / "hub.sqlite3"
    content = bytearray(file.read_bytes())
    content[-9000:-1000] = b"\xee" * 8000
    file.write_bytes(content)
    with pytest.raises(HubError, match=r"hub\.sqlite3"):
        start(url, tmp_path / "hub")
    assert file.read_bytes() == content


def test_a_database_of_another_program_is_left_alone(tmp_path: Path, url: str) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "hub.sqlite3")) as connection:
        connection.execute("CREATE TABLE recipes (name)")
        connection.commit()
    content = (tmp_path / "hub.sqlite3").read_bytes()
    with pytest.raises(HubError, match="not a hub database"):
        start(url, tmp_path)
    assert (tmp_path / "hub.sqlite3").read_bytes() == content


def test_a_folder_that_is_a_file(tmp_path: Path, url: str) -> None:
    (tmp_path / "hub").write_text("")
    with pytest.raises(HubError, match="--home"):
        start(url, tmp_path / "hub")


def test_ports() -> None:
    assert port_of("http://hub.example:8123/x") == 8123
    assert port_of("https://hub.example") == 443
    with pytest.raises(HubError, match=r"hub\.url"):
        port_of("http://hub:99999")
