"""Energy transfers, checked against the chain."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from contracts.events import EnergyTransfer
from dashboard.hub.api.parameters import Limit
from dashboard.hub.bodies import JsonBatch
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals
from dashboard.hub.records import Accepted, TradeEntry

router = APIRouter(prefix="/api/trades", tags=["trades"])

MAX_BATCH = 5000
batch_body = JsonBatch(EnergyTransfer, MAX_BATCH)


@router.post("", responses=refusals(413, 415, 422, 503), openapi_extra=batch_body.openapi())
def add_trades(hub: HubDep, transfers: Annotated[list[EnergyTransfer], Depends(batch_body)]) -> Accepted:
    """Store transfers that the chain confirms; all or none. Idempotent by (tx_hash, log_index)."""
    accepted = hub.trades.add(transfers)
    return Accepted(accepted=accepted, duplicates=len(transfers) - accepted)


@router.get("", responses=refusals(422))
def trades(hub: HubDep, limit: Limit = 200) -> list[TradeEntry]:
    """The latest trades, newest last."""
    return hub.trades.newest(limit)
