"""Parameters that several routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from dashboard.hub.records import SLOT_MAX

Limit = Annotated[int, Query(ge=1, le=10_000, description="At most this many, the newest ones.")]
RingLimit = Annotated[int, Query(ge=1, le=200, description="At most this many, the newest ones.")]
SlotQuery = Annotated[int, Query(ge=0, le=SLOT_MAX, description="Index of the market slot.")]
MemberNumber = Annotated[int, Path(ge=0, le=SLOT_MAX, description="Number of the member on the contract.")]
BuildingId = Annotated[str, Path(max_length=32, description="Id of the building in the scenario.")]
