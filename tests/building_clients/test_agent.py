"""An agent's duties, each once per slot, on a real hub and a real chain; the test turns the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from building_clients.architecture import initial_weights
from building_clients.model_store import ModelStore
from building_clients.readings_store import ReadingsStore
from contracts import hub_client
from contracts.metering import SignedMeterReading
from contracts.orders import Side, recover_order_signer
from tests.building_clients.agent_house import LOAD_KW, SOLAR_KW, House
from tests.contracts.market_world import FEED_IN, FUNDS, RETAIL, MarketWorld
from tests.dashboard.hub_server import START


@pytest.fixture
def house(chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(hub_client, "PAUSE_S", 0.01)
    with ReadingsStore(tmp_path / "readings", "B1") as store:
        built = House(tmp_path, MarketWorld(chain, 1), store)
        built.record(START)
        yield built
        built.client.close()
        built.hub.stop()


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_without_a_market_it_forecasts_and_waits(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.step(0)
    house.step(1)
    forecast = house.hub.http.get("/api/buildings/predictions").json()["B1"]
    assert (forecast["building_id"], forecast["slot"]) == ("B1", house.slot + 1)
    assert caplog.text.count("connect: ") == 1
    house.announce()
    house.step(2)
    assert house.agent._ledger is not None


def test_a_model_chosen_elsewhere_forecasts_at_once(house: House, tmp_path: Path) -> None:
    """A person goes back to an earlier model while the building runs: the hub sees it within the same slot."""

    def shown() -> tuple[int, int]:
        forecast = house.hub.http.get("/api/buildings/predictions").json()["B1"]
        return forecast["slot"], forecast["model_version"]

    for seed in (1, 2):
        house.agent._learner.adopt(initial_weights(96, seed))
    house.step(0)
    assert shown() == (house.slot + 1, 2)
    ModelStore(tmp_path, 96).choose(1)
    house.step(1)
    assert shown() == (house.slot + 1, 1)


def test_the_surplus_is_offered_in_the_auction_once(house: House) -> None:
    house.announce()
    house.step(3)
    assert house.orders() == []
    for late in (13.93, 13.95, 14.5):
        house.step(late)
    (signed,) = house.orders()
    assert (signed.order.slot, signed.order.expiry_slot, signed.order.side) == (house.slot + 1,) * 2 + (Side.SELL,)
    assert signed.order.energy_wh == pytest.approx((SOLAR_KW - LOAD_KW) * 250, rel=0.05)
    assert FEED_IN <= signed.order.limit_price <= RETAIL
    assert recover_order_signer(signed, house.world.ledger.domain) == house.wallets.owner.address


def test_a_bid_rests_on_a_forecast_of_its_own(house: House) -> None:
    """Made when the bid is due, with most of the running slot; the hub shows it."""
    house.announce()
    house.step(0)
    house.step(13.95)
    assert house.agent._forecast is not None
    assert house.agent._forecast.issued_at == house.clock.now()
    shown = house.hub.http.get("/api/buildings/predictions").json()["B1"]
    assert datetime.fromisoformat(shown["issued_at"]) == house.clock.now()


def test_who_comes_after_the_gate_has_closed_waits_for_the_next(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.announce()
    house.step(14.2)
    assert house.orders() == []
    assert "refused" not in caplog.text
    house.step(28.95)
    assert [one["order"]["slot"] for one in house.hub.http.get(f"/api/orders?slot={house.slot + 2}").json()] == [
        house.slot + 2
    ]


def test_the_meter_reports_every_slot_once_with_its_own_key(house: House) -> None:
    house.announce()
    house.record(START + minutes(32))
    for late in (32, 33):
        house.step(late)
    readings = [
        one for slot in range(2) for one in house.hub.http.get(f"/api/meter-readings?slot={house.slot + slot}").json()
    ]
    assert [one["reading"]["slot"] for one in readings] == [house.slot, house.slot + 1]
    assert [one["reading"]["export_register_wh"] for one in readings] == [1000, 2000]


def test_a_restart_meters_the_slots_of_the_window_again_and_changes_nothing(house: House, tmp_path: Path) -> None:
    house.announce()
    house.record(START + minutes(20))
    house.step(20)
    house.new_agent(tmp_path).step(house.clock.now())
    readings = house.hub.http.get(f"/api/meter-readings?slot={house.slot}").json()
    assert [one["reading"]["export_register_wh"] for one in readings] == [1000]


def test_escrow_is_filled_when_it_runs_low(chain: str, house: House) -> None:
    house.announce()
    house.step(0)
    ledger = house.world.members[0].ledger
    assert ledger.balance(1).escrow == FUNDS
    ledger.withdraw(1, FUNDS * 9 // 10)
    house.step(1)
    assert ledger.balance(1).escrow == FUNDS // 10
    house.step(16)
    assert ledger.balance(1).escrow > FUNDS // 10


def test_what_no_buyer_took_is_offered_to_the_neighbours(house: House) -> None:
    """Settled slot, energy left: an offer over the settlement window, bought by nobody else's leave."""
    house.announce()
    house.record(START + minutes(15))
    house.step(15.2)
    assert house.orders() == []
    ledger = house.world.ledger
    ledger.advance_to(house.slot + 1)
    (listed,) = house.hub.http.get(f"/api/meter-readings?slot={house.slot}").json()
    ledger.submit_readings([SignedMeterReading.model_validate(listed)])
    ledger.settle(house.slot, 0, [], [], [])
    house.step(16)
    offers = house.hub.http.get("/api/offers").json()
    assert [(one["order"]["slot"], one["order"]["energy_wh"]) for one in offers] == [(house.slot, 1000)]
    assert offers[0]["order"]["expiry_slot"] == house.slot + 4


def test_a_pinned_contract_is_the_only_one(house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A hub that announces another market gets no order and no money."""
    house.announce()
    house.agent = house.new_agent(tmp_path, "0x" + "ab" * 20)
    house.step(13.95)
    assert f"the hub announces contract {house.world.deployment.contract}" in caplog.text
    assert house.orders() == []
    house.agent = house.new_agent(tmp_path, house.world.deployment.contract.lower())
    house.step(13.96)
    assert len(house.orders()) == 1
