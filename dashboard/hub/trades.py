"""Energy transfers that the contract made, each checked against the chain before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.sqlite import insert

from contracts.events import EnergyTransfer
from contracts.sender import LedgerError
from dashboard.hub import tables
from dashboard.hub.database import Database
from dashboard.hub.errors import Invalid, Unavailable
from dashboard.hub.market import Market
from dashboard.hub.members import Members
from dashboard.hub.records import TradeEntry
from simulation.clock import SimClock

Key = tuple[str, int]


class Trades:
    """Idempotent by (transaction, index of the event in it)."""

    def __init__(self, database: Database, clock: SimClock, market: Market, members: Members) -> None:
        self._database = database
        self._clock = clock
        self._market = market
        self._members = members

    def add(self, transfers: Sequence[EnergyTransfer]) -> int:
        """Store what is new; the number of new ones. Raises Invalid when the chain says otherwise, or Unavailable."""
        self._verify(transfers)
        at = self._clock.now()
        with self._database.write() as connection:
            return sum(_store(connection, transfer, at) for transfer in transfers)

    def newest(self, limit: int) -> list[TradeEntry]:
        """The latest trades, newest last."""
        columns = tables.trades.c
        statement = select(tables.trades).order_by(columns.arrival.desc()).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [self._entry(row) for row in reversed(rows)]

    def count(self) -> int:
        """Stored transfers, the utility's included [1]"""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(tables.trades)).scalar_one()

    def offered_wh_sold(self, slot: int, seller: int) -> int:
        """Energy of one slot that a member sold by window offers [Wh]"""
        columns = tables.trades.c
        sold = func.coalesce(func.sum(columns.energy_wh), 0)
        statement = select(sold).where(columns.slot == slot, columns.kind == "offer", columns.seller == seller)
        with self._database.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def _verify(self, transfers: Sequence[EnergyTransfer]) -> None:
        """Compare with what is stored, and what is new with the chain. Raises Invalid or Unavailable."""
        known = self._stored({transfer.tx_hash for transfer in transfers})
        new = [transfer for transfer in transfers if _key(transfer) not in known]
        if new:
            known |= self._on_chain({transfer.tx_hash for transfer in new})
        for transfer in transfers:
            _compare(transfer, known.get(_key(transfer)))

    def _stored(self, tx_hashes: set[str]) -> dict[Key, EnergyTransfer]:
        fields = [tables.trades.c[name] for name in EnergyTransfer.model_fields]
        statement = select(*fields).where(tables.trades.c.tx_hash.in_(tx_hashes))
        with self._database.read() as connection:
            found = [EnergyTransfer(**row._asdict()) for row in connection.execute(statement)]
        return {_key(transfer): transfer for transfer in found}

    def _on_chain(self, tx_hashes: set[str]) -> dict[Key, EnergyTransfer]:
        """What the chain says of transactions. Raises Unavailable when it is away, Invalid for an unknown one."""
        self._market.require()
        try:
            chain = self._market.chain()
            chain.block_number()
        except LedgerError as error:
            raise Unavailable(f"trades cannot be checked now: {error}") from error
        try:
            found = [transfer for tx_hash in tx_hashes for transfer in chain.transfers_in(tx_hash)]
        except LedgerError as error:
            raise Invalid(f"not a trade: {error}") from error
        return {_key(transfer): transfer for transfer in found}

    def _entry(self, row: Row[Any]) -> TradeEntry:
        values = row._asdict()
        values.pop("arrival")
        values["seller_name"] = self._members.name_of(row.seller)
        values["buyer_name"] = self._members.name_of(row.buyer)
        return TradeEntry(**values)


def _key(transfer: EnergyTransfer) -> Key:
    return transfer.tx_hash, transfer.log_index


def _store(connection: Connection, transfer: EnergyTransfer, at: datetime) -> int:
    """1 when the transfer was new, else 0."""
    statement = insert(tables.trades).values(**transfer.model_dump(), at=at)
    return connection.execute(statement.on_conflict_do_nothing()).rowcount


def _compare(sent: EnergyTransfer, found: EnergyTransfer | None) -> None:
    where = f"trade {sent.tx_hash} #{sent.log_index}"
    if found is None:
        raise Invalid(
            f"{where}: the transaction has no EnergyTransferred event with this index; send what the receipt shows"
        )
    for field in EnergyTransfer.model_fields:
        claimed, true = getattr(sent, field), getattr(found, field)
        if claimed != true:
            raise Invalid(f"{where}: {field} = {claimed!r}, but the chain says {true!r}; send what the receipt shows")
