"""What a person should look at, computed from the state at each request; nothing is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from dashboard.hub.buildings import BALANCED_KW
from dashboard.hub.records import Alert, BuildingState

if TYPE_CHECKING:
    from dashboard.hub.hub import Hub

SILENT_SLOTS = 3
"""An operator that reported nothing for more slots than this is silent [1]"""
SOON = timedelta(minutes=30)
"""A battery that will be empty or full within this simulated time is announced."""
MIN_DEVIATION_KW = 0.5
"""Smaller errors of a forecast are not worth an alert [kW]"""
MIN_MINUTES = 5
"""Minutes of a slot that must be measured before it is compared with its forecast [1]"""


def alerts_of(hub: Hub) -> list[Alert]:
    """All alerts, warnings first, then by age."""
    now = hub.clock.now()
    found = [alert for state in hub.buildings.all() for alert in _building_alerts(hub, state, now)]
    found += [*_operator_alerts(hub, now), *_round_alerts(hub)]
    return sorted(found, key=lambda alert: (alert.level != "warning", alert.since))


def _building_alerts(hub: Hub, state: BuildingState, now: datetime) -> Iterator[Alert]:
    yield from _silence(hub, state)
    if state.status == "live":
        yield from _deviation(hub, state, now)
        yield from _battery(state)


def _silence(hub: Hub, state: BuildingState) -> Iterator[Alert]:
    if state.seen_at is not None and state.status == "late":
        since = hub.clock.at(state.seen_at)
        text = f"{state.name} has sent no reading since {since:%H:%M} UTC"
        yield Alert(level="warning", building_id=state.id, text=text, since=since)
    if state.status == "never":
        waited = datetime.now(UTC) - hub.buildings.started_at
        level: Literal["info", "warning"] = "warning" if waited > hub.buildings.patience() else "info"
        text = f"{state.name} has not reported yet"
        yield Alert(level=level, building_id=state.id, text=text, since=hub.clock.at(hub.buildings.started_at))


def _deviation(hub: Hub, state: BuildingState, now: datetime) -> Iterator[Alert]:
    """The mean of the running slot lies outside the forecast's 80 % band by more than the band's own width."""
    slot = hub.clock.slot_at(now)
    start = hub.clock.slot_start(slot)
    expected = hub.forecasts.expectation(state.id, slot)
    ring = hub.readings.of(state.id).ring
    measured = [reading.net_flow_kw for reading in ring if hub.clock.slot_at(reading.timestamp) == slot]
    if expected is None or len(measured) < MIN_MINUTES:
        return
    mean = sum(measured) / len(measured)
    outside = max(expected.p10 - mean, mean - expected.p90)
    if outside > max(expected.p90 - expected.p10, MIN_DEVIATION_KW):
        text = f"{state.name}: net flow {mean:+.1f} kW, forecast {expected.p50:+.1f} kW"
        yield Alert(level="info", building_id=state.id, text=text, since=start)


def _battery(state: BuildingState) -> Iterator[Alert]:
    reading = state.reading
    if reading is None or reading.soc is None or not state.battery_capacity_kwh:
        return
    if abs(reading.battery_kw) <= BALANCED_KW:  # a full battery makes up its standing loss
        return
    filling = reading.battery_kw > 0
    left_kwh = (1 - reading.soc if filling else reading.soc) * state.battery_capacity_kwh
    hours = left_kwh / abs(reading.battery_kw)
    if 0 < hours <= SOON / timedelta(hours=1):
        text = f"{state.name}: battery {'full' if filling else 'empty'} in about {max(1, round(hours * 60))} min"
        yield Alert(level="info", building_id=state.id, text=text, since=reading.timestamp)


def _operator_alerts(hub: Hub, now: datetime) -> Iterator[Alert]:
    first = hub.clock.slot_at(hub.clock.at(hub.buildings.started_at))
    last = hub.slots.last()
    reported = first if last is None else max(first, last)
    silent = hub.clock.slot_at(now) - reported
    if silent > SILENT_SLOTS:
        text = f"the operator has reported no slot for {silent} slots; is ./microgrid operator running?"
        yield Alert(level="warning", building_id=None, text=text, since=hub.clock.slot_start(reported + 1))


def _round_alerts(hub: Hub) -> Iterator[Alert]:
    for report in hub.rounds.newest(1):
        since = hub.clock.at(min(max(report.at, hub.clock.wall_start), datetime.now(UTC)))
        for dropped in report.dropped:
            who = dropped.building_id
            text = f"{who} was left out of round {report.round} of {report.of_rounds}: {dropped.reason}"
            yield Alert(level="warning", building_id=who, text=text, since=since)
