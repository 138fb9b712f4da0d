"""The buildings as they are now, and their recent past."""

from __future__ import annotations

from fastapi import APIRouter

from dashboard.hub.api.parameters import BuildingId, RingLimit
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals
from dashboard.hub.records import BuildingState
from simulation.reading import Reading

router = APIRouter(prefix="/api/buildings", tags=["buildings"])


@router.get("")
def buildings(hub: HubDep) -> list[BuildingState]:
    """All buildings, in the order of the scenario."""
    return hub.buildings.all()


@router.get("/{building_id}", responses=refusals(404, 422))
def building(hub: HubDep, building_id: BuildingId) -> BuildingState:
    """One building."""
    return hub.buildings.state(hub.buildings.require(building_id))


@router.get("/{building_id}/history", responses=refusals(404, 422))
def history(hub: HubDep, building_id: BuildingId, limit: RingLimit = 200) -> list[Reading]:
    """The newest readings of one building, at most 200, newest last."""
    ring = hub.readings.of(hub.buildings.require(building_id)).ring
    return list(ring[-limit:])
