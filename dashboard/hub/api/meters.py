"""Signed meter readings of market slots."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from contracts.metering import SignedMeterReading
from dashboard.hub.api.parameters import SlotQuery
from dashboard.hub.bodies import JsonBody
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals
from dashboard.hub.records import Accepted

router = APIRouter(prefix="/api/meter-readings", tags=["meter readings"])

reading_body = JsonBody(SignedMeterReading)


@router.post("", responses=refusals(409, 413, 415, 422, 503), openapi_extra=reading_body.openapi())
def add_meter_reading(hub: HubDep, signed: Annotated[SignedMeterReading, Depends(reading_body)]) -> Accepted:
    """Take what a building's meter signed for one slot."""
    new = hub.meters.add(signed)
    return Accepted(accepted=int(new), duplicates=int(not new))


@router.get("", responses=refusals(422))
def meter_readings(hub: HubDep, slot: SlotQuery) -> list[SignedMeterReading]:
    """All meter readings of one slot, by member."""
    return hub.meters.of_slot(slot)
