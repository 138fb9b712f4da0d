"""The chain's journal: every raw transaction is on disk before the node sees it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from simulation.errors import MicrogridError

SET_UP = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "CREATE TABLE IF NOT EXISTS transactions "
    "(number INTEGER PRIMARY KEY, raw TEXT NOT NULL, state INTEGER NOT NULL, timestamp INTEGER)",
)
PENDING, ACCEPTED, REFUSED = 0, 1, 2


class JournalError(MicrogridError):
    """The journal cannot be used; the text names the file and the fix."""


class JournalEntry(NamedTuple):
    """A transaction that must be in the chain."""

    number: int
    """Place in the journal."""
    raw: str
    """Signed transaction, 0x hex."""
    timestamp: int | None
    """Time of the block that held it [s]; None when the node stopped before it said so."""


class Journal:
    """Append-only SQLite file with full synchronisation: what was acknowledged survives SIGKILL and power loss."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = _open(path)
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"{path}: not a readable journal ({error}); restore a backup, or move it away to start an empty chain"
            ) from error

    def add(self, raw: str) -> int:
        """Write a transaction that is about to be sent; returns its number."""
        cursor = self._database.execute("INSERT INTO transactions (raw, state) VALUES (?, ?)", (raw, PENDING))
        return int(cursor.lastrowid or 0)

    def accept(self, number: int, timestamp: int | None) -> None:
        """The node took it, in a block of that time [s]"""
        self._update(number, ACCEPTED, timestamp)

    def refuse(self, number: int) -> None:
        """The node refused it: it is not replayed."""
        self._update(number, REFUSED, None)

    def to_replay(self) -> list[JournalEntry]:
        """Everything that was or may have been accepted, in order."""
        rows = self._database.execute(
            "SELECT number, raw, timestamp FROM transactions WHERE state != ? ORDER BY number", (REFUSED,)
        )
        return [JournalEntry(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _update(self, number: int, state: int, timestamp: int | None) -> None:
        self._database.execute(
            "UPDATE transactions SET state = ?, timestamp = ? WHERE number = ?", (state, timestamp, number)
        )


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for statement in SET_UP:
            database.execute(statement)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
