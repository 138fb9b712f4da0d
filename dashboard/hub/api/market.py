"""The contract on which the community settles."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from contracts.deployment import Deployment
from dashboard.hub.bodies import JsonBody
from dashboard.hub.hub import HubDep
from dashboard.hub.openapi import refusals
from dashboard.hub.records import ContractInterface
from dashboard.hub.wallet_abi import contract_interface

router = APIRouter(prefix="/api", tags=["market"])

deployment_body = JsonBody(Deployment)


@router.put("/market", responses=refusals(413, 415, 422, 503), openapi_extra=deployment_body.openapi())
def announce_market(hub: HubDep, deployment: Annotated[Deployment, Depends(deployment_body)]) -> Deployment:
    """The operator announces its contract."""
    return hub.market.announce(deployment)


@router.get("/market", responses=refusals(404))
def market(hub: HubDep) -> Deployment:
    """The contract; 404 until the operator has announced one."""
    return hub.market.get()


@router.get("/contract")
def contract() -> ContractInterface:
    """The functions and events that a wallet page needs, as ABI."""
    return contract_interface()
