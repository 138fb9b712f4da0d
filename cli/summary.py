"""What a community did, as `up --summary` writes it: counted by asking the hub and the chain, not from memory."""

from __future__ import annotations

import json
from typing import Any

from cli.home import Home
from cli.scenario import Scenario
from contracts.events import EnergyTransfer
from contracts.hub_client import HubClient
from contracts.ledger import Ledger

HUB_TRADES = 10_000
"""So many trades the hub tells at once, the newest ones [1]"""


def collect(scenario: Scenario, home: Home) -> dict[str, Any]:
    """All figures; buildings and operator have stopped, hub and chain still run. Raises HubError or LedgerError."""
    hub = HubClient(scenario.hub.url)
    ledger = Ledger.from_hub(hub, None)
    counted, members = hub.get("/api/summary"), hub.get("/api/members")
    totals = ledger.totals([member["number"] for member in members])
    transfers = ledger.transfers()
    stored = {building.id: _rows(home, building.id) for building in scenario.building}
    return {
        "buildings_reporting": counted["buildings_reporting"],
        "readings_stored": sum(stored.values()),
        "readings_lost": sum(_lost(home, hub, name, rows) for name, rows in stored.items()),
        "federated_rounds": counted["federated_rounds"],
        "slots_settled": counted["slots_settled"],
        "trades_settled": sum(transfer.kind != "utility" for transfer in transfers),
        "energy_traded_wh": sum(t.energy_wh for t in transfers if t.kind != "utility"),
        "energy_balance_wh": totals.energy_balance_wh,
        "money_balance": totals.money_balance,
        "trades_in_hub_equal_chain": _in_hub(hub, len(transfers)) == transfers[-HUB_TRADES:],
    }


def _in_hub(hub: HubClient, count: int) -> list[EnergyTransfer]:
    """The hub's newest trades without what it adds for display, in the chain's order."""
    fields = EnergyTransfer.model_fields
    entries = hub.get("/api/trades", limit=min(count + 1, HUB_TRADES))
    return [EnergyTransfer.model_validate({key: entry[key] for key in fields}) for entry in entries]


def _rows(home: Home, building_id: str) -> int:
    months = (home.folder / "buildings" / building_id / "readings").glob("*.csv")
    return sum(month.read_bytes().count(b"\n") - 1 for month in months)


def _lost(home: Home, hub: HubClient, building_id: str, rows: int) -> int:
    """Live rows in the building's CSV that the hub does not have."""
    path = home.folder / "buildings" / building_id / "live_from.json"
    if not path.exists():
        return 0
    first = int(json.loads(path.read_text())["first_live_seq"])
    return rows - first - int(hub.get(f"/api/buildings/{building_id}")["readings_received"])
