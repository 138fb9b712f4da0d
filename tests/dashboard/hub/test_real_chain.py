"""A purchase of delivered energy on a real node, and what the hub makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account.signers.local import LocalAccount

from contracts.deployment import deploy
from contracts.ledger import Ledger
from contracts.member import Member
from contracts.metering import MeterReading, sign_reading
from contracts.orders import Side, SignedOrder
from contracts.settings import ChainConfig, MarketConfig
from dashboard.hub.market import connect_ledger
from tests.contracts.chain_process import ChainProcess


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ChainProcess]:
    process = ChainProcess(tmp_path / "chain")
    process.start()
    yield process
    process.stop()


def test_a_purchase_is_checked_against_the_node(
    node: ChainProcess,
    make_hub: Callable[..., httpx.Client],
    member: Callable[..., Member],
    owners: list[LocalAccount],
    meters: list[LocalAccount],
    signed_order: Callable[..., dict[str, Any]],
    slot: int,
) -> None:
    """House 1 delivered 900 Wh, offers them, House 2 buys 400 on chain and tells the hub."""
    hub = make_hub(connect=connect_ledger)
    deployment = deploy(ChainConfig(rpc_url=node.url), MarketConfig(), 15, slot - 1, owners[0])
    operator = Ledger(deployment, owners[0])
    hub.put("/api/market", json=deployment.model_dump())
    for number in (1, 2):
        hub.post("/api/members", json=member(number).model_dump())
        operator.register(member(number), 25_000)
    operator.advance_to(slot)
    delivered = MeterReading(member=1, slot=slot - 1, sequence=slot - 1, import_register_wh=0, export_register_wh=900)
    operator.submit_readings([sign_reading(delivered, operator.domain, meters[1])])
    terms = {"slot": slot - 1, "expiry_slot": slot + 3, "side": Side.SELL, "energy_wh": 900}
    offer = signed_order(domain=operator.domain, **terms)
    assert hub.post("/api/orders", json=offer).status_code == 200
    buyer = Ledger(deployment, owners[2])
    buyer.fund(2, 10_000_000)
    found = hub.get("/api/offers").json()[0]
    signed = SignedOrder.model_validate({"order": found["order"], "signature": found["signature"]})
    bought = buyer.transfer_energy(signed, 2, 400)
    assert hub.post("/api/trades", json=bought.model_dump()).json() == {"accepted": 1, "duplicates": 0}
    assert hub.post("/api/trades", json=bought.model_dump()).json() == {"accepted": 0, "duplicates": 1}
    assert hub.get("/api/offers").json()[0]["remaining_wh"] == 500
    lie = bought.model_dump() | {"energy_wh": 900}
    assert "the chain says 400" in hub.post("/api/trades", json=lie).json()["detail"]
    unknown = bought.model_dump() | {"tx_hash": "0x" + "00" * 32}
    assert hub.post("/api/trades", json=unknown).status_code == 422
    again = buyer.transfer_energy(signed, 2, 100).model_dump()
    node.stop()
    assert hub.post("/api/trades", json=again).status_code == 503
    assert hub.post("/api/trades", json=bought.model_dump()).json() == {"accepted": 0, "duplicates": 1}
