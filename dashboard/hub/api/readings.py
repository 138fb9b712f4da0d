"""Live readings come in here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from dashboard.hub.bodies import JsonBatch
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals
from dashboard.hub.records import UpdateResult
from simulation.reading import Reading

router = APIRouter(tags=["readings"])

MAX_BATCH = 5000
batch_body = JsonBatch(Reading, MAX_BATCH)


@router.post("/update", responses=refusals(409, 413, 415, 422, 503), openapi_extra=batch_body.openapi())
def update(hub: HubDep, batch: Annotated[list[Reading], Depends(batch_body)]) -> UpdateResult:
    """Store one reading or up to 5,000; all or none. Idempotent by (building, seq): stored ones count as duplicates."""
    sent = {reading.building_id for reading in batch}
    hub.buildings.require_all(sent)
    accepted = hub.readings.add(batch)
    lasts = {building_id: hub.readings.of(building_id).last for building_id in sorted(sent)}
    last_seq = {building_id: last.seq for building_id, last in lasts.items() if last is not None}
    return UpdateResult(accepted=accepted, duplicates=len(batch) - accepted, last_seq=last_seq)
