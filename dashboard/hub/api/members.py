"""Members of the community: buildings, and people who only buy."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from contracts.member import Member
from dashboard.hub.api.parameters import MemberNumber
from dashboard.hub.bodies import JsonBody
from dashboard.hub.errors import Invalid
from dashboard.hub.hub import Hub, HubDep
from dashboard.hub.market import contract_key
from dashboard.hub.openapi import refusals
from dashboard.hub.records import GuestRequest, MemberEntry

router = APIRouter(prefix="/api", tags=["members"])

member_body = JsonBody(Member)
guest_body = JsonBody(GuestRequest)


@router.get("/members")
def members(hub: HubDep) -> list[MemberEntry]:
    """All members by number."""
    return [_entry(hub, member) for member in hub.members.all()]


@router.post("/members", responses=refusals(409, 413, 415, 422, 503), openapi_extra=member_body.openapi())
def join(hub: HubDep, member: Annotated[Member, Depends(member_body)]) -> MemberEntry:
    """A building announces itself, at each of its starts; its number, owner and meter never change."""
    return _entry(hub, hub.members.join(member))


@router.post("/members/{number}/registered", responses=refusals(404, 422, 503))
def mark_registered(hub: HubDep, number: MemberNumber) -> MemberEntry:
    """The operator has registered this member on the current contract."""
    deployment = hub.market.require()
    return _entry(hub, hub.members.mark_registered(number, contract_key(deployment)))


@router.post("/guests", responses=refusals(413, 415, 422, 503), openapi_extra=guest_body.openapi())
def join_as_guest(hub: HubDep, guest: Annotated[GuestRequest, Depends(guest_body)]) -> MemberEntry:
    """A person's wallet joins, to buy energy; the same wallet is the same member again."""
    if not hub.rules.open_registration:
        raise Invalid("guests cannot join: the scenario says market.open_registration = false")
    return _entry(hub, hub.members.join_guest(guest.owner, guest.name))


def _entry(hub: Hub, member: Member) -> MemberEntry:
    return MemberEntry(**member.model_dump(), registered=hub.members.is_registered(member.number, hub.market.key))
