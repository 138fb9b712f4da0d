"""Market slots as the operator reports them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from dashboard.hub.api.parameters import Limit
from dashboard.hub.bodies import JsonBody
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals
from dashboard.hub.records import SlotReport

router = APIRouter(prefix="/api/slots", tags=["slots"])

report_body = JsonBody(SlotReport)


@router.post("", responses=refusals(413, 415, 422, 503), openapi_extra=report_body.openapi())
def report_slot(hub: HubDep, report: Annotated[SlotReport, Depends(report_body)]) -> SlotReport:
    """Store how far a slot is, and answer what counts: a state never goes back."""
    return hub.slots.report(report)


@router.get("", responses=refusals(422))
def slots(hub: HubDep, limit: Limit = 96) -> list[SlotReport]:
    """The latest slots, newest last."""
    return hub.slots.newest(limit)
