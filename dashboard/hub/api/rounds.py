"""Rounds of federated learning, and the models that were released."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from dashboard.hub.api.parameters import Limit
from dashboard.hub.bodies import JsonBody
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals
from dashboard.hub.records import Accepted
from fl_server.report import ModelRelease, RoundReport

router = APIRouter(prefix="/api", tags=["rounds"])

report_body = JsonBody(RoundReport)
model_body = JsonBody(ModelRelease)


@router.post("/rounds", responses=refusals(413, 415, 422, 503), openapi_extra=report_body.openapi())
def report_round(hub: HubDep, report: Annotated[RoundReport, Depends(report_body)]) -> Accepted:
    """Store the result of one round. Idempotent by (run_id, round)."""
    new = hub.rounds.add(report)
    return Accepted(accepted=int(new), duplicates=int(not new))


@router.get("/rounds", responses=refusals(422))
def rounds(hub: HubDep, limit: Limit = 200) -> list[RoundReport]:
    """The latest rounds, newest last."""
    return hub.rounds.newest(limit)


@router.post("/models", responses=refusals(413, 415, 422, 503), openapi_extra=model_body.openapi())
def report_model(hub: HubDep, release: Annotated[ModelRelease, Depends(model_body)]) -> Accepted:
    """Note the hash of a released model, which the operator anchors on chain. Idempotent by hash."""
    new = hub.rounds.add_model(release)
    return Accepted(accepted=int(new), duplicates=int(not new))


@router.get("/models", responses=refusals(422))
def models(hub: HubDep, limit: Limit = 200) -> list[ModelRelease]:
    """The latest released models, newest last."""
    return hub.rounds.models(limit)
