"""All that a building's processes say during a federated run, read byte by byte: no raw reading is in it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h11
import numpy as np
import pandas as pd
import pytest
import tomli_w

from building_clients.architecture import initial_weights
from building_clients.slots import to_slots
from building_clients.windows import Series
from contracts.hub_client import HubClient
from contracts.ledger import Ledger
from fl_server.checkpoint import load_checkpoint
from fl_server.run import start_run, superlink_command, wait_for_run, write_flwr_config
from simulation.clock import SimClock
from tests.contracts.chain_process import free_port
from tests.contracts.market_world import MarketWorld
from tests.dashboard.hub_server import START, HubServer
from tests.fl_server.test_federation import process, wait_until_answering
from tests.wiretap import Wiretap, remote_ends

ROOT = Path(__file__).parents[1]
SLOT_MINUTES = 15
SPEED = 30.0
POWERS = ["load_kw", "pv_kw", "battery_kw", "grid_kw", "net_flow_kw"]
TALK = {"/update", "/api/members", "/api/forecasts", "/api/orders", "/api/meter-readings"}
"""What a building may post to the hub: live state, who it is, forecasts, signed orders, signed energy of a slot."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass
class Heard:
    """What a run let out."""

    federation: list[bytes]
    """Bytes to the SuperLink, by connection."""
    hub: list[bytes]
    """Bytes to the hub."""
    chain: list[bytes]
    """Bytes to the chain."""
    strangers: set[tuple[str, int]]
    """Other ends of connections than these three and the processes' own."""
    readings: pd.DataFrame
    """The building's CSV after the run."""
    first_live: int
    """Row from which on it reports live."""
    released: list[np.ndarray]
    """The model after the run."""


class Watch:
    """Notes to where the processes below `root` are connected, several times a second."""

    def __init__(self, root: int) -> None:
        self.remotes: set[tuple[str, int]] = set()
        self.own: set[int] = set()
        self._root = root
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            remotes, own = remote_ends(self._root)
            self.remotes |= remotes
            self.own |= own

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def scenario_file(folder: Path, hub: Wiretap, superlink: Wiretap, chain: Wiretap) -> Path:
    raw: dict[str, Any] = tomllib.loads((ROOT / "microgrid.toml").read_text())
    raw["chain"]["rpc_url"] = f"http://{chain.address}"
    raw["hub"]["url"] = f"http://{hub.address}"
    raw["learning"]["superlink"] = superlink.address
    path = folder / "scenario.toml"
    path.write_text(tomli_w.dumps(raw), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def heard(chain: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """One real building process with its SuperNode takes part in a run; everything it says passes a relay."""
    folder = tmp_path_factory.mktemp("watched")
    world = MarketWorld(chain, 0)
    with ExitStack() as stack:
        clock = SimClock(start=START, wall_start=datetime.now(UTC), speed=SPEED, slot_minutes=SLOT_MINUTES)
        server = HubServer(folder / "hub", clock=clock).start()
        stack.callback(server.stop)
        address = f"127.0.0.1:{free_port()}"
        taps = [stack.enter_context(closing(Wiretap(target))) for target in (server.url, address, chain)]
        hub = stack.enter_context(closing(HubClient(server.url)))
        announced = world.deployment.model_copy(update={"rpc_url": f"http://{taps[2].address}"})
        hub.put("/api/market", announced.model_dump(mode="json"))
        write_flwr_config(folder / "flwr", address)
        stack.enter_context(process(superlink_command(address, folder), folder / "flwr", folder / "superlink.log"))
        wait_until_answering(address)
        scenario = scenario_file(folder, *taps)
        command = [sys.executable, "-m", "cli.main", "building", "--id", "B1"]
        command += ["--scenario", str(scenario), "--home", str(folder / "state")]
        with (folder / "building.log").open("wb") as log:
            building = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        watch = Watch(building.pid)
        try:
            released = take_part(folder, hub, world.ledger, server.url)
        finally:
            watch.stop()
            building.send_signal(signal.SIGTERM)
            building.wait(60)
        yield Heard(
            federation=taps[1].said,
            hub=taps[0].said,
            chain=taps[2].said,
            strangers={end for end in watch.remotes if end[1] not in watch.own | {0} | {tap.port for tap in taps}},
            readings=readings_of(folder / "state" / "buildings" / "B1" / "readings"),
            first_live=json.loads((folder / "state/buildings/B1/live_from.json").read_text())["first_live_seq"],
            released=released,
        )


def take_part(folder: Path, hub: HubClient, ledger: Ledger, hub_url: str) -> list[np.ndarray]:
    """A run of one round with the one building; the test anchors the model, as the operator would."""
    overrides: dict[str, str | int | float] = {
        "rounds": 1,
        "local-steps": 10,
        "min-available-nodes": 1,
        "slot-minutes": SLOT_MINUTES,
        "hub-url": hub_url,
        "checkpoint-dir": str(folder / "checkpoint"),
    }
    run_id = start_run(ROOT, folder / "flwr", overrides)
    deadline = time.monotonic() + 200
    while not (models := hub.get("/api/models")):
        assert time.monotonic() < deadline, (folder / "building.log").read_text()[-3000:]
        time.sleep(0.5)
    ledger.anchor_model(models[0]["model_hash"])
    assert wait_for_run(folder / "flwr", run_id, 200).completed
    while (hub.get("/api/buildings/B1")["forecast"] or {}).get("source") != "model":
        assert time.monotonic() < deadline, (folder / "building.log").read_text()[-3000:]
        time.sleep(0.5)
    checkpoint = load_checkpoint(folder / "checkpoint", 24 * 60 // SLOT_MINUTES)
    assert checkpoint is not None
    return checkpoint.weights


def readings_of(folder: Path) -> pd.DataFrame:
    rows = [pd.read_csv(file, parse_dates=["timestamp"]) for file in sorted(folder.glob("*.csv"))]
    return pd.concat(rows, ignore_index=True)


def raw_patterns(readings: pd.DataFrame) -> np.ndarray:
    """Eight bytes each, as whole numbers: every reading as a double, every two consecutive ones as floats.

    Readings by the minute, their means over slots, and the windows that the network sees. Numbers that anything might
    contain, such as 0 or 1, prove nothing and are left out.
    """
    slots = to_slots(readings.set_index("timestamp"), SLOT_MINUTES)
    series = Series(slots)
    batch = series.batch(series.ends()[::7])
    columns = [readings[name].to_numpy(np.float64) for name in POWERS]
    columns += [slots.load_kw, slots.pv_kw, *batch.past[:, :, :5].transpose(0, 2, 1).reshape(-1, batch.past.shape[1])]
    columns += list(batch.target)
    found = [doubles[np.abs(doubles % 1) > 1e-9].view("<u8") for doubles in map(np.ascontiguousarray, columns[:7])]
    for column in columns:
        floats = np.asarray(column, dtype="<f4")
        pairs = np.stack([floats[:-1], floats[1:]], axis=1)
        telling = (np.abs(pairs % 1) > 1e-6).all(axis=1) & (pairs[:, 0] != pairs[:, 1])
        found.append(np.ascontiguousarray(pairs[telling]).view("<u8").reshape(-1))
    return np.unique(np.concatenate(found))


def contained(patterns: np.ndarray, said: list[bytes]) -> int:
    """How many places in the bytes hold one of the patterns."""
    count = 0
    for data in said:
        for offset in range(8):
            words = np.frombuffer(data[offset : offset + (len(data) - offset) // 8 * 8], dtype="<u8")
            count += int(np.isin(words, patterns).sum())
    return count


def requests(said: list[bytes]) -> list[tuple[str, str, bytes]]:
    """Method, path and body of all complete HTTP requests."""
    found = []
    for data in said:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        head, body = None, b""
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                found.append((head.method.decode(), head.target.decode().partition("?")[0], body))
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
    return found


def test_the_relays_see_everything(heard: Heard) -> None:
    """No connection passes by, and what passes is in the clear: the trained weights can be read in it."""
    assert heard.strangers == set()
    start = initial_weights(24 * 60 // SLOT_MINUTES, 7)
    weights = [array for array, old in zip(heard.released, start, strict=True) if array.size > 100]
    assert not (heard.released[0] == start[0]).all()
    federation = b"".join(heard.federation)
    assert all(array.astype("<f4").tobytes() in federation for array in weights)


def test_no_reading_is_in_what_the_federation_gets(heard: Heard) -> None:
    patterns = raw_patterns(heard.readings)
    assert len(heard.readings) > 28 * 1440
    assert len(patterns) > 100_000
    assert contained(patterns, heard.federation) == 0
    leak = heard.readings["load_kw"].to_numpy()[5000:5003]
    for dtype in ("<f8", "<f4"):
        assert contained(patterns, [b"xyz" + leak.astype(dtype).tobytes()]), "the search does not find what it seeks"


def test_no_row_of_the_file_is_in_it_as_text(heard: Heard) -> None:
    rows = {f"{row.load_kw:.4f},{row.pv_kw:.4f}" for row in heard.readings.itertuples()}
    for said in (heard.federation, heard.chain):
        text = b"".join(said).decode("latin-1")
        assert not rows & set(re.findall(r"\d+\.\d{4},\d+\.\d{4}", text))
        assert not re.search(r"(load|pv|grid|net_flow)_kw", text)


def test_the_hub_gets_live_state_and_nothing_of_the_history(heard: Heard) -> None:
    posted = [(path, body) for method, path, body in requests(heard.hub) if method in ("POST", "PUT")]
    assert {path for path, _ in posted} <= TALK
    live = [row for path, body in posted if path == "/update" for row in json.loads(body)]
    assert live
    assert min(row["seq"] for row in live) >= heard.first_live >= 28 * 1440
    past = heard.readings[heard.readings["seq"] < heard.first_live]
    measured = to_slots(past.set_index("timestamp"), SLOT_MINUTES).net_kw
    runs = {tuple(run) for run in np.lib.stride_tricks.sliding_window_view(measured.round(3), 4).tolist()}
    forecasts = [json.loads(body) for path, body in posted if path == "/api/forecasts"]
    assert forecasts
    for one in (values for forecast in forecasts for name, values in forecast.items() if name.startswith("net_flow")):
        steps = np.array(one).round(3)
        assert not runs & {tuple(run) for run in np.lib.stride_tricks.sliding_window_view(steps, 4).tolist()}


def test_the_chain_gets_numbers_of_slots_only(heard: Heard) -> None:
    calls = [json.loads(body) for _, _, body in requests(heard.chain) if body]
    names = {one["method"] for call in calls for one in (call if isinstance(call, list) else [call])}
    assert names
    assert contained(raw_patterns(heard.readings), heard.chain) == 0
