"""A real hub on a free port, filled like a community that has run for a while."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from eth_account import Account
from pydantic import PrivateAttr

from building_clients.forecast import Forecast
from contracts.deployment import Deployment
from contracts.events import EnergyTransfer
from contracts.member import Member
from contracts.orders import Order, Side, sign_order
from contracts.settings import MarketConfig
from contracts.typed_data import Domain
from dashboard.hub.app import create_app
from dashboard.hub.market import Chain, connect_ledger
from simulation.clock import SimClock
from simulation.settings import SiteConfig
from tests.contracts.chain_process import free_port

START = datetime(2026, 6, 17, 8, 30, tzinfo=UTC)
SITE = SiteConfig(name="Sunny Street")
PRICE = 180_000
Building = tuple[str, str, str, float, float, float]
"""Id, name, profile, peak solar [kW], battery [kWh], load [kW]."""
BUILDINGS: list[Building] = [
    ("B1", "Linden home", "family_home", 9.0, 8.0, 3.1),
    ("B2", "Oak flats", "flat", 0.0, 10.0, 6.4),
    ("B3", "Corner shop", "shop", 12.0, 0.0, 4.9),
    ("B4", "School", "school", 60.0, 40.0, 12.5),
    ("B5", "Office block", "office", 20.0, 30.0, 21.0),
]
IDS = [building[0] for building in BUILDINGS]
KEYS = [Account.from_key(f"0x{number:064x}") for number in range(1, 20)]


class RecordedChain:
    """Confirms the transfers that the test says are on the chain."""

    def __init__(self) -> None:
        self.transfers: list[EnergyTransfer] = []

    def transfers_in(self, tx_hash: str) -> list[EnergyTransfer]:
        return [transfer for transfer in self.transfers if transfer.tx_hash == tx_hash]

    def block_number(self) -> int:
        return 7


class HandClock(SimClock):
    """A clock that stands still until the test turns it."""

    _now: datetime = PrivateAttr(default=START)

    def now(self) -> datetime:
        return self._now

    def turn(self, now: datetime) -> None:
        self._now = now


class HubServer:
    """One hub in a thread of this process; `start` and `stop` keep the address."""

    def __init__(
        self,
        folder: Path,
        chain: Chain | None = None,
        speed: float = 1.0,
        now: datetime = START,
        clock: SimClock | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.clock = clock or SimClock(start=now, wall_start=datetime.now(UTC), speed=speed, slot_minutes=15)
        self.chain = chain

    def start(self) -> HubServer:
        self.http = httpx.Client(base_url=self.url, trust_env=False)
        chain = self.chain
        connect = connect_ledger if chain is None else lambda _: chain
        app = create_app(self.folder, self.clock, SITE, MarketConfig(), IDS, connect)
        self._server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="error", ws="none", lifespan="on"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the hub did not start"
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self.http.close()

    def post(self, path: str, payload: object) -> None:
        answer = self.http.post(path, json=payload)
        assert answer.is_success, f"{path}: {answer.text}"


def fill(hub: HubServer, chain: RecordedChain) -> None:
    """Members, readings, forecasts, a market with orders, offers, slots and trades, and three rounds."""
    now = hub.clock.now()
    slot = hub.clock.slot_at(now)
    deployment = Deployment(
        chain_id=31337,
        rpc_url="http://127.0.0.1:9",
        contract=Account.from_key(f"0x{77:064x}").address,
        token=Account.from_key(f"0x{78:064x}").address,
        deployed_block=1,
        retail_price=300_000,
        feed_in_price=80_000,
        price_cap=1_000_000,
        grid_fee=0,
        settlement_window_slots=4,
        slot_minutes=15,
        slot_seconds=0,
        currency="EUR",
    )
    assert hub.http.put("/api/market", json=deployment.model_dump(mode="json")).is_success
    for number, building in enumerate(BUILDINGS, 1):
        join(hub, number, building)
        hub.post("/update", [_reading(building, minute, now) for minute in range(200)])
        hub.post("/api/forecasts", _forecast(building, slot, now))
    _orders(hub, slot, deployment)
    _trades(hub, slot, chain)
    _rounds(hub)


def join(hub: HubServer, number: int, building: Building) -> None:
    building_id, name, profile, solar, battery, _ = building
    member = Member(
        number=number,
        building_id=building_id,
        name=name,
        owner=KEYS[number].address,
        meter=KEYS[number + 6].address,
        profile=profile,
        peak_solar_kw=solar,
        battery_capacity_kwh=battery,
    )
    hub.post("/api/members", member.model_dump(mode="json"))


def _power(building: Building, minute: int) -> tuple[float, float, float]:
    _, _, _, solar, battery, load = building
    wave = math.sin(minute / 23 + load)
    pv_kw = solar * (0.45 + minute / 600) * (0.93 + 0.05 * wave)
    load_kw = load * (0.9 + 0.2 * wave)
    return round(load_kw, 4), round(pv_kw, 4), round(0.1 * battery * math.cos(minute / 40), 4)


def _reading(building: Building, minute: int, now: datetime) -> dict[str, object]:
    load_kw, pv_kw, battery_kw = _power(building, minute)
    at = now.replace(second=0, microsecond=0) - timedelta(minutes=199 - minute)
    return {
        "building_id": building[0],
        "seq": minute,
        "timestamp": at.isoformat(),
        "load_kw": load_kw,
        "pv_kw": pv_kw,
        "battery_kw": battery_kw,
        "soc": round(0.6 + 0.2 * math.sin(minute / 40), 5) if building[4] else None,
        "grid_kw": round(load_kw - pv_kw + battery_kw, 4),
        "net_flow_kw": round(pv_kw - load_kw, 4),
    }


def _forecast(building: Building, slot: int, now: datetime) -> dict[str, object]:
    hours = [step / 4 for step in range(96)]
    p50 = [building[3] * max(0.0, math.cos((hour - 2) / 24 * 2 * math.pi)) * 0.7 - building[5] * 0.9 for hour in hours]
    spread = [0.3 + 0.06 * building[5] * min(hour, 6) ** 0.5 for hour in hours]
    return Forecast(
        building_id=building[0],
        issued_at=now,
        slot=slot,
        slot_minutes=15,
        net_flow_kw_p10=tuple(p - s for p, s in zip(p50, spread, strict=True)),
        net_flow_kw_p50=tuple(p50),
        net_flow_kw_p90=tuple(p + s for p, s in zip(p50, spread, strict=True)),
        deficit_probability=tuple(1 / (1 + math.exp(p / s)) for p, s in zip(p50, spread, strict=True)),
        source="model",
        model_version=3,
    ).model_dump(mode="json")


def _orders(hub: HubServer, slot: int, deployment: Deployment) -> None:
    domain = Domain(chain_id=deployment.chain_id, contract=deployment.contract)
    bids = [(4, Side.SELL, 4000, 120_000), (5, Side.BUY, 2500, 250_000), (2, Side.BUY, 900, 240_000)]
    for number, side, wh, price in bids:
        order = Order(
            member=number, slot=slot + 2, side=side, energy_wh=wh, limit_price=price, expiry_slot=slot + 2, salt=number
        )
        hub.post("/api/orders", sign_order(order, domain, KEYS[number]).model_dump(mode="json"))
    for number, wh, price in [(4, 1800, 150_000), (1, 350, 130_000)]:
        offer = Order(
            member=number, slot=slot - 1, side=Side.SELL, energy_wh=wh, limit_price=price, expiry_slot=slot + 3, salt=7
        )
        hub.post("/api/orders", sign_order(offer, domain, KEYS[number]).model_dump(mode="json"))


def _trades(hub: HubServer, slot: int, chain: RecordedChain) -> None:
    pairs = [(4, 5, 2400), (4, 2, 900), (1, 2, 300), (3, 5, 450), (0, 5, 700), (4, 0, 1200)]
    for back in range(8, 0, -1):
        price = PRICE + 9_000 * (back % 4)
        tx_hash = f"0x{slot - back:064x}"
        chain.transfers += [
            EnergyTransfer(
                tx_hash=tx_hash,
                log_index=index,
                slot=slot - back,
                seller=seller,
                buyer=buyer,
                energy_wh=wh,
                price=price,
                cost=wh * price // 1000,
                proceeds=wh * price // 1000,
                kind="auction" if seller and buyer else "utility",
            )
            for index, (seller, buyer, wh) in enumerate(pairs)
        ]
        report: dict[str, Any] = {"slot": slot - back, "price": price, "volume_wh": 4050, "orders": 5, "fills": 4}
        bought_wh = {1: -300, 2: 1200, 3: -450, 4: -3300, 5: 2850}
        report |= {"supply_wh": 6000, "demand_wh": 4050, "bought_wh": bought_wh}
        report |= {"retail_price": 300_000, "feed_in_price": 80_000}
        hub.post("/api/slots", report | {"state": "settled", "tx_hash": tx_hash})
    hub.post("/api/trades", [transfer.model_dump(mode="json") for transfer in chain.transfers])


def _rounds(hub: HubServer) -> None:
    for number, loss in enumerate([0.412, 0.301, 0.262], 1):
        took_part = IDS if number < 3 else IDS[:4]
        participants = [
            {"building_id": one, "num_examples": 2400 + 10 * index, "train_loss": loss * 0.9, "loss_before": loss}
            for index, one in enumerate(took_part)
        ]
        report = {"run_id": "4711", "round": number, "of_rounds": 3, "participants": participants, "loss": loss}
        total = sum(2400 + 10 * index for index, _ in enumerate(took_part))
        dropped = [{"building_id": one, "reason": "its weights were not finite"} for one in IDS[len(took_part) :]]
        report |= {"num_examples": total, "at": datetime.now(UTC).isoformat(), "dropped": dropped}
        hub.post("/api/rounds", report)
