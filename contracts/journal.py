"""The chain's journal: every raw transaction is on disk before the node sees it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from simulation.errors import MicrogridError

SET_UP = (
    "PRAGMA locking_mode=EXCLUSIVE",
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
    """Time of its block [s]; None in journals of older versions for what the node did not confirm."""
    accepted: bool
    """Whether the node took it; False when that was not noted before the end."""


class Journal:
    """Append-only SQLite file with full synchronisation: what was acknowledged survives SIGKILL and power loss."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = _open(path)
        except sqlite3.OperationalError as error:
            raise JournalError(f"{path}: cannot be opened ({error}); is another chain running in this home?") from error
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"{path}: not a readable journal ({error}); restore a backup, or move it away to start an empty chain"
            ) from error

    def add(self, raw: str, timestamp: int) -> int:
        """Write a transaction that is about to be sent for a block of that time [s]; returns its number."""
        cursor = self._database.execute(
            "INSERT INTO transactions (raw, state, timestamp) VALUES (?, ?, ?)", (raw, PENDING, timestamp)
        )
        return int(cursor.lastrowid or 0)

    def accept(self, number: int) -> None:
        """The node took it."""
        self._mark(number, ACCEPTED)

    def refuse(self, number: int) -> None:
        """The node refused it: it is not replayed."""
        self._mark(number, REFUSED)

    def to_replay(self, after: int = 0) -> list[JournalEntry]:
        """Everything behind entry `after` that was or may have been accepted, in order."""
        rows = self._database.execute(
            "SELECT number, raw, timestamp, state FROM transactions WHERE number > ? AND state != ? ORDER BY number",
            (after, REFUSED),
        )
        return [JournalEntry(number, raw, timestamp, state == ACCEPTED) for number, raw, timestamp, state in rows]

    def last_number(self) -> int:
        """Number of the newest entry; 0 when there is none."""
        return int(self._database.execute("SELECT coalesce(max(number), 0) FROM transactions").fetchone()[0])

    def first_timestamp(self) -> int | None:
        """Time of the oldest block [s]; None in an empty journal."""
        row = self._database.execute("SELECT min(timestamp) FROM transactions WHERE state != ?", (REFUSED,)).fetchone()
        return None if row[0] is None else int(row[0])

    def fingerprint(self, number: int) -> str | None:
        """SHA-256 of an entry's transaction, which no other journal has at this place; None without that entry."""
        row = self._database.execute("SELECT raw FROM transactions WHERE number = ?", (number,)).fetchone()
        return None if row is None else hashlib.sha256(row[0].encode()).hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _mark(self, number: int, state: int) -> None:
        """Not synchronised: should the mark be lost with the power, the replay finds the same answer again."""
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("UPDATE transactions SET state = ? WHERE number = ?", (state, number))
        self._database.execute("PRAGMA synchronous=FULL")


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives its other files the same mode
    path.chmod(0o600)
    database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        for statement in SET_UP:
            database.execute(statement)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
