"""A hub and a market on a real chain, with one neighbour who has delivered energy and offers it."""

from __future__ import annotations

import time
from pathlib import Path

from eth_account import Account

from contracts.deployment import deploy
from contracts.ledger import Ledger
from contracts.member import Member
from contracts.metering import MeterReading, sign_reading
from contracts.orders import Order, Side, sign_order
from contracts.settings import ChainConfig, MarketConfig
from tests.dashboard.hub_server import BUILDINGS, START, HubServer

PRICE = 150_000
DELIVERED_WH = 1800
CAPACITY_WH = 25_000


class Street:
    """The school delivered 1,800 Wh in the last slot; the test plays the operator."""

    def __init__(self, folder: Path, rpc_url: str) -> None:
        self.hub = HubServer(folder).start()
        self.slot = self.hub.clock.slot_at(START)
        self.operator, self.seller, self.meter = Account.create(), Account.create(), Account.create()
        config = ChainConfig(rpc_url=rpc_url)
        self.deployment = deploy(config, MarketConfig(), 15, self.slot - 1, self.operator)
        self.ledger = Ledger(self.deployment, self.operator)
        assert self.hub.http.put("/api/market", json=self.deployment.model_dump()).is_success
        self._school()

    def _school(self) -> None:
        building_id, name, profile, solar, battery, _ = BUILDINGS[3]
        member = Member(
            number=4,
            building_id=building_id,
            name=name,
            owner=self.seller.address,
            meter=self.meter.address,
            profile=profile,
            peak_solar_kw=solar,
            battery_capacity_kwh=battery,
        )
        self.hub.post("/api/members", member.model_dump())
        self._register(member)
        self.ledger.advance_to(self.slot)
        before = self.slot - 1
        reading = MeterReading(
            member=4, slot=before, sequence=before, import_register_wh=0, export_register_wh=DELIVERED_WH
        )
        self.ledger.submit_readings([sign_reading(reading, self.ledger.domain, self.meter)])
        offer = Order(
            member=4,
            slot=before,
            side=Side.SELL,
            energy_wh=DELIVERED_WH,
            limit_price=PRICE,
            expiry_slot=before + 4,
            salt=1,
        )
        self.offer = sign_order(offer, self.ledger.domain, self.seller)
        self.hub.post("/api/orders", self.offer.model_dump(mode="json"))

    def register_guest(self) -> None:
        """What the operator does when somebody has joined."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            guests = [member for member in self.hub.http.get("/api/members").json() if member["number"] > 1000]
            if guests:
                fields = {key: value for key, value in guests[0].items() if key != "registered"}
                self._register(Member.model_validate(fields))
                return
            time.sleep(0.1)
        raise AssertionError("nobody joined")

    def buy_all_but(self, left_wh: int) -> None:
        """Somebody else is faster, and the hub has not heard of it."""
        rival = Account.create()
        member = Member(number=9, building_id="B9", name="Rival", owner=rival.address, meter=Account.create().address)
        self.ledger.register(member, CAPACITY_WH)
        ledger = Ledger(self.deployment, rival)
        ledger.fund(9, 10_000_000)
        wh = self.ledger.balance(4).stored_energy_wh - left_wh
        ledger.transfer_energy(self.offer, 9, wh)

    def stop(self) -> None:
        self.hub.stop()

    def _register(self, member: Member) -> None:
        self.ledger.register(member, CAPACITY_WH)
        self.hub.post(f"/api/members/{member.number}/registered", None)
