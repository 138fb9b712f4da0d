"""Rounds of federated learning and released models, as the federation server reports them."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from dashboard.hub import tables
from dashboard.hub.bodies import shorten
from dashboard.hub.database import Database
from dashboard.hub.errors import Invalid
from fl_server.report import ModelRelease, RoundReport


class Rounds:
    """Idempotent by (run, round); the first report counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, report: RoundReport) -> bool:
        """Store a report. True when it was new. Raises Invalid for a number that cannot be stored."""
        if not 0 <= report.round <= tables.MAX_INTEGER:
            raise Invalid(f"round = {shorten(report.round)} is not the number of a round; send 1, 2, ...")
        statement = insert(tables.rounds).values(
            run_id=report.run_id, round=report.round, payload=report.model_dump_json()
        )
        with self._database.write() as connection:
            return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1

    def newest(self, limit: int) -> list[RoundReport]:
        """The latest rounds, newest last."""
        columns = tables.rounds.c
        statement = select(columns.payload).order_by(columns.arrival.desc()).limit(limit)
        with self._database.read() as connection:
            payloads = connection.scalars(statement).all()
        return [RoundReport.model_validate_json(payload) for payload in reversed(payloads)]

    def count(self) -> int:
        """Rounds of all runs in which at least one building's weights were averaged [1]"""
        examples = func.json_extract(tables.rounds.c.payload, "$.num_examples")
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(tables.rounds).where(examples > 0)).scalar_one()

    def add_model(self, release: ModelRelease) -> bool:
        """Store a released model's hash. True when it was new."""
        statement = insert(tables.models).values(model_hash=release.model_hash, payload=release.model_dump_json())
        with self._database.write() as connection:
            return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1

    def models(self, limit: int) -> list[ModelRelease]:
        """The latest released models, newest last."""
        columns = tables.models.c
        statement = select(columns.payload).order_by(columns.arrival.desc()).limit(limit)
        with self._database.read() as connection:
            payloads = connection.scalars(statement).all()
        return [ModelRelease.model_validate_json(payload) for payload in reversed(payloads)]
