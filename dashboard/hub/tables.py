"""The hub's tables. Integers and times keep their exact value; whole records that are only handed on are JSON text."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

SCHEMA_VERSION = 4
MAX_INTEGER = 2**63 - 1
"""Largest integer that SQLite stores exactly."""


class UtcTime(TypeDecorator[datetime]):
    """A UTC time as ISO text of fixed width: sorts as time, and a person can read it."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Time to text."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Text to time."""
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData()

readings = Table(
    "readings",
    metadata,
    Column("building_id", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("timestamp", UtcTime, nullable=False),
    Column("load_kw", Float, nullable=False),
    Column("pv_kw", Float, nullable=False),
    Column("battery_kw", Float, nullable=False),
    Column("soc", Float),
    Column("grid_kw", Float, nullable=False),
    Column("net_flow_kw", Float, nullable=False),
    Column("quality", String(64), nullable=False),
    Column("received_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

members = Table(
    "members",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("building_id", String, nullable=False, unique=True),
    Column("owner", String(42), nullable=False, unique=True),
    Column("payload", Text, nullable=False),
    Column("registered_on", String),
)

market = Table("market", metadata, Column("id", Integer, primary_key=True), Column("payload", Text, nullable=False))

forecasts = Table(
    "forecasts",
    metadata,
    Column("building_id", String(32), primary_key=True),
    Column("issued_at", UtcTime, nullable=False),
    Column("payload", Text, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("arrival", Integer, primary_key=True, autoincrement=True),
    Column("order_hash", String(66), nullable=False, unique=True),
    Column("contract", String, nullable=False),
    Column("member", Integer, nullable=False),
    Column("slot", Integer, nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("expiry_slot", Integer, nullable=False, index=True),
    Column("payload", Text, nullable=False),
    sqlite_autoincrement=True,
)

meter_readings = Table(
    "meter_readings",
    metadata,
    Column("contract", String, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("member", Integer, primary_key=True, autoincrement=False),
    Column("payload", Text, nullable=False),
)

slots = Table(
    "slots",
    metadata,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("state", String(8), nullable=False),
    Column("payload", Text, nullable=False),
)

trades = Table(
    "trades",
    metadata,
    Column("arrival", Integer, primary_key=True, autoincrement=True),
    Column("tx_hash", String(66), nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("slot", Integer, nullable=False, index=True),
    Column("seller", Integer, nullable=False),
    Column("buyer", Integer, nullable=False),
    Column("energy_wh", Integer, nullable=False),
    Column("price", Integer, nullable=False),
    Column("cost", Integer, nullable=False),
    Column("proceeds", Integer, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("tx_hash", "log_index"),
    sqlite_autoincrement=True,
)

rounds = Table(
    "rounds",
    metadata,
    Column("arrival", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("payload", Text, nullable=False),
    UniqueConstraint("run_id", "round"),
    sqlite_autoincrement=True,
)

models = Table(
    "models",
    metadata,
    Column("arrival", Integer, primary_key=True, autoincrement=True),
    Column("model_hash", String(66), nullable=False, unique=True),
    Column("payload", Text, nullable=False),
    sqlite_autoincrement=True,
)
