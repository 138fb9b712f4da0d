"""`./microgrid ledger verify` in a process of its own, with a real chain and a hub that says what a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from pydantic import TypeAdapter

from contracts.audit_hub import MOST
from contracts.orders import Side
from dashboard.hub.api.parameters import Limit
from tests.cli.test_command_line import microgrid, says
from tests.contracts.chain_process import free_port
from tests.contracts.market_world import FIRST_SLOT, MarketWorld

S = FIRST_SLOT


class SmallHub:
    """Answers GET /api/market and /api/trades."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = hub.answers.get(self.path.split("?")[0])
                body = json.dumps({"detail": "no market yet"} if answer is None else answer).encode()
                self.send_response(404 if answer is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub() -> Iterator[SmallHub]:
    small = SmallHub()
    thread = threading.Thread(target=small.server.serve_forever, args=(0.01,))
    thread.start()
    yield small
    small.server.shutdown()
    thread.join()
    small.server.server_close()


@pytest.fixture(scope="module")
def world(chain: str) -> MarketWorld:
    """Two trades of slot 100."""
    world = MarketWorld(chain, 2)
    seller, buyer = world.members
    sell, buy = world.order(seller, Side.SELL, 1000, 90_001), world.order(buyer, Side.BUY, 700, 290_000)
    world.ledger.advance_to(S + 1)
    world.ledger.submit_readings([world.reading(seller, 0, 1200), world.reading(buyer, 900, 0)])
    world.ledger.settle(S, 190_001, [sell], [buy], [(0, 0, 700)])
    world.ledger.advance_to(S + 5)
    world.ledger.close_slot(S, [1])
    return world


@pytest.fixture
def home(tmp_path: Path, world: MarketWorld) -> Path:
    """Where the operator left its deployment, and a scenario whose hub is away."""
    folder = tmp_path / "home"
    (folder / "operator").mkdir(parents=True)
    (folder / "operator" / "deployment.json").write_text(world.deployment.model_dump_json())
    scenario = f'[[building]]\nid = "B1"\n[chain]\nrpc_url = "{world.deployment.rpc_url}"\n'
    (folder / "scenario.toml").write_text(scenario + f'[hub]\nurl = "http://127.0.0.1:{free_port()}"\n')
    return folder


def shown(world: MarketWorld) -> list[dict[str, Any]]:
    return [transfer.model_dump() for transfer in world.ledger.transfers()]


def test_all_in_order(home: Path, hub: SmallHub, world: MarketWorld) -> None:
    hub.answers = {"/api/market": world.deployment.model_dump(), "/api/trades": shown(world)}
    report = home / "report.json"
    done = microgrid("ledger", "verify", "--home", home, "--hub", hub.url, "--json", report)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything agrees" in done.stdout
    assert f"2 members, 2 trades, 1.200 kWh, 1,000,100.000000 EUR in the contract; trades compared with {hub.url}" in (
        done.stdout
    )
    found = json.loads(report.read_text())
    assert found["ok"]
    assert {check["name"]: check["found"] for check in found["checks"]}["trades in the hub"] == 2


def test_a_trade_that_the_hub_changed_is_named(home: Path, hub: SmallHub, world: MarketWorld) -> None:
    first, second = shown(world)
    hub.answers = {"/api/market": world.deployment.model_dump(), "/api/trades": [first | {"cost": 1}, second]}
    done = microgrid("ledger", "verify", "--home", home, "--hub", hub.url)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"member 1, slot 100: #0, cost is 1, by the events {first['cost']:,} (" in done.stdout
    assert first["tx_hash"] in done.stdout
    assert "what to do: the chain is right" in done.stdout.replace("\n", " ")
    assert "NOT in order: trades in the hub" in done.stdout


def test_without_a_hub_the_operators_file_is_used_and_said(home: Path) -> None:
    done = microgrid("ledger", "verify", "--home", home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The hub's trades are not compared; the market is that of" in done.stderr
    assert "deployment.json" in done.stderr
    done = microgrid("ledger", "verify", "--home", home, "--no-hub", "--json", "-")
    assert json.loads(done.stdout)["hub"] is None


def test_a_market_known_by_its_address_alone(tmp_path: Path, world: MarketWorld) -> None:
    where = ("--contract", world.deployment.contract, "--rpc-url", world.deployment.rpc_url)
    first = ("--from-block", str(world.deployment.deployed_block))
    done = microgrid("ledger", "verify", "--home", tmp_path, "--no-hub", *where, *first, "--json", "-")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["trades"] == 2


def test_a_missing_market_is_said_in_one_line(tmp_path: Path, home: Path, hub: SmallHub) -> None:
    verify = ("ledger", "verify", "--home")
    says(microgrid(*verify, tmp_path / "none", "--no-hub"), "no market yet", "./microgrid up", "--contract")
    says(microgrid(*verify, home, "--hub", hub.url), "no market yet at", "./microgrid up")


def test_who_does_not_answer_is_named(home: Path, hub: SmallHub, world: MarketWorld) -> None:
    verify = ("ledger", "verify", "--home")
    away = f"http://127.0.0.1:{free_port()}"
    says(microgrid(*verify, home, "--hub", away), f"no hub answers at {away}")
    says(microgrid(*verify, home, "--no-hub", "--rpc-url", away), f"no chain answers at {away}")
    nobody = ("--contract", Account.create().address, "--rpc-url", world.deployment.rpc_url)
    says(microgrid(*verify, home, "--no-hub", *nobody), "no contract at")
    other = world.deployment.model_dump() | {"contract": world.deployment.token}
    hub.answers = {"/api/market": other}
    says(microgrid(*verify, home, "--hub", hub.url), "the hub announces contract", "deployment.json says")
    named = microgrid(*verify, home, "--hub", hub.url, "--contract", world.deployment.contract)
    assert named.returncode == 0, named.stdout + named.stderr
    assert f"The hub has trades of {world.deployment.token}, so they are not compared." in named.stderr


def test_options_that_exclude_each_other(home: Path) -> None:
    verify = ("ledger", "verify", "--home", home)
    assert microgrid(*verify, "--no-hub", "--hub", "http://127.0.0.1:9").returncode == 2
    assert microgrid(*verify, "--from-block", "3").returncode == 2


def test_the_hub_shows_as_many_trades_as_are_asked_for() -> None:
    assert TypeAdapter(Limit).validate_python(MOST) == MOST
