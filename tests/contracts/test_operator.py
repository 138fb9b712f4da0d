"""The operator against a real chain and a real hub: one slot after the other, also when it is killed in between."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts.audit import audit
from contracts.deployment import deploy
from contracts.hub_client import HubClient
from contracts.keys import load_or_create_key
from contracts.ledger import Ledger
from contracts.metering import MeterReading, sign_reading
from contracts.operator import Operator, OperatorError, ensure_market, join_market
from contracts.orders import Order, Side, sign_order
from contracts.settings import ChainConfig, MarketConfig, TariffPeriod
from contracts.tariff_schedule import TariffPoster
from simulation.clock import SimClock, slot_index
from tests.dashboard.hub_server import HubServer

MARKET = MarketConfig()
TIMEZONE = "Europe/Berlin"
CONNECTIONS_KW = {1: 30.0, 2: 30.0}


class Story:
    """A hub at real speed whose clock the test moves by hand, an operator, and two buildings."""

    def __init__(self, chain: str, folder: Path, market: MarketConfig = MARKET) -> None:
        self.chain = ChainConfig(rpc_url=chain)
        self.market = market
        self.folder = folder
        self.server = HubServer(folder / "hub").start()
        self.hub = HubClient(self.server.url)
        self.clock: SimClock = self.server.clock
        self.slot = slot_index(self.clock.now(), 15) + 1
        self.owners = [Account.create() for _ in range(2)]
        self.meters = [Account.create() for _ in range(2)]
        self.operator = self.start_operator()
        for index in range(2):
            self.hub.post("/api/members", self.member(index))

    def start_operator(self) -> Operator:
        """As after a restart: everything comes from the folder, the hub and the chain."""
        key = load_or_create_key(self.folder / "operator" / "operator.key")
        self.open_market(key)
        deployment = ensure_market(self.hub, self.chain, self.market, self.clock, self.folder / "operator", key)
        self.ledger = Ledger(deployment, key)
        tariffs = TariffPoster(self.ledger, self.market, self.clock, TIMEZONE)
        folder = self.folder / "operator"
        return Operator(self.hub, self.ledger, self.clock, self.market, CONNECTIONS_KW, folder, tariffs)

    def open_market(self, key: LocalAccount) -> None:
        """A market whose clock the test may turn faster than the wall's."""
        path = self.folder / "operator" / "deployment.json"
        if not path.exists():
            first = self.clock.slot_at(self.clock.now())
            path.write_text(deploy(self.chain, self.market, 15, first, key, slot_seconds=0).model_dump_json())

    def member(self, index: int) -> dict[str, Any]:
        owner, meter = self.owners[index].address, self.meters[index].address
        return {"number": index + 1, "building_id": f"B{index + 1}", "name": "x", "owner": owner, "meter": meter}

    def order(self, index: int, side: Side, wh: int, price: int) -> None:
        order = Order(
            member=index + 1,
            slot=self.slot,
            side=side,
            energy_wh=wh,
            limit_price=price,
            expiry_slot=self.slot,
            salt=index,
        )
        self.hub.post("/api/orders", sign_order(order, self.ledger.domain, self.owners[index]).model_dump(mode="json"))

    def at(self, slots: float) -> datetime:
        """A moment so many slots after the start of the traded one."""
        return self.clock.slot_start(self.slot) + timedelta(minutes=15 * slots)

    def relayed(self) -> list[Any]:
        return [
            sign_reading(
                MeterReading(
                    member=index + 1,
                    slot=self.slot,
                    sequence=self.slot,
                    import_register_wh=800 * index,
                    export_register_wh=900 * (1 - index),
                ),
                self.ledger.domain,
                self.meters[index],
            )
            for index in range(2)
        ]

    def meter(self, patch: pytest.MonkeyPatch) -> None:
        """The hub's clock stands still, so its answer about the slot's readings is given here."""
        answers, original = [signed.model_dump(mode="json") for signed in self.relayed()], self.hub.get

        def get(path: str, **params: Any) -> Any:
            asked = path == "/api/meter-readings" and params["slot"] == self.slot
            return answers if asked else original(path, **params)

        patch.setattr(self.hub, "get", get)


@pytest.fixture
def story(chain: str, tmp_path: Path) -> Any:
    story = Story(chain, tmp_path)
    yield story
    story.hub.close()
    story.server.stop()


def test_a_slot_survives_a_new_operator_after_every_step(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.operator.step(story.clock.now())
    assert [entry["registered"] for entry in story.hub.get("/api/members")] == [True, True]
    for index in range(2):
        Ledger(story.ledger.deployment, story.owners[index]).fund(index + 1, 10_000_000)
    story.order(0, Side.SELL, 1000, 100_000)
    story.order(1, Side.BUY, 600, 280_000)
    original = story.hub.get
    for moment in (-0.05, 0.2, 0.9, 1.1, 1.2, 1.6, 2, 3, 4, 5, 5.1, 6):
        if moment >= 1.1:
            story.meter(monkeypatch)
        story.start_operator().step(story.at(moment))
    trades = story.ledger.transfers()
    assert [(t.kind, t.seller, t.buyer, t.energy_wh, t.price) for t in trades] == [
        ("auction", 1, 2, 600, 100_000),
        ("utility", 1, 0, 300, 80_000),
        ("utility", 0, 2, 200, 300_000),
    ]
    posted = original("/api/trades")
    assert [entry["tx_hash"] for entry in posted] == [trade.tx_hash for trade in trades]
    states = {entry["slot"]: entry["state"] for entry in original("/api/slots")}
    assert states[story.slot] == "closed"
    totals = story.ledger.totals([1, 2])
    assert (totals.money_balance, totals.energy_balance_wh) == (0, 0)


def test_fee_and_mechanism_reach_the_contract(chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mid-market rate of tariffs and fee is (0.08 + 0.30 - 0.02) / 2; the buyer pays the fee on top."""
    market = MarketConfig(grid_fee_per_kwh=0.02, mechanism="mid_market_rate")
    story = Story(chain, tmp_path, market)
    try:
        story.operator.step(story.clock.now())
        for index in range(2):
            Ledger(story.ledger.deployment, story.owners[index]).fund(index + 1, 10_000_000)
        story.order(0, Side.SELL, 1000, 100_000)
        story.order(1, Side.BUY, 600, 200_000)
        story.operator.step(story.at(-0.05))
        original = story.hub.get
        story.meter(monkeypatch)
        story.operator.step(story.at(1.1))
        trade = story.ledger.transfers()[0]
        assert (trade.energy_wh, trade.price, trade.proceeds, trade.cost) == (600, 180_000, 108_000, 120_000)
        report = next(entry for entry in original("/api/slots") if entry["slot"] == story.slot)
        assert (report["price"], report["supply_wh"], report["demand_wh"]) == (180_000, 1000, 600)
        assert report["bought_wh"] == {"1": -600, "2": 600}
        assert (report["retail_price"], report["feed_in_price"]) == (300_000, 80_000)
        story.operator.step(story.at(6))
        assert audit(story.ledger, None, lambda *_: None).ok
    finally:
        story.hub.close()
        story.server.stop()


def test_a_standby_takes_over_when_the_operator_falls_silent(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first operator registers the members, and is never heard of again."""
    story.operator.step(story.clock.now())
    for index in range(2):
        Ledger(story.ledger.deployment, story.owners[index]).fund(index + 1, 10_000_000)
    story.order(0, Side.SELL, 1000, 100_000)
    story.order(1, Side.BUY, 600, 280_000)
    key = Account.create()
    with pytest.raises(OperatorError, match=f"wallet {key.address} may not stand by .* market.standby_operators"):
        join_market(story.hub, story.chain, key)
    story.ledger.grant_operator_roles([key.address])
    story.ledger.grant_operator_roles([key.address])
    ledger = join_market(story.hub, story.chain, key)
    tariffs = TariffPoster(ledger, story.market, story.clock, TIMEZONE)
    folder = story.folder / "standby"
    standby = Operator(story.hub, ledger, story.clock, story.market, CONNECTIONS_KW, folder, tariffs, standby=True)
    story.meter(monkeypatch)
    standby.step(story.at(-0.05))
    standby.step(story.at(0.4))
    assert ledger.current_slot() < story.slot, "it gives the first operator half a slot"
    for moment in (0.6, 1.6, 2.6):
        standby.step(story.at(moment))
    assert ledger.slot_state(story.slot) == "open", "the first operator has the first half of the window"
    for moment in (3.6, 4.6, 5.6, 6.6):
        standby.step(story.at(moment))
    trades = [(trade.seller, trade.buyer, trade.energy_wh, trade.kind) for trade in ledger.transfers()]
    assert trades == [(1, 2, 600, "auction"), (1, 0, 300, "utility"), (0, 2, 200, "utility")]
    assert audit(ledger, story.hub, lambda *_: None).ok


def test_time_of_use_tariffs_are_posted_two_days_ahead(chain: str, tmp_path: Path) -> None:
    evening = TariffPeriod(from_hour=16, to_hour=21, days="all", retail_per_kwh=0.5, feed_in_per_kwh=0.1)
    story = Story(chain, tmp_path, MarketConfig(time_of_use=(evening,)))
    try:
        story.operator.step(story.clock.now())
        first = story.ledger.current_slot() + 2
        found = story.ledger.tariffs(first, 180)
        for slot, tariff in enumerate(found, start=first):
            local = story.clock.slot_start(slot).astimezone(ZoneInfo(TIMEZONE))
            expected = (500_000, 100_000) if 16 <= local.hour < 21 else (300_000, 80_000)
            assert (tariff.retail_price, tariff.feed_in_price) == expected, local
        again = TariffPoster(story.ledger, story.market, story.clock, TIMEZONE)
        again.step(story.clock.now())
        posted = posted_slots(story.ledger)
        assert posted == list(range(first, posted[-1] + 1))
        again.step(story.clock.now() + timedelta(hours=20))
        later = posted_slots(story.ledger)
        assert later == list(range(first, later[-1] + 1))
        assert len(later) > len(posted)
    finally:
        story.hub.close()
        story.server.stop()


def posted_slots(ledger: Ledger) -> list[int]:
    return [event.values["slot"] for event in ledger.events() if event.name == "TariffPosted"]


def test_a_stranger_is_not_registered(story: Story) -> None:
    story.operator.step(story.clock.now())
    other = {**story.member(0), "number": 7, "building_id": "X7", "owner": Account.create().address}
    story.hub.post("/api/members", other)
    story.operator.step(story.clock.now())
    assert not story.ledger.is_registered(7)


def test_a_damaged_deployment_is_named_and_kept(story: Story) -> None:
    path = story.folder / "operator" / "deployment.json"
    path.write_text("{")
    with pytest.raises(OperatorError, match=r"deployment\.json: damaged; restore a backup"):
        story.start_operator()
    assert path.read_text() == "{"


def test_released_models_are_anchored_once_also_after_a_restart(story: Story) -> None:
    release = {"model_hash": "0x" + "5a" * 32, "run_id": "7", "at": "2026-06-17T12:00:00Z"}
    story.hub.post("/api/models", release)
    story.operator.step(story.clock.slot_start(story.slot))
    assert story.ledger.release_of(str(release["model_hash"])) == 1
    story.hub.post("/api/models", release | {"model_hash": "0x" + "5b" * 32})
    story.start_operator().step(story.clock.slot_start(story.slot))
    assert [story.ledger.release_of("0x" + digits * 32) for digits in ("5a", "5b", "5c")] == [1, 2, 0]
