"""Alerts come from the state, and go when their reason goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from contracts.member import Member
from dashboard.hub import buildings
from simulation.clock import SimClock

Make = Callable[..., dict[str, Any]]


def texts(hub: httpx.Client, building_id: str | None) -> list[str]:
    return [alert["text"] for alert in hub.get("/api/alerts").json() if alert["building_id"] == building_id]


def forecast(slot: int, at: datetime, kw: float = -1.0, building_id: str = "B1") -> dict[str, Any]:
    return {
        "building_id": building_id,
        "issued_at": at.isoformat(),
        "slot": slot,
        "slot_minutes": 15,
        "net_flow_kw_p10": [kw - 0.2] * 96,
        "net_flow_kw_p50": [kw] * 96,
        "net_flow_kw_p90": [kw + 0.2] * 96,
        "deficit_probability": [0.8] * 96,
        "source": "model",
        "model_version": 3,
    }


def test_silence(hub: httpx.Client, reading: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.post("/update", json=reading())
    assert hub.get("/api/alerts").json()[0]["level"] == "info"
    assert texts(hub, "B1") == []
    assert texts(hub, "B2") == ["B2 has not reported yet"]
    monkeypatch.setattr(buildings, "LATE_WALL", timedelta(0))
    monkeypatch.setattr(buildings, "LATE_SIMULATED", timedelta(0))
    assert "B1 has sent no reading since 12:0" in texts(hub, "B1")[0]
    assert hub.get("/api/buildings/B1").json()["status"] == "late"
    assert {alert["level"] for alert in hub.get("/api/alerts").json()} == {"warning"}


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 600), (20.0, 30), (60.0, 30)])
def test_patience(make_hub: Callable[..., httpx.Client], clock: SimClock, speed: float, seconds: int) -> None:
    parts: Any = None
    quick = buildings.Buildings(clock.model_copy(update={"speed": speed}), parts, parts, parts)
    assert quick.patience() == timedelta(seconds=seconds)


def test_a_forecast_is_kept_and_compared(
    hub: httpx.Client, reading: Make, slot: int, clock: SimClock, make_hub: Callable[..., httpx.Client]
) -> None:
    now = clock.now()
    assert hub.post("/api/forecasts", json=forecast(slot, now)).status_code == 204
    hub.post("/api/forecasts", json=forecast(slot, now - timedelta(minutes=1), kw=5.0))
    assert make_hub().get("/api/buildings/predictions").json()["B1"]["net_flow_kw_p50"][0] == -1.0
    state = hub.get("/api/buildings/B1").json()["forecast"]
    assert state == {"slot": slot + 1, "net_flow_kw_p50": -1.0, "deficit_probability": 0.8, "source": "model"}
    hub.post("/update", json=[reading(seq=seq, net_flow_kw=-1.1) for seq in range(6)])
    assert texts(hub, "B1") == []
    hub.post("/update", json=[reading(seq=seq, net_flow_kw=3.0) for seq in range(6, 12)])
    assert texts(hub, "B1") == ["B1: net flow -0.1 kW, forecast -1.0 kW"]


@pytest.mark.parametrize(("part", "steps"), [("net_flow_kw_p10", []), ("deficit_probability", [0.5] * 95)])
def test_a_forecast_needs_all_its_steps(hub: httpx.Client, slot: int, part: str, steps: list[float]) -> None:
    answer = hub.post("/api/forecasts", json=forecast(slot, datetime.now(UTC)) | {part: steps})
    assert answer.status_code == 422
    assert part in answer.json()["detail"]


def test_a_forecast_that_ends_before_the_next_slot_is_not_shown(hub: httpx.Client, slot: int) -> None:
    hub.post("/api/forecasts", json=forecast(slot - 96, datetime.now(UTC)))
    assert hub.get("/api/buildings/B1").json()["forecast"] is None
    hub.post("/api/forecasts", json=forecast(slot + 2, datetime.now(UTC), building_id="B2"))
    assert hub.get("/api/buildings/B2").json()["forecast"] is None
    assert hub.post("/api/forecasts", json=forecast(slot, datetime.now(UTC), building_id="B8")).status_code == 422


@pytest.mark.parametrize(
    ("soc", "battery_kw", "words"),
    [
        (0.1, -4.0, "battery empty in about 15 min"),
        (0.9, 4.0, "battery full in about 15 min"),
        (0.9999, 0.004, None),
        (0.5, 4.0, None),
        (0.1, 4.0, None),
        (0.0, 0.0, None),
        (None, 0.0, None),
    ],
)
def test_battery(
    hub: httpx.Client,
    reading: Make,
    member: Callable[..., Member],
    soc: float | None,
    battery_kw: float,
    words: str | None,
) -> None:
    hub.post("/api/members", json=member(1).model_dump())
    hub.post("/update", json=reading(soc=soc, battery_kw=battery_kw))
    assert texts(hub, "B1") == ([] if words is None else [f"House 1: {words}"])


def test_a_silent_operator(
    hub: httpx.Client, make_hub: Callable[..., httpx.Client], clock: SimClock, slot: int
) -> None:
    assert texts(hub, None) == []
    report: dict[str, Any] = {"slot": slot, "price": None, "volume_wh": 0, "orders": 0, "fills": 0, "bought_wh": {}}
    report |= {"supply_wh": 0, "demand_wh": 0, "retail_price": 300_000, "feed_in_price": 80_000}
    report |= {"state": "cleared", "tx_hash": None}
    hub.post("/api/slots", json=report)
    fast = clock.model_copy(update={"speed": 3600.0, "wall_start": datetime.now(UTC)})
    restarted = make_hub(fast)
    assert texts(restarted, None) == []
    long_ago = datetime.now(UTC) - timedelta(seconds=2)
    object.__setattr__(app_of(restarted).state.hub.buildings, "started_at", long_ago)
    app_of(restarted).state.hub.clock.__dict__["wall_start"] = long_ago
    assert "reported no slot for" in texts(restarted, None)[0]


def app_of(client: httpx.Client) -> Any:
    return client._transport._app.app  # type: ignore[attr-defined]  # the app behind the test's transport
