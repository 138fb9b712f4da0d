"""Signed orders of the auctions, and window offers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from contracts.orders import SignedOrder
from dashboard.hub.api.parameters import SlotQuery
from dashboard.hub.bodies import JsonBody
from dashboard.hub.hub import HubDep
from dashboard.hub.offers import offers_of
from dashboard.hub.openapi import refusals
from dashboard.hub.records import OfferEntry, OrderEntry, OrderReceipt

router = APIRouter(prefix="/api", tags=["orders"])

order_body = JsonBody(SignedOrder)


@router.post("/orders", responses=refusals(413, 415, 422, 503), openapi_extra=order_body.openapi())
def add_order(hub: HubDep, signed: Annotated[SignedOrder, Depends(order_body)]) -> OrderReceipt:
    """Take a signed order; a later one of the same member for the same slot replaces it."""
    return OrderReceipt(order_hash=hub.orders.add(signed))


@router.get("/orders", responses=refusals(422))
def orders(hub: HubDep, slot: SlotQuery, history: bool = False) -> list[OrderEntry]:
    """The auction orders that count for one slot, in order of arrival; with `history` also those that were replaced."""
    return hub.orders.auction(slot, history)


@router.get("/offers")
def offers(hub: HubDep) -> list[OfferEntry]:
    """Energy already delivered that can still be bought from a neighbour."""
    return offers_of(hub)
