"""Simulated time is the same in every process, and slots are the same integers everywhere."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.clock import SimClock, slot_index, slot_start

START = datetime(2026, 6, 17, 8, 30, tzinfo=UTC)
WALL = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CLOCK = SimClock(start=START, wall_start=WALL, speed=60.0, slot_minutes=15)


def test_one_wall_second_is_one_simulated_minute() -> None:
    assert CLOCK.at(WALL + timedelta(seconds=1)) == START + timedelta(minutes=1)


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_wall_time_is_the_inverse(elapsed: timedelta) -> None:
    assert abs(CLOCK.at(CLOCK.wall_at(START + elapsed)) - (START + elapsed)) < timedelta(milliseconds=1)


@given(st.integers(0, 10**7), st.sampled_from([1, 5, 15, 30, 60]))
def test_slot_start_is_in_its_slot(slot: int, minutes: int) -> None:
    start = slot_start(slot, minutes)
    assert slot_index(start, minutes) == slot
    assert slot_index(start - timedelta(seconds=1), minutes) == slot - 1


def test_the_clock_survives_json() -> None:
    assert SimClock.model_validate_json(CLOCK.model_dump_json()) == CLOCK


def test_time_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        SimClock(start=datetime(2026, 6, 17), wall_start=WALL, speed=1, slot_minutes=15)
