"""Orders, offers, meter readings, slots, trades and rounds."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from eth_account.signers.local import LocalAccount

from contracts.deployment import Deployment
from contracts.events import EnergyTransfer
from contracts.metering import MeterReading, sign_reading
from contracts.orders import Side
from contracts.sender import LedgerError
from contracts.typed_data import Domain
from dashboard.hub.market import connect_ledger
from simulation.clock import SimClock

Signed = Callable[..., dict[str, Any]]
DOMAIN = Domain(chain_id=31337, contract="0x5FbDB2315678afecb367f032d93F642f64180aa3")


def test_the_last_order_of_a_member_counts(market: httpx.Client, signed_order: Signed, slot: int) -> None:
    first = market.post("/api/orders", json=signed_order(salt=1)).json()["order_hash"]
    second = market.post("/api/orders", json=signed_order(salt=2)).json()["order_hash"]
    other = market.post("/api/orders", json=signed_order(member=2, side=Side.SELL)).json()["order_hash"]
    assert market.post("/api/orders", json=signed_order(salt=1)).json()["order_hash"] == first
    entries = market.get(f"/api/orders?slot={slot + 2}").json()
    assert [entry["order_hash"] for entry in entries] == [second, other]
    assert {**entries[0], "status": None} == {"order_hash": second, "status": None, **signed_order(salt=2)}
    history = market.get(f"/api/orders?slot={slot + 2}&history=true").json()
    assert [entry["status"] for entry in history] == ["replaced", "open", "open"]


def test_orders_survive_a_restart(
    market: httpx.Client, signed_order: Signed, slot: int, make_hub: Callable[..., httpx.Client]
) -> None:
    market.post("/api/orders", json=signed_order())
    path = f"/api/orders?slot={slot + 2}"
    assert make_hub().get(path).json() == market.get(path).json() != []


def test_an_order_after_gate_closure_is_refused(
    market: httpx.Client, signed_order: Signed, slot: int, clock: SimClock, make_hub: Callable[..., httpx.Client]
) -> None:
    answer = market.post("/api/orders", json=signed_order(slot=slot))
    assert answer.status_code == 422
    assert "gate closed at simulated 2026-06-17 11:59:00 UTC and it is 2026-06-17 12:07" in answer.json()["detail"]
    accepted = signed_order(slot=slot + 1)
    assert market.post("/api/orders", json=accepted).status_code == 200
    later = make_hub(clock.model_copy(update={"start": clock.slot_start(slot + 1)}))
    assert later.post("/api/orders", json=accepted).status_code == 200, "a repeated order is no new one"
    assert later.post("/api/orders", json=signed_order(slot=slot + 1, salt=5)).status_code == 422


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"member": 3}, "has not joined"),
        ({"slot": 2**31}, "ahead"),
        ({"slot": 0}, "long over"),
        ({"expiry_slot": 2**31, "side": Side.SELL}, "expiry_slot"),
        ({"expiry_slot": 0, "side": Side.SELL}, "expiry_slot"),
        ({"expiry_slot": 2**31, "side": Side.BUY}, "only sell offers"),
    ],
)
def test_orders_against_the_rules(
    market: httpx.Client, signed_order: Signed, changes: dict[str, Any], words: str
) -> None:
    answer = market.post("/api/orders", json=signed_order(**changes))
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text


def test_only_the_owner_signs(market: httpx.Client, signed_order: Signed, owners: list[LocalAccount]) -> None:
    forged = market.post("/api/orders", json=signed_order(signer=owners[2]))
    assert forged.status_code == 422
    assert owners[2].address in forged.json()["detail"]
    elsewhere = DOMAIN.model_copy(update={"chain_id": 1})
    assert market.post("/api/orders", json=signed_order(domain=elsewhere)).status_code == 422
    changed = signed_order()
    changed["order"]["energy_wh"] += 1
    assert market.post("/api/orders", json=changed).status_code == 422


@pytest.mark.parametrize("signature", ["", "0x", "0x12", "zz", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "ab" * 64, 5])
def test_broken_signatures_are_words(market: httpx.Client, signed_order: Signed, signature: object) -> None:
    answer = market.post("/api/orders", json=signed_order() | {"signature": signature})
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]


@pytest.mark.parametrize("field", ["member", "slot", "side", "energy_wh", "limit_price", "expiry_slot", "salt"])
@pytest.mark.parametrize("value", [-1, 0, 2**53, 2**64, 2**300, "1", 1.5, None])
def test_odd_numbers_never_break_the_hub(market: httpx.Client, signed_order: Signed, field: str, value: object) -> None:
    body = signed_order()
    body["order"][field] = value
    assert market.post("/api/orders", json=body).status_code == 422 or body == signed_order()


def test_orders_need_a_market(hub: httpx.Client, signed_order: Signed) -> None:
    answer = hub.post("/api/orders", json=signed_order())
    assert answer.status_code == 503
    assert "no market yet" in answer.json()["detail"]


def test_guests_only_buy(market: httpx.Client, signed_order: Signed, owners: list[LocalAccount], slot: int) -> None:
    guest = market.post("/api/guests", json={"owner": owners[3].address}).json()["number"]
    assert market.post("/api/orders", json=signed_order(owners[3], member=guest)).status_code == 200
    sell = signed_order(owners[3], member=guest, side=Side.SELL)
    assert "guests can only buy" in market.post("/api/orders", json=sell).json()["detail"]


def test_window_offers_shrink_as_they_are_bought(
    market: httpx.Client, signed_order: Signed, slot: int, chain: Any, transfer: Callable[..., EnergyTransfer]
) -> None:
    offer = signed_order(slot=slot - 1, expiry_slot=slot + 3, side=Side.SELL, energy_wh=900)
    digest = market.post("/api/orders", json=offer).json()["order_hash"]
    found = market.get("/api/offers").json()
    expected = {"order_hash": digest, **offer, "remaining_wh": 900, "seller_name": "House 1"}
    assert found == [expected]
    assert market.get(f"/api/orders?slot={slot - 1}").json() == [], "an offer is no auction order"
    bought = transfer(kind="offer", energy_wh=400)
    chain.transactions[bought.tx_hash] = [bought]
    assert market.post("/api/trades", json=bought.model_dump()).json() == {"accepted": 1, "duplicates": 0}
    assert market.get("/api/offers").json() == [expected | {"remaining_wh": 500}]
    market.post("/api/slots", json=report(slot - 1, "closed"))
    assert market.get("/api/offers").json() == []


def test_offers_of_the_future_or_the_past(market: httpx.Client, signed_order: Signed, slot: int) -> None:
    early = signed_order(slot=slot, expiry_slot=slot + 4, side=Side.SELL)
    assert "is not over" in market.post("/api/orders", json=early).json()["detail"]
    late = signed_order(slot=slot - 6, expiry_slot=slot - 2, side=Side.SELL)
    assert "can no longer be bought" in market.post("/api/orders", json=late).json()["detail"]


def report(slot: int, state: str, **changes: Any) -> dict[str, Any]:
    values = {
        "slot": slot,
        "price": 190_000,
        "volume_wh": 900,
        "orders": 4,
        "fills": 2,
        "supply_wh": 1500,
        "demand_wh": 900,
        "bought_wh": {"1": -900, "2": 900},
        "retail_price": 300_000,
        "feed_in_price": 80_000,
        "state": state,
        "tx_hash": None,
    }
    return values | changes


def test_a_slot_only_moves_forward(hub: httpx.Client) -> None:
    assert hub.post("/api/slots", json=report(7, "cleared")).json()["state"] == "cleared"
    assert hub.get("/api/summary").json()["slots_settled"] == 0
    hub.post("/api/slots", json=report(7, "settled", tx_hash="0x12"))
    assert hub.post("/api/slots", json=report(7, "cleared")).json()["state"] == "settled"
    assert hub.post("/api/slots", json=report(7, "closed", volume_wh=1)).json() == report(7, "closed", tx_hash="0x12")
    hub.post("/api/slots", json=report(6, "cleared", price=None))
    assert [entry["slot"] for entry in hub.get("/api/slots").json()] == [6, 7]
    assert [entry["slot"] for entry in hub.get("/api/slots?limit=1").json()] == [7]
    assert hub.get("/api/summary").json()["slots_settled"] == 1
    assert hub.post("/api/slots", json=report(7, "lost")).status_code == 422


def test_meter_readings_are_signed_by_the_meter(
    market: httpx.Client, meters: list[LocalAccount], owners: list[LocalAccount], slot: int
) -> None:
    reading = MeterReading(member=1, slot=slot - 1, sequence=slot - 1, import_register_wh=10, export_register_wh=250)
    signed = sign_reading(reading, DOMAIN, meters[1]).model_dump(mode="json")
    assert market.post("/api/meter-readings", json=signed).json() == {"accepted": 1, "duplicates": 0}
    assert market.post("/api/meter-readings", json=signed).json() == {"accepted": 0, "duplicates": 1}
    assert market.get(f"/api/meter-readings?slot={slot - 1}").json() == [signed]
    forged = sign_reading(reading, DOMAIN, owners[1]).model_dump(mode="json")
    assert "has meter" in market.post("/api/meter-readings", json=forged).json()["detail"]
    other = reading.model_copy(update={"export_register_wh": 999})
    more = sign_reading(other, DOMAIN, meters[1]).model_dump(mode="json")
    assert market.post("/api/meter-readings", json=more).status_code == 409
    future = sign_reading(reading.model_copy(update={"slot": slot + 1}), DOMAIN, meters[1]).model_dump(mode="json")
    assert "has not begun" in market.post("/api/meter-readings", json=future).json()["detail"]
    broken = signed | {"signature": "0x00"}
    assert market.post("/api/meter-readings", json=broken).status_code == 422


def test_trades_are_what_the_chain_says(
    market: httpx.Client, chain: Any, transfer: Callable[..., EnergyTransfer], make_hub: Callable[..., httpx.Client]
) -> None:
    both = [transfer(), transfer(log_index=1, buyer=0, kind="utility", energy_wh=50)]
    chain.transactions[both[0].tx_hash] = both
    body = [entry.model_dump() for entry in both]
    assert market.post("/api/trades", json=body).json() == {"accepted": 2, "duplicates": 0}
    assert market.post("/api/trades", json=body[0]).json() == {"accepted": 0, "duplicates": 1}
    assert chain.asked == 1, "what is known is not asked again"
    found = make_hub().get("/api/trades").json()
    assert [(entry["seller_name"], entry["buyer_name"]) for entry in found] == [
        ("House 1", "House 2"),
        ("House 1", "Utility"),
    ]
    assert found[0]["at"].startswith("2026-06-17T12:07")
    assert {key: found[0][key] for key in body[0]} == body[0]
    assert market.get("/api/trades?limit=1").json()[0]["log_index"] == 1
    assert market.get("/api/summary").json()["trades"] == 2


def test_a_trade_that_the_chain_does_not_know(
    market: httpx.Client, chain: Any, transfer: Callable[..., EnergyTransfer]
) -> None:
    true = transfer()
    chain.transactions[true.tx_hash] = [true]
    claimed = [true.model_dump(), transfer(log_index=1).model_dump()]
    assert "#1" in market.post("/api/trades", json=claimed).json()["detail"]
    more = true.model_dump() | {"energy_wh": 4000}
    answer = market.post("/api/trades", json=more)
    assert answer.status_code == 422
    assert "energy_wh = 4000, but the chain says 400" in answer.json()["detail"]
    chain.error = LedgerError("no transaction 0xabab")
    unknown = market.post("/api/trades", json=true.model_dump())
    assert (unknown.status_code, "no transaction" in unknown.json()["detail"]) == (422, True)
    chain.away = LedgerError("no chain answers at http://127.0.0.1:8545")
    away = market.post("/api/trades", json=true.model_dump())
    assert (away.status_code, "no chain answers" in away.json()["detail"]) == (503, True)
    assert market.get("/api/trades").json() == []
    chain.error = chain.away = None
    assert market.post("/api/trades", json=true.model_dump()).json() == {"accepted": 1, "duplicates": 0}


def test_trades_need_a_market(hub: httpx.Client, transfer: Callable[..., EnergyTransfer]) -> None:
    assert hub.post("/api/trades", json=transfer().model_dump()).status_code == 503
    assert hub.post("/api/trades", json=[]).json() == {"accepted": 0, "duplicates": 0}


def round_report(number: int = 1, **changes: Any) -> dict[str, Any]:
    participants = [{"building_id": "B1", "num_examples": 900, "train_loss": 0.4, "loss_before": 0.5}]
    values = {
        "run_id": "17",
        "round": number,
        "of_rounds": 3,
        "participants": participants,
        "num_examples": 900,
        "loss": 0.45,
        "at": datetime.now(UTC).isoformat(),
        "dropped": [],
    }
    return values | changes


def test_rounds_are_stored_once(hub: httpx.Client) -> None:
    assert hub.post("/api/rounds", json=round_report(1)).json() == {"accepted": 1, "duplicates": 0}
    assert hub.post("/api/rounds", json=round_report(1)).json() == {"accepted": 0, "duplicates": 1}
    hub.post("/api/rounds", json=round_report(2))
    assert [entry["round"] for entry in hub.get("/api/rounds").json()] == [1, 2]
    assert hub.get("/api/rounds").json()[0]["participants"][0]["building_id"] == "B1"
    hub.post("/api/rounds", json=round_report(3, participants=[], num_examples=0, loss=None))
    assert hub.get("/api/rounds").json()[2]["loss"] is None
    assert hub.get("/api/summary").json()["federated_rounds"] == 2  # nobody took part in the third
    assert hub.post("/api/rounds", json=round_report(3, loss="0.4")).status_code == 422
    assert hub.post("/api/rounds", json=round_report(2**63)).status_code == 422


@pytest.mark.parametrize("at", ["0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z"])
def test_a_round_of_an_odd_time_does_not_break_the_alerts(hub: httpx.Client, at: str) -> None:
    hub.post("/api/rounds", json=round_report(1, at=at, dropped=[{"building_id": "B3", "reason": "no history"}]))
    assert hub.get("/api/alerts").status_code == 200


def test_a_dropped_building_is_an_alert(hub: httpx.Client) -> None:
    hub.post("/api/rounds", json=round_report(1, dropped=[{"building_id": "B3", "reason": "no history"}]))
    texts = [alert["text"] for alert in hub.get("/api/alerts").json()]
    assert "B3 was left out of round 1 of 3: no history" in texts
    hub.post("/api/rounds", json=round_report(2))
    assert "left out" not in str(hub.get("/api/alerts").json())


def test_a_chain_that_is_away_is_named(
    make_hub: Callable[..., httpx.Client], deployment: Deployment, transfer: Callable[..., EnergyTransfer]
) -> None:
    hub = make_hub(connect=connect_ledger)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    hub.put("/api/market", json=deployment.model_dump() | {"rpc_url": url})
    answer = hub.post("/api/trades", json=transfer().model_dump())
    assert answer.status_code == 503
    assert f"no chain answers at {url}" in answer.json()["detail"]


def test_the_wallet_page_gets_what_it_calls(hub: httpx.Client) -> None:
    interface = hub.get("/api/contract").json()
    names = {entry["name"] for entry in interface["abi"] if entry["type"] != "error"}
    assert names >= {"transferEnergy", "deposit", "escrowOf", "storedEnergy", "memberOf", "EnergyTransferred"}
    assert {entry["name"] for entry in interface["token_abi"]} >= {"mint", "approve", "balanceOf"}
