"""Snapshots of the node's state: a boot loads the newest whole one and replays only what the journal has behind it.

A snapshot is a header line (JSON) and the node's own dump, which holds accounts, blocks, transactions, receipts and
logs. It is written to a file of another name, synchronised and renamed, so a kill leaves the old one or the new one. A
damaged one, or one of another journal, is passed over: the journal alone is always enough.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from contracts.journal import Journal

log = logging.getLogger(__name__)

EVERY = 500
"""Transactions between two snapshots, at least [1]"""
SHARE = 10
"""A long chain waits until it has grown by this part of itself, so that all dumps together cost linear time."""
KEPT = 2


class Snapshot(NamedTuple):
    """A state of the node."""

    number: int
    """Newest journal entry that it holds."""
    chain_id: int
    """Chain that it belongs to."""
    fingerprint: str
    """Of that journal entry: the state of another journal is not loaded."""
    state: bytes
    """The node's dump (gzip)."""


class Snapshots:
    """The snapshots of one chain, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        for rest in folder.glob("*.partial"):
            rest.unlink()
        self.newest_number = 0

    def due(self, number: int) -> bool:
        """Whether the chain, at that journal entry, has grown enough for another one."""
        return number - self.newest_number >= max(EVERY, number // SHARE)

    def write(self, snapshot: Snapshot) -> None:
        """Put it on the disk, whole or not at all, and drop the oldest. Raises OSError."""
        path = self._folder / f"{snapshot.number:012d}.state"
        partial = path.with_suffix(".partial")
        with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(_header(snapshot) + b"\n")
            file.write(snapshot.state)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        _synchronise(self._folder)
        self.newest_number = snapshot.number
        for old in self._paths()[KEPT:]:
            old.unlink()

    def usable(self, journal: Journal, chain_id: int) -> Iterator[Snapshot]:
        """The whole snapshots of this journal, the newest first."""
        for path in self._paths():
            snapshot = _read(path)
            if snapshot is None:
                log.warning("%s is damaged; an older snapshot or the whole journal is used instead", path)
            elif snapshot.chain_id != chain_id or snapshot.fingerprint != journal.fingerprint(snapshot.number):
                log.warning("%s belongs to another chain or journal; it is not used", path)
            else:
                yield snapshot

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.state"), reverse=True)


def _header(snapshot: Snapshot) -> bytes:
    fields = {"number": snapshot.number, "chain_id": snapshot.chain_id, "fingerprint": snapshot.fingerprint}
    return json.dumps(fields | {"sha256": hashlib.sha256(snapshot.state).hexdigest()}).encode()


def _read(path: Path) -> Snapshot | None:
    header, _, state = path.read_bytes().partition(b"\n")
    try:
        fields = json.loads(header)
        snapshot = Snapshot(fields["number"], fields["chain_id"], fields["fingerprint"], state)
    except (ValueError, KeyError, TypeError):
        return None
    return snapshot if _header(snapshot) == header else None


def _synchronise(folder: Path) -> None:
    """Make the rename itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
