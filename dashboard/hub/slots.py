"""How far each market slot is, as the operator reports it: cleared, settled, closed."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from dashboard.hub import tables
from dashboard.hub.database import Database
from dashboard.hub.records import SlotReport

ORDER = ("cleared", "settled", "closed")


class Slots:
    """One report per slot; its state only moves forward."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, report: SlotReport) -> SlotReport:
        """Store a report and return what counts: a report of an earlier state changes nothing."""
        with self._database.write() as connection:
            payload = connection.scalar(select(tables.slots.c.payload).where(tables.slots.c.slot == report.slot))
            known = None if payload is None else SlotReport.model_validate_json(payload)
            merged = report if known is None else _merge(known, report)
            values = {"state": merged.state, "payload": merged.model_dump_json()}
            statement = insert(tables.slots).values(slot=report.slot, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["slot"], set_=values))
        return merged

    def newest(self, limit: int) -> list[SlotReport]:
        """The latest slots, newest last."""
        columns = tables.slots.c
        with self._database.read() as connection:
            payloads = connection.scalars(select(columns.payload).order_by(columns.slot.desc()).limit(limit)).all()
        return [SlotReport.model_validate_json(payload) for payload in reversed(payloads)]

    def state_of(self, slot: int) -> str | None:
        """State of one slot; None when the operator has not reported it."""
        with self._database.read() as connection:
            return connection.scalar(select(tables.slots.c.state).where(tables.slots.c.slot == slot))

    def last(self) -> int | None:
        """Newest slot that the operator reported; None before the first."""
        with self._database.read() as connection:
            newest: int | None = connection.scalar(select(func.max(tables.slots.c.slot)))
        return newest

    def settled(self) -> int:
        """Slots that were settled, also those closed since [1]"""
        with self._database.read() as connection:
            statement = select(func.count()).select_from(tables.slots).where(tables.slots.c.state != "cleared")
            return connection.execute(statement).scalar_one()


def _merge(known: SlotReport, sent: SlotReport) -> SlotReport:
    """The later state wins; what it leaves out is kept. Closing does not change what was settled."""
    if ORDER.index(sent.state) < ORDER.index(known.state):
        return known
    if (known.state, sent.state) == ("settled", "closed"):
        return known.model_copy(update={"state": "closed"})
    given = sent.model_dump(exclude_none=True, exclude_unset=True)
    return known.model_copy(update=given)
