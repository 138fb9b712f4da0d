"""Rounds of federated learning."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from dashboard.hub.api.parameters import Limit
from dashboard.hub.bodies import JsonBody
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals
from dashboard.hub.records import Accepted
from fl_server.report import RoundReport

router = APIRouter(prefix="/api/rounds", tags=["rounds"])

report_body = JsonBody(RoundReport)


@router.post("", responses=refusals(413, 415, 422, 503), openapi_extra=report_body.openapi())
def report_round(hub: HubDep, report: Annotated[RoundReport, Depends(report_body)]) -> Accepted:
    """Store the result of one round. Idempotent by (run_id, round)."""
    new = hub.rounds.add(report)
    return Accepted(accepted=int(new), duplicates=int(not new))


@router.get("", responses=refusals(422))
def rounds(hub: HubDep, limit: Limit = 200) -> list[RoundReport]:
    """The latest rounds, newest last."""
    return hub.rounds.newest(limit)
