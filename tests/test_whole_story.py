"""The whole loop with real processes: `up` for a while, then an audit that trusts nothing of it but the chain."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import tomli_w

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def scenario_file(folder: Path) -> Path:
    """The default scenario on free ports, with learning small enough for a test."""
    raw: dict[str, Any] = tomllib.loads((ROOT / "microgrid.toml").read_text())
    chain, hub, superlink, page = free_ports(4)
    raw["chain"]["rpc_url"] = f"http://127.0.0.1:{chain}"
    raw["hub"]["url"] = f"http://127.0.0.1:{hub}"
    raw["learning"] |= {"superlink": f"127.0.0.1:{superlink}", "rounds": 2, "local_steps": 20}
    raw["dashboard"]["port"] = page
    path = folder / "scenario.toml"
    path.write_text(tomli_w.dumps(raw), encoding="utf-8")
    return path


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "cli.main", *map(str, arguments)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("community")


@pytest.fixture(scope="module")
def summary(home: Path) -> dict[str, Any]:
    """One run of the community; a building is killed in the middle of it."""
    scenario, result = scenario_file(home), home / "summary.json"
    arguments = ("--scenario", scenario, "--home", home / "state", "--summary", result, "--for", "150s", "--no-browser")
    with (home / "up.log").open("wb") as log:
        up = subprocess.Popen(command("up", *arguments), cwd=ROOT, stdout=log, stderr=log)
        try:
            kill_when_live(home, scenario)
            live = verified(home, "--scenario", scenario)
            (home / "live.json").write_text(json.dumps(live))
            assert up.wait(600) == 0, (home / "up.log").read_text()[-4000:]
        finally:
            if up.poll() is None:
                up.send_signal(signal.SIGINT)
                up.wait(60)
    return dict(json.loads(result.read_text()))


def verified(home: Path, *arguments: str | Path) -> dict[str, Any]:
    """What `ledger verify` finds."""
    verify = command("ledger", "verify", "--home", home / "state", "--json", "-", *arguments)
    done = subprocess.run(verify, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def kill_when_live(home: Path, scenario: Path) -> None:
    hub = tomllib.loads(scenario.read_text())["hub"]["url"]
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            buildings = httpx.get(f"{hub}/api/buildings").json()
            if len(buildings) == 5 and all(building["readings_received"] > 20 for building in buildings):
                break
        except (httpx.TransportError, ValueError):
            pass
        time.sleep(1)
    state = json.loads((home / "state" / "state.json").read_text())
    os.kill(next(child["pid"] for name, child in state["processes"].items() if name.endswith("B2")), signal.SIGKILL)


def test_summary_shows_the_whole_loop(summary: dict[str, Any]) -> None:
    assert summary["exit_reason"] == "duration"
    assert summary["buildings_reporting"] == 5
    assert summary["readings_lost"] == 0
    assert summary["federated_rounds"] >= 2
    assert summary["slots_settled"] >= 5
    assert summary["trades_settled"] >= 3
    assert summary["energy_balance_wh"] == 0
    assert summary["money_balance"] == 0
    assert summary["trades_in_hub_equal_chain"] is True


def test_killed_building_was_restarted_and_lost_nothing(summary: dict[str, Any], home: Path) -> None:
    assert summary["restarts"] >= 1
    folders = sorted((home / "state" / "buildings").glob("*/readings"))
    assert len(folders) == 5
    for folder in folders:
        files = sorted(folder.glob("*.csv"))
        rows = pd.concat([pd.read_csv(file, parse_dates=["timestamp"]) for file in files], ignore_index=True)
        assert all(file.read_bytes().endswith(b"\n") for file in files)
        assert rows["seq"].tolist() == list(range(len(rows)))
        assert (rows["timestamp"].diff().dropna() == pd.Timedelta(minutes=1)).all()
        balance = rows["load_kw"] - rows["pv_kw"] + rows["battery_kw"] - rows["grid_kw"]
        assert balance.abs().max() < 1.5e-4


def test_keys_are_private_and_never_logged(summary: dict[str, Any], home: Path) -> None:
    keys = sorted((home / "state").rglob("*.key"))
    assert len(keys) >= 11
    logs = "".join(path.read_text(errors="replace") for path in (home / "state").rglob("*.log"))
    for key in keys:
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.read_text().strip().removeprefix("0x") not in logs


@pytest.fixture
def chain_after(summary: dict[str, Any], home: Path) -> Iterator[str]:
    """The chain started again by itself from its folder."""
    scenario = home / "state" / "scenario.toml"
    url = tomllib.loads(scenario.read_text())["chain"]["rpc_url"]
    node = subprocess.Popen(command("chain", "--scenario", scenario, "--home", home / "state"), cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{url}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline, "the chain did not come back"
                time.sleep(0.2)
        yield url
    finally:
        node.terminate()
        node.wait(30)


def contract_on(chain: str, home: Path) -> Any:
    """The home's market through web3 alone, past all code of ours."""
    from web3 import Web3

    deployment = json.loads((home / "state" / "operator" / "deployment.json").read_text())
    abi = json.loads((ROOT / "contracts" / "artifacts" / "SmartMicrogrid.json").read_text())["abi"]
    return Web3(Web3.HTTPProvider(chain)).eth.contract(deployment["contract"], abi=abi)


def test_replayed_chain_agrees_with_the_hub(chain_after: str, home: Path) -> None:
    contract = contract_on(chain_after, home)
    events = [event["args"] for event in contract.events.EnergyTransferred().get_logs(from_block=0)]
    on_chain = sorted(
        (e["slot"], e["seller"], e["buyer"], e["energyWh"], e["cost"], _proceeds(e, utility=0)) for e in events
    )
    columns = "slot, seller, buyer, energy_wh, cost, proceeds"
    with closing(sqlite3.connect(home / "state" / "hub" / "hub.sqlite3")) as database:
        in_hub = sorted(database.execute(f"SELECT {columns} FROM trades").fetchall())
        models = [row[0] for row in database.execute("SELECT model_hash FROM models ORDER BY arrival")]
    assert in_hub == on_chain
    assert models
    assert [contract.functions.releaseOf(model).call() for model in models] == list(range(1, len(models) + 1))
    assert any(seller and buyer for _, seller, buyer, *_ in on_chain)


def test_ledger_verifies_while_it_runs_and_afterwards(chain_after: str, home: Path) -> None:
    live = json.loads((home / "live.json").read_text())
    after = verified(home, "--scenario", home / "state" / "scenario.toml", "--no-hub")
    assert (live["ok"], after["ok"]) == (True, True)
    assert 0 < live["events"] < after["events"]


def test_a_statement_adds_up_to_the_contracts_money(chain_after: str, home: Path) -> None:
    """Line by line as CSV, read by pandas; what it ends with is asked of the contract."""
    contract = contract_on(chain_after, home)
    paths = ("--home", home / "state", "--scenario", home / "state" / "scenario.toml")
    for number in (1, 4):
        ask = command("statement", "--building", f"B{number}", *paths, "--csv", home / "statement.csv")
        done = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        rows = pd.read_csv(home / "statement.csv", dtype={"amount": str, "balance": str}, keep_default_na=False)
        amounts = [_base_units(text) for text in rows["amount"][1:]]
        balances = [_base_units(text) for text in rows["balance"]]
        assert [before + amount for before, amount in zip(balances, amounts, strict=False)] == balances[1:]
        assert balances[-1] == contract.functions.escrowOf(number).call()
        assert rows["what"].str.contains("in the auction|the utility").any()
        assert f"{balances[-1] / 1e6:.6f}" in done.stdout


def _base_units(text: str) -> int:
    return round(float(text) * 1e6)


def _proceeds(event: Any, utility: int) -> int:
    """What the seller is credited, as the contract's interface defines it."""
    return int(event["cost"] if event["seller"] == utility else event["energyWh"] * event["pricePerKwh"] // 1000)


def test_no_process_is_left(summary: dict[str, Any], home: Path) -> None:
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    assert [line for line in listing.splitlines() if str(home) in line] == []
