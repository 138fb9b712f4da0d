"""The state of each building, put together from its readings, its membership and its forecast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dashboard.hub.errors import Invalid, NotFound
from dashboard.hub.forecasts import Forecasts
from dashboard.hub.members import Members
from dashboard.hub.readings import LiveReadings
from dashboard.hub.records import BuildingState, FlowState, Status
from simulation.clock import SimClock
from simulation.reading import Reading

BALANCED_KW = 0.05
"""An exchange with the grid up to this much is balanced [kW]"""
LATE_SIMULATED = timedelta(minutes=10)
LATE_WALL = timedelta(seconds=30)
"""A building is late when nothing arrived for both of these: at speed 60, 10 minutes pass in 10 wall seconds."""


class Buildings:
    """Reads only; nothing is stored here."""

    def __init__(self, clock: SimClock, readings: LiveReadings, members: Members, forecasts: Forecasts) -> None:
        self._clock = clock
        self._readings = readings
        self._members = members
        self._forecasts = forecasts
        self.started_at = datetime.now(UTC)
        """Wall time at which this hub began to listen: silence before it is not a building's fault."""

    def ids(self) -> list[str]:
        """All known buildings."""
        return self._members.building_ids()

    def require(self, building_id: str) -> str:
        """The id itself. Raises NotFound naming the ids that exist."""
        if building_id not in self.ids():
            raise NotFound(f"no building {building_id!r}; known: {', '.join(self.ids())}")
        return building_id

    def require_all(self, building_ids: set[str]) -> None:
        """Raises Invalid naming the ids that are not part of the community."""
        unknown = sorted(building_ids.difference(self.ids()))
        if unknown:
            names = ", ".join(repr(name) for name in unknown[:5])
            raise Invalid(
                f"unknown building {names}; known: {', '.join(self.ids())}. Add it to the scenario of the hub"
            )

    def all(self) -> list[BuildingState]:
        """Every building, in the order of the scenario."""
        return [self.state(building_id) for building_id in self.ids()]

    def state(self, building_id: str) -> BuildingState:
        """One building as it is now."""
        live = self._readings.of(building_id)
        member = self._members.of_building(building_id)
        next_slot = self._clock.slot_at(self._clock.now()) + 1
        return BuildingState(
            id=building_id,
            name=member.name if member else building_id,
            profile=member.profile if member else None,
            member_number=self._members.number_of(building_id),
            owner=member.owner if member else None,
            peak_solar_kw=member.peak_solar_kw if member else None,
            battery_capacity_kwh=member.battery_capacity_kwh if member else None,
            reading=live.last,
            seen_at=live.seen_at,
            status=self.status(live.seen_at),
            state=flow_state(live.last),
            readings_received=live.count,
            last_seq=live.last.seq if live.last else None,
            forecast=self._forecasts.next_slot(building_id, next_slot),
        )

    def status(self, seen_at: datetime | None) -> Status:
        """Live, late or never seen."""
        if seen_at is None:
            return "never"
        silence = datetime.now(UTC) - max(seen_at, self.started_at)
        return "late" if silence > self.patience() else "live"

    def patience(self) -> timedelta:
        """Wall time without a reading after which a building is late."""
        return max(LATE_WALL, LATE_SIMULATED / self._clock.speed)


def flow_state(reading: Reading | None) -> FlowState | None:
    """What the building does to the grid: `grid_kw` < 0 exports."""
    if reading is None:
        return None
    if abs(reading.grid_kw) <= BALANCED_KW:
        return "balanced"
    return "surplus" if reading.grid_kw < 0 else "deficit"
