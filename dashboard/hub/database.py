"""One SQLite file: write-ahead log, every commit flushed to disk, one writer at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DatabaseError

from contracts.hub_client import HubError
from dashboard.hub.tables import SCHEMA_VERSION, metadata

FILE_NAME = "hub.sqlite3"
MAGIC = b"SQLite format 3\x00"
BUSY_TIMEOUT_MS = 5000


class Database:
    """The hub's storage. What was written inside `write` is on disk when the block ends."""

    def __init__(self, folder: Path) -> None:
        """Open or create the database in `folder`. Raises HubError naming the file and the fix."""
        self.path = folder / FILE_NAME
        self.lock = threading.RLock()
        """Held while something is written; hold it longer to keep memory and disk in step."""
        _make_folder(folder)
        _inspect(self.path)
        self._engine = create_engine(f"sqlite:///{self.path}", pool_size=8, max_overflow=40)
        event.listen(self._engine, "connect", _configure)
        try:
            self._prepare()
        except DatabaseError as error:
            self.close()
            raise HubError(_damaged(self.path, str(error.__cause__ or error))) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction; rolled back when the block raises."""
        with self.lock, self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees the last committed state."""
        with self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; the write-ahead log is folded into the file."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self.write() as connection:
            metadata.create_all(connection)
            connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))


def _configure(connection: sqlite3.Connection, _: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HubError(f"{folder}: cannot be the hub's folder ({error}); choose another --home") from error


def _inspect(path: Path) -> None:
    """Look at an existing file before anything can change it. Raises HubError when it is not a sound hub database."""
    if not path.exists():
        return
    try:
        _refuse_foreign_file(path)
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            _refuse_unsound(path, connection)
    except (OSError, sqlite3.DatabaseError) as error:
        raise HubError(_damaged(path, str(error))) from error


def _refuse_foreign_file(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if start and start != MAGIC:
        raise HubError(_damaged(path, "not an SQLite file"))


def _refuse_unsound(path: Path, connection: sqlite3.Connection) -> None:
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if fault != "ok":
        raise HubError(_damaged(path, fault))
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if version != SCHEMA_VERSION and (version or tables):
        raise HubError(_damaged(path, f"not a hub database of version {SCHEMA_VERSION}"))


def _damaged(path: Path, fault: str) -> str:
    return (
        f"{path}: the hub's database cannot be used ({fault}). It was left as it is. Move it away to start "
        "with an empty hub (buildings send their recent readings again), or put back a copy"
    )
