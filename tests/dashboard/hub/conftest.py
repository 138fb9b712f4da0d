"""A hub in this process, with a chain that says what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from fastapi import FastAPI

from contracts.deployment import Deployment
from contracts.events import EnergyTransfer
from contracts.member import Member
from contracts.orders import Order, Side, sign_order
from contracts.settings import MarketConfig
from contracts.typed_data import Domain
from dashboard.hub.app import create_app
from dashboard.hub.market import Connect
from simulation.clock import SimClock
from simulation.settings import SiteConfig

NOON = datetime(2026, 6, 17, 12, 7, tzinfo=UTC)
CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
TOKEN = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"


class FakeChain:
    """Transactions by hash; an error instead when a test sets one."""

    def __init__(self) -> None:
        self.transactions: dict[str, list[EnergyTransfer]] = {}
        self.error: Exception | None = None
        self.away: Exception | None = None
        self.asked = 0

    def transfers_in(self, tx_hash: str) -> list[EnergyTransfer]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.transactions.get(tx_hash, [])

    def block_number(self) -> int:
        if self.away is not None:
            raise self.away
        return 7


class InProcess(httpx.BaseTransport):
    """Calls an ASGI app without a network, for a client that is not async."""

    def __init__(self, app: FastAPI) -> None:
        self._runner = asyncio.Runner()
        self._app = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._runner.run(self._answer(request))

    def close(self) -> None:
        self._runner.close()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._app.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def clock() -> SimClock:
    """Simulated 12:07 when the test starts, in real speed: nothing moves during a test."""
    return SimClock(start=NOON, wall_start=datetime.now(UTC), speed=1, slot_minutes=15)


@pytest.fixture
def slot(clock: SimClock) -> int:
    """The slot that runs now."""
    return clock.slot_at(NOON)


@pytest.fixture
def make_hub(tmp_path: Path, clock: SimClock, chain: FakeChain) -> Iterator[Callable[..., httpx.Client]]:
    """Start a hub on the test's folder; again is a restart."""
    with ExitStack() as stack:

        def make(
            at: SimClock = clock, market: MarketConfig | None = None, connect: Connect = lambda _: chain
        ) -> httpx.Client:
            rules = market or MarketConfig()
            app = create_app(tmp_path / "hub", at, SiteConfig(), rules, ["B1", "B2", "B3"], connect)
            stack.callback(app.state.hub.database.close)
            return stack.enter_context(httpx.Client(transport=InProcess(app), base_url="http://hub"))

        yield make


@pytest.fixture
def hub(make_hub: Callable[..., httpx.Client]) -> httpx.Client:
    return make_hub()


@pytest.fixture
def reading() -> Callable[..., dict[str, Any]]:
    """A valid reading as JSON; keyword arguments change it."""

    def make(seq: int = 0, building_id: str = "B1", **changes: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "building_id": building_id,
            "seq": seq,
            "timestamp": (NOON + timedelta(minutes=seq)).isoformat(),
            "load_kw": 1.5,
            "pv_kw": 0.5,
            "battery_kw": 0.25,
            "soc": 0.5,
            "grid_kw": 1.25,
            "net_flow_kw": -1.0,
        }
        return values | changes

    return make


@pytest.fixture
def owners() -> list[LocalAccount]:
    """Keys of members 1, 2, 3: [0] is nobody's."""
    return [Account.from_key(bytes([7] * 31 + [number + 1])) for number in range(4)]


@pytest.fixture
def meters() -> list[LocalAccount]:
    return [Account.from_key(bytes([9] * 31 + [number + 1])) for number in range(4)]


@pytest.fixture
def member(owners: list[LocalAccount], meters: list[LocalAccount]) -> Callable[..., Member]:
    def make(number: int = 1, **changes: Any) -> Member:
        values: dict[str, Any] = {
            "number": number,
            "building_id": f"B{number}",
            "name": f"House {number}",
            "owner": owners[number].address,
            "meter": meters[number].address,
            "profile": "family_home",
            "peak_solar_kw": 5.0,
            "battery_capacity_kwh": 10.0,
        }
        return Member(**(values | changes))

    return make


@pytest.fixture
def deployment() -> Deployment:
    return Deployment(
        chain_id=31337,
        rpc_url="http://127.0.0.1:8545",
        contract=CONTRACT,
        token=TOKEN,
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


@pytest.fixture
def market(hub: httpx.Client, deployment: Deployment, member: Callable[..., Member]) -> httpx.Client:
    """A hub with a contract and members 1 and 2."""
    assert hub.put("/api/market", json=deployment.model_dump()).status_code == 200
    for number in (1, 2):
        assert hub.post("/api/members", json=member(number).model_dump()).status_code == 200
    return hub


@pytest.fixture
def signed_order(owners: list[LocalAccount], slot: int) -> Callable[..., dict[str, Any]]:
    """A signed order for the slot after next as JSON, signed by `signer` (the owner by default)."""

    def make(signer: LocalAccount | None = None, domain: Domain | None = None, **changes: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "member": 1,
            "slot": slot + 2,
            "side": Side.BUY,
            "energy_wh": 500,
            "limit_price": 200_000,
            "expiry_slot": changes.get("slot", slot + 2),
            "salt": 1,
        }
        order = Order(**(values | changes))
        place = domain or Domain(chain_id=31337, contract=CONTRACT)
        return sign_order(order, place, signer or owners[order.member]).model_dump(mode="json")

    return make


@pytest.fixture
def transfer(slot: int) -> Callable[..., EnergyTransfer]:
    def make(**changes: Any) -> EnergyTransfer:
        values: dict[str, Any] = {
            "tx_hash": "0x" + "ab" * 32,
            "log_index": 0,
            "slot": slot - 1,
            "seller": 1,
            "buyer": 2,
            "energy_wh": 400,
            "price": 190_000,
            "cost": 76_000,
            "proceeds": 76_000,
            "kind": "auction",
        }
        return EnergyTransfer(**(values | changes))

    return make
