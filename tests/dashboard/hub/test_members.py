"""Members keep their number, owner and meter; guests come from 1001."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from eth_account.signers.local import LocalAccount

from contracts.deployment import Deployment
from contracts.member import Member
from contracts.settings import MarketConfig

STRANGER = "0x00000000000000000000000000000000000000AA"


def test_a_building_joins_again_and_again(
    hub: httpx.Client, member: Callable[..., Member], make_hub: Callable[..., httpx.Client]
) -> None:
    assert hub.get("/api/members").json() == []
    first = hub.post("/api/members", json=member(1).model_dump())
    assert first.json() == member(1).model_dump() | {"registered": False}
    renamed = member(1, name="New name")
    assert hub.post("/api/members", json=renamed.model_dump()).status_code == 200
    restarted = make_hub()
    assert restarted.get("/api/members").json() == [renamed.model_dump() | {"registered": False}]
    state = restarted.get("/api/buildings/B1").json()
    assert (state["name"], state["member_number"], state["owner"]) == ("New name", 1, renamed.owner)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"owner": STRANGER}, 409, "has owner"),
        ({"meter": STRANGER}, 409, "has meter"),
        ({"building_id": "B2"}, 409, "has number 2"),
        ({"number": 1001}, 422, "/api/guests"),
        ({"number": 0}, 422, "number"),
        ({"owner": "0x12"}, 422, "owner = '0x12'"),
        ({"owner": "0xAbcdEFABcdEFabcdEfAbCdefabcdeFABcDEFabCd"}, 422, "EIP-55"),
        ({"peak_solar_kw": -1.0}, 422, "peak_solar_kw"),
    ],
)
def test_what_cannot_be_changed(
    hub: httpx.Client, member: Callable[..., Member], changes: dict[str, Any], status: int, words: str
) -> None:
    hub.post("/api/members", json=member(1).model_dump())
    answer = hub.post("/api/members", json=member(1).model_dump() | changes)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert [entry["number"] for entry in hub.get("/api/members").json()] == [1]


def test_an_owner_is_one_member(hub: httpx.Client, member: Callable[..., Member], owners: list[LocalAccount]) -> None:
    hub.post("/api/members", json=member(1).model_dump())
    answer = hub.post("/api/members", json=member(2, owner=owners[1].address).model_dump())
    assert answer.status_code == 409
    assert "belongs to member 1" in answer.json()["detail"]


def test_guests_get_numbers_from_1001(hub: httpx.Client, owners: list[LocalAccount]) -> None:
    first = hub.post("/api/guests", json={"owner": owners[3].address.lower(), "name": "Ada"}).json()
    again = hub.post("/api/guests", json={"owner": owners[3].address}).json()
    second = hub.post("/api/guests", json={"owner": owners[2].address}).json()
    assert (first["number"], first["owner"], first["meter"], first["name"]) == (1001, owners[3].address, None, "Ada")
    assert again == first
    assert (second["number"], second["name"]) == (1002, "Guest 1002")
    assert [state["id"] for state in hub.get("/api/buildings").json()] == ["B1", "B2", "B3"]
    assert hub.post("/api/guests", json={"owner": "me"}).status_code == 422


def test_guests_can_be_switched_off(make_hub: Callable[..., httpx.Client], owners: list[LocalAccount]) -> None:
    hub = make_hub(market=MarketConfig(open_registration=False))
    answer = hub.post("/api/guests", json={"owner": owners[3].address})
    assert answer.status_code == 422
    assert "market.open_registration" in answer.json()["detail"]


def test_registration_belongs_to_one_contract(market: httpx.Client, deployment: Deployment) -> None:
    assert market.post("/api/members/1/registered").json()["registered"] is True
    assert [entry["registered"] for entry in market.get("/api/members").json()] == [True, False]
    other = deployment.model_copy(update={"contract": deployment.token})
    market.put("/api/market", json=other.model_dump())
    assert [entry["registered"] for entry in market.get("/api/members").json()] == [False, False]
    assert market.post("/api/members/77/registered").status_code == 404


def test_the_market_is_kept(hub: httpx.Client, deployment: Deployment, make_hub: Callable[..., httpx.Client]) -> None:
    assert hub.get("/api/market").status_code == 404
    assert "no market yet" in hub.get("/api/market").json()["detail"]
    assert hub.post("/api/members/1/registered").status_code == 503
    hub.put("/api/market", json=deployment.model_dump())
    assert make_hub().get("/api/market").json() == deployment.model_dump()
    wrong = deployment.model_dump() | {"slot_minutes": 30}
    assert "slot_minutes = 30" in hub.put("/api/market", json=wrong).json()["detail"]
