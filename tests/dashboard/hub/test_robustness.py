"""Whatever is sent to any route, the answer is a documented status and, when refused, one line of words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.member import Member

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 2, 2**53, 2**63, 2**64, 10**40, -1]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["B1", "0x", "0x" + "1" * 40, "0x" + "1" * 64, "2026-06-17T12:00:00Z", "settled", "auction", "\x00"]
    ),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=6) | st.sampled_from(["slot", "seq"]), inner, max_size=4),
    ),
    max_leaves=8,
)


def routes(hub: httpx.Client) -> list[tuple[str, str, dict[str, Any]]]:
    paths = hub.get("/openapi.json").json()["paths"]
    return [(method, path, operation) for path, methods in paths.items() for method, operation in methods.items()]


def send(hub: httpx.Client, method: str, path: str, body: str) -> httpx.Response:
    headers = {"Content-Type": "application/json"} if body else {}
    return hub.request(method, path, content=body.encode(errors="replace"), headers=headers)


def check(answer: httpx.Response, operation: dict[str, Any]) -> None:
    assert str(answer.status_code) in operation["responses"], (answer.request.url, answer.status_code, answer.text)
    if answer.status_code >= 400:
        assert isinstance(answer.json()["detail"], str)
        assert answer.json()["detail"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=anything, text=st.text(max_size=20) | st.integers().map(str))
def test_any_body_on_any_route(hub: httpx.Client, body: Any, text: str) -> None:
    raw = json.dumps(body)
    for method, path, operation in routes(hub):
        url = path.replace("{building_id}", quote(text, safe="")).replace("{number}", quote(text, safe=""))
        headers = {"Content-Type": "application/json"} if method != "get" else {}
        answer = hub.request(method, url, content=raw if method != "get" else None, headers=headers)
        if path == url or answer.status_code >= 500:
            check(answer, operation)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_one_field_changed_in_a_valid_body(
    market: httpx.Client, valid: dict[str, dict[str, Any]], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(valid)))
    body = json.loads(json.dumps(valid[path]))
    inner = [body, *(value for value in body.values() if isinstance(value, dict))]
    target = data.draw(st.sampled_from(inner))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(anything)
    operation = {(m, p): o for m, p, o in routes(market)}
    method = "put" if path == "/api/market" else "post"
    check(send(market, method, path, json.dumps(body)), operation[method, path])


@pytest.fixture
def valid(
    reading: Callable[..., dict[str, Any]],
    signed_order: Callable[..., dict[str, Any]],
    member: Callable[..., Member],
    transfer: Callable[..., Any],
    deployment: Any,
    slot: int,
) -> dict[str, dict[str, Any]]:
    """A valid body of each route that takes one."""
    meter = {"member": 1, "slot": slot - 1, "sequence": slot - 1, "import_register_wh": 1, "export_register_wh": 2}
    steps = [0.5] * 96
    return {
        "/update": reading(),
        "/api/orders": signed_order(),
        "/api/members": member(3).model_dump(),
        "/api/guests": {"owner": "0x" + "12" * 20, "name": "Ada"},
        "/api/trades": transfer().model_dump(),
        "/api/market": deployment.model_dump(),
        "/api/meter-readings": {"reading": meter, "signature": "0x" + "11" * 65},
        "/api/slots": {
            "slot": 5,
            "price": 1,
            "volume_wh": 1,
            "orders": 1,
            "fills": 1,
            "supply_wh": 2,
            "demand_wh": 1,
            "bought_wh": {"1": -1, "2": 1},
            "retail_price": 3,
            "feed_in_price": 1,
            "state": "cleared",
            "tx_hash": None,
        },
        "/api/rounds": {
            "run_id": "1",
            "round": 1,
            "of_rounds": 3,
            "participants": [],
            "num_examples": 1,
            "loss": 0.5,
            "at": "2026-06-17T12:00:00Z",
            "dropped": [{"building_id": "B1", "reason": "no history"}],
        },
        "/api/models": {"model_hash": "0x" + "ab" * 32, "run_id": "1", "at": "2026-06-17T12:00:00Z"},
        "/api/forecasts": {
            "building_id": "B1",
            "issued_at": "2026-06-17T12:00:00Z",
            "slot": slot,
            "slot_minutes": 15,
            "net_flow_kw_p10": steps,
            "net_flow_kw_p50": steps,
            "net_flow_kw_p90": steps,
            "deficit_probability": steps,
            "source": "model",
            "model_version": 1,
        },
    }


def test_the_description_covers_every_route(hub: httpx.Client) -> None:
    found = routes(hub)
    assert len(found) > 25
    for method, path, operation in found:
        assert operation.get("description"), path
        assert "x-definitions" not in operation
        if method in ("post", "put") and not path.endswith("/registered"):
            assert "application/json" in operation["requestBody"]["content"]
    text = hub.get("/openapi.json").text
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= set(hub.get("/openapi.json").json()["components"]["schemas"])


def test_reading_routes_work_after_any_of_it(market: httpx.Client, valid: dict[str, dict[str, Any]]) -> None:
    for path, body in valid.items():
        send(market, "put" if path == "/api/market" else "post", path, json.dumps(body))
    for path in (
        "buildings",
        "buildings/predictions",
        "members",
        "market",
        "offers",
        "slots",
        "trades",
        "rounds",
        "alerts",
    ):
        assert market.get(f"/api/{path}").status_code == 200, path
    for path in ("/api/summary", "/api/site", "/api/clock", "/healthz"):
        assert market.get(path).status_code == 200, path
