"""Live readings: every accepted one is on disk, the last 200 of each building are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.sqlite import insert

from dashboard.hub import tables
from dashboard.hub.database import Database
from dashboard.hub.errors import Conflict, Invalid
from simulation.reading import Reading

RING = 200


@dataclass(frozen=True)
class Live:
    """What the hub holds in memory of one building."""

    ring: tuple[Reading, ...] = ()
    """The newest readings, by `seq`, at most 200."""
    count: int = 0
    """Different readings ever stored."""
    seen_at: datetime | None = None
    """Wall time at which the last new reading arrived, UTC; None before the first."""

    @property
    def last(self) -> Reading | None:
        """The reading with the highest `seq`."""
        return self.ring[-1] if self.ring else None


class LiveReadings:
    """Idempotent by (building, seq): any order and any repetition of the same readings gives the same state."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._live: dict[str, Live] = {}
        with database.read() as connection:
            for building_id in connection.scalars(select(tables.readings.c.building_id).distinct()):
                self._live[building_id] = _load(connection, building_id)

    def of(self, building_id: str) -> Live:
        """What is known of one building; empty when it never reported."""
        return self._live.get(building_id, Live())

    @property
    def total(self) -> int:
        """Different readings stored, all buildings."""
        return sum(live.count for live in self._live.values())

    def add(self, batch: Sequence[Reading]) -> int:
        """Store what is new; the number of new ones. Raises Conflict when a known reading has other values."""
        unique = _unique(batch)
        received_at = datetime.now(UTC)
        with self._database.lock:
            with self._database.write() as connection:
                fresh = _without_known(connection, unique)
                _insert(connection, fresh, received_at)
            for building_id, new in _by_building(fresh):
                self._remember(building_id, new, received_at)
        return len(fresh)

    def _remember(self, building_id: str, new: list[Reading], received_at: datetime) -> None:
        known = self.of(building_id)
        ring = tuple(sorted((*known.ring, *new), key=_seq)[-RING:])
        self._live[building_id] = Live(ring, known.count + len(new), received_at)


def _seq(reading: Reading) -> int:
    return reading.seq


def _by_building(readings: Iterable[Reading]) -> Iterable[tuple[str, list[Reading]]]:
    ordered = sorted(readings, key=lambda reading: (reading.building_id, reading.seq))
    return [(key, list(group)) for key, group in groupby(ordered, lambda reading: reading.building_id)]


def _unique(batch: Sequence[Reading]) -> dict[tuple[str, int], Reading]:
    unique: dict[tuple[str, int], Reading] = {}
    for reading in batch:
        if reading.seq > tables.MAX_INTEGER:
            raise Invalid(
                f"{reading.building_id}: seq = {reading.seq} is too large; it counts a building's rows from 0"
            )
        if unique.setdefault((reading.building_id, reading.seq), reading) != reading:
            raise _conflict(reading)
    return unique


def _without_known(connection: Connection, batch: dict[tuple[str, int], Reading]) -> list[Reading]:
    """The readings that are not stored yet. Raises Conflict for a stored one with other values."""
    columns = tables.readings.c
    for building_id, new in _by_building(batch.values()):
        span = columns.seq.between(new[0].seq, new[-1].seq)
        for row in connection.execute(select(tables.readings).where(columns.building_id == building_id, span)):
            sent = batch.pop((building_id, row.seq), None)
            if sent is not None and sent != _reading(row):
                raise _conflict(sent)
    return list(batch.values())


def _insert(connection: Connection, fresh: list[Reading], received_at: datetime) -> None:
    if fresh:
        rows = [{**reading.model_dump(), "received_at": received_at} for reading in fresh]
        connection.execute(insert(tables.readings).on_conflict_do_nothing(), rows)


def _conflict(reading: Reading) -> Conflict:
    return Conflict(
        f"{reading.building_id}: a reading with seq = {reading.seq} and other values is stored already; "
        "a building numbers its readings once, so two buildings may be running under one id"
    )


def _load(connection: Connection, building_id: str) -> Live:
    columns = tables.readings.c
    mine = columns.building_id == building_id
    newest = select(tables.readings).where(mine).order_by(columns.seq.desc()).limit(RING)
    rows = connection.execute(newest).all()
    count = connection.execute(select(func.count()).where(mine)).scalar_one()
    seen_at = max(row.received_at for row in rows)
    return Live(tuple(_reading(row) for row in reversed(rows)), count, seen_at)


def _reading(row: Row[Any]) -> Reading:
    values = row._asdict()
    values.pop("received_at")
    return Reading.model_construct(**values)
