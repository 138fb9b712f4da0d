"""POST /update and the ring: idempotent, strict, kept through restarts."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.member import Member

Make = Callable[..., dict[str, Any]]


def test_one_reading_becomes_the_state_of_its_building(hub: httpx.Client, reading: Make) -> None:
    answer = hub.post("/update", json=reading(seq=40320))
    assert answer.json() == {"accepted": 1, "duplicates": 0, "last_seq": {"B1": 40320}}
    state = hub.get("/api/buildings/B1").json()
    assert (state["status"], state["state"], state["readings_received"], state["last_seq"]) == (
        "live",
        "deficit",
        1,
        40320,
    )
    assert state["reading"] == reading(seq=40320) | {
        "timestamp": state["reading"]["timestamp"],
        "quality": "simulated",
    }
    assert state["reading"]["timestamp"] == "2026-07-15T12:07:00Z"


def test_repeated_readings_are_duplicates(hub: httpx.Client, reading: Make) -> None:
    batch = [reading(seq=0), reading(seq=1), reading(seq=1), reading(seq=0, building_id="B2")]
    assert hub.post("/update", json=batch).json() == {"accepted": 3, "duplicates": 1, "last_seq": {"B1": 1, "B2": 0}}
    assert hub.post("/update", json=batch).json() == {"accepted": 0, "duplicates": 4, "last_seq": {"B1": 1, "B2": 0}}
    assert hub.get("/api/summary").json()["readings_received"] == 3


def test_where_a_reading_comes_from_is_kept(
    hub: httpx.Client, reading: Make, make_hub: Callable[..., httpx.Client]
) -> None:
    batch = [reading(seq=0, quality="measured+late"), reading(seq=1, quality="recorded+spread")]
    assert hub.post("/update", json=batch).json()["accepted"] == 2
    assert hub.post("/update", json=batch).json()["duplicates"] == 2
    assert hub.post("/update", json=reading(seq=1)).status_code == 409, "the same values, but simulated"
    known = make_hub().get("/api/buildings/B1/history").json()
    assert [row["quality"] for row in known] == ["measured+late", "recorded+spread"]
    assert hub.post("/update", json=reading(seq=2, quality="guessed")).status_code == 422


def test_the_ring_holds_the_last_200_through_a_restart(
    hub: httpx.Client, reading: Make, make_hub: Callable[..., httpx.Client]
) -> None:
    hub.post("/update", json=[reading(seq=seq) for seq in range(250)])
    before = hub.get("/api/buildings/B1/history").json()
    assert [entry["seq"] for entry in before] == list(range(50, 250))
    restarted = make_hub()
    assert restarted.get("/api/buildings/B1/history").json() == before
    assert restarted.get("/api/buildings/B1").json() == hub.get("/api/buildings/B1").json()
    assert [entry["seq"] for entry in restarted.get("/api/buildings/B1/history?limit=2").json()] == [248, 249]
    assert restarted.post("/update", json=reading(seq=7)).json()["duplicates"] == 1


def test_another_value_for_a_known_row_is_refused_and_nothing_is_stored(hub: httpx.Client, reading: Make) -> None:
    hub.post("/update", json=reading(seq=5))
    answer = hub.post("/update", json=[reading(seq=4), reading(seq=5, load_kw=9.0)])
    assert answer.status_code == 409
    assert "B1" in answer.json()["detail"]
    assert "seq = 5" in answer.json()["detail"]
    assert hub.get("/api/buildings/B1").json()["readings_received"] == 1


numbers = itertools.count(4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posts=st.lists(st.lists(st.integers(0, 260), max_size=300), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_any_order_and_repetition_gives_the_same_state(
    hub: httpx.Client, member: Callable[..., Member], reading: Make, posts: list[list[int]], seed: int
) -> None:
    """Sent shuffled with repeats, or once in order: the same ring and counters."""
    rows = sorted({seq for post in posts for seq in post})
    names = [_join(hub, member(1), next(numbers)) for _ in range(2)]
    for post in [*posts, random.Random(seed).sample(rows, len(rows))]:
        assert hub.post("/update", json=[reading(seq, names[0]) for seq in post]).status_code == 200
    hub.post("/update", json=[reading(seq, names[1]) for seq in rows])
    states = [hub.get(f"/api/buildings/{name}").json() for name in names]
    rings = [hub.get(f"/api/buildings/{name}/history").json() for name in names]
    assert [row["seq"] for row in rings[0]] == rows[-200:]
    assert [_neutral(row) for row in rings[0]] == [_neutral(row) for row in rings[1]]
    assert states[0]["readings_received"] == states[1]["readings_received"] == len(rows)
    assert states[0]["last_seq"] == states[1]["last_seq"]


def _join(hub: httpx.Client, like: Member, number: int) -> str:
    other = {"number": number, "building_id": f"X{number}", "owner": f"0x{number:040x}"}
    assert hub.post("/api/members", json=like.model_dump() | other).status_code == 200
    return f"X{number}"


def _neutral(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"building_id": ""}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"building_id": "B9"}, ["'B9'", "B1, B2, B3"]),
        ({"load_kw": "1.5"}, ["load_kw = '1.5'"]),
        ({"load_kw": -1}, ["load_kw = -1", "greater than or equal to 0"]),
        ({"load_kw": None}, ["load_kw"]),
        ({"load_kw": True}, ["load_kw = True"]),
        ({"seq": -1}, ["seq = -1"]),
        ({"seq": 1.5}, ["seq = 1.5"]),
        ({"seq": 10**30}, ["seq", "too large"]),
        ({"soc": 1.1}, ["soc = 1.1"]),
        ({"timestamp": "2026-06-17T12:00:00"}, ["timestamp", "timezone"]),
        ({"timestamp": "yesterday"}, ["timestamp = 'yesterday'"]),
        ({"timestamp": "9999-12-31T23:59:59-12:00"}, ["time"]),
        ({"timestamp": 5}, ["timestamp"]),
        ({"colour": "red"}, ["colour is not a known field"]),
    ],
)
def test_bad_values_are_named(hub: httpx.Client, reading: Make, changes: dict[str, Any], words: list[str]) -> None:
    answer = hub.post("/update", json=[reading(seq=0), reading(seq=1) | changes])
    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["detail"], str)
    for word in words:
        assert word in answer.json()["detail"]
    assert hub.get("/api/summary").json()["readings_received"] == 0


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(hub: httpx.Client, reading: Make, number: str) -> None:
    body = json.dumps(reading()).replace("1.5", number)
    answer = hub.post("/update", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "load_kw" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[1]", b"3", b"null", b'"a"', b"\xff\xfe", b"[" * 5000])
def test_bodies_that_are_no_readings_are_refused(hub: httpx.Client, body: bytes) -> None:
    answer = hub.post("/update", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_an_empty_list_changes_nothing(hub: httpx.Client) -> None:
    assert hub.post("/update", json=[]).json() == {"accepted": 0, "duplicates": 0, "last_seq": {}}


def test_sizes_are_limited(hub: httpx.Client, reading: Make) -> None:
    answer = hub.post("/update", json=[reading(seq=seq) for seq in range(5001)])
    assert answer.status_code == 422
    assert "5001 records" in answer.json()["detail"]
    answer = hub.post("/update", content=b" " * 4_000_001, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_page_of_another_origin_cannot_post_without_asking(hub: httpx.Client, reading: Make) -> None:
    answer = hub.post("/update", content=json.dumps(reading()), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in hub.options("/api/trades", headers=asked).headers
    own = asked | {"Origin": "http://localhost:8501", "Access-Control-Request-Headers": "content-type"}
    assert hub.options("/api/trades", headers=own).headers["access-control-allow-origin"] == "http://localhost:8501"
    trick = asked | {"Origin": "http://localhost.evil.example"}
    assert "access-control-allow-origin" not in hub.options("/api/trades", headers=trick).headers


def test_unknown_buildings_and_routes_are_named(hub: httpx.Client) -> None:
    answer = hub.get("/api/buildings/B7")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "no building 'B7'; known: B1, B2, B3"
    assert hub.get("/api/buildings/B7/history").status_code == 404
    assert "/nowhere" in hub.get("/nowhere").json()["detail"]
    assert hub.get("/docs").status_code == 404
    assert hub.get("/api/buildings/B1/history?limit=0").status_code == 422
