"""One simulated time for all processes: (simulated start, wall start, speed)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from pydantic import Field

from simulation.settings import Settings, UtcDatetime

MINUTE = timedelta(minutes=1)
"""Length of a reading."""
MINUTE_H = 1 / 60
"""The same [h]"""


class SimClock(Settings):
    """Simulated time = start + (wall time - wall start) x speed. The same triple gives the same time everywhere."""

    start: UtcDatetime
    """Simulated time at `wall_start`."""
    wall_start: UtcDatetime
    """Wall time at which the simulated clock stood at `start`."""
    speed: float = Field(gt=0)
    """Simulated seconds per wall second [1]"""
    slot_minutes: int = Field(ge=1, le=60)
    """Length of one market slot [simulated minutes]"""

    def now(self) -> datetime:
        """Simulated time now, UTC."""
        return self.at(datetime.now(UTC))

    def at(self, wall: datetime) -> datetime:
        """Simulated time at a wall time."""
        return self.start + (wall - self.wall_start) * self.speed

    def wall_at(self, moment: datetime) -> datetime:
        """Wall time at which the simulated clock reaches `moment`."""
        return self.wall_start + (moment - self.start) / self.speed

    def seconds_until(self, moment: datetime) -> float:
        """Wall seconds until simulated `moment`; negative when it has passed [s]"""
        return (self.wall_at(moment) - datetime.now(UTC)).total_seconds()

    def sleep_until(self, moment: datetime) -> None:
        """Block until the simulated clock reaches `moment`."""
        time.sleep(max(0.0, self.seconds_until(moment)))

    def slot_at(self, moment: datetime) -> int:
        """Index of the market slot that contains `moment`."""
        return slot_index(moment, self.slot_minutes)

    def slot_start(self, slot: int) -> datetime:
        """First instant of a market slot, UTC."""
        return slot_start(slot, self.slot_minutes)

    @property
    def slot_length(self) -> timedelta:
        """Length of one slot in simulated time."""
        return timedelta(minutes=self.slot_minutes)


def slot_index(moment: datetime, slot_minutes: int) -> int:
    """Whole slots since 1970-01-01T00:00Z: the same integer in every process and in the contract."""
    return int(moment.timestamp()) // (slot_minutes * 60)


def slot_start(slot: int, slot_minutes: int) -> datetime:
    """Inverse of `slot_index`: the first instant of the slot, UTC."""
    return datetime.fromtimestamp(slot * slot_minutes * 60, UTC)
