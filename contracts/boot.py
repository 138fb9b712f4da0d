"""Starting the node where the journal ends: the newest whole snapshot, then the transactions behind it."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from contracts.anvil import Anvil, ChainError, NodeRefused
from contracts.journal import Journal, JournalEntry
from contracts.snapshot import Snapshot, Snapshots

log = logging.getLogger(__name__)


def boot(program: Path, folder: Path, chain_id: int, journal: Journal, snapshots: Snapshots) -> Anvil:
    """Start a node and bring it to where the journal ends. Raises ChainError."""
    node, after = _start(program, folder, chain_id, journal, snapshots)
    try:
        entries = journal.to_replay(after)
        replay(node, journal, entries)
        node.call("evm_setTime", int(time.time()))
    except ChainError:
        node.stop()
        raise
    log.info("loaded a snapshot of %d journal entries and replayed %d transactions", after, len(entries))
    return node


def _start(program: Path, folder: Path, chain_id: int, journal: Journal, snapshots: Snapshots) -> tuple[Anvil, int]:
    """A node, and the journal entry up to which it already knows everything.

    Its clock starts before the first block, also for a snapshot: it refuses block times before its own start.
    """
    first = journal.first_timestamp()
    genesis = None if first is None else first - 1
    for snapshot in snapshots.usable(journal, chain_id):
        node = Anvil(program, folder, chain_id, genesis)
        try:
            node.call("anvil_loadState", "0x" + snapshot.state.hex())
        except ChainError as error:
            node.stop()
            log.warning("snapshot %d cannot be loaded (%s)", snapshot.number, error)
            continue
        snapshots.newest_number = snapshot.number
        return node, snapshot.number
    return Anvil(program, folder, chain_id, genesis), 0


def replay(node: Anvil, journal: Journal, entries: list[JournalEntry]) -> None:
    """Send entries again, into blocks of the same times."""
    now = 0
    for entry in entries:
        now = max(now, entry.timestamp or now)
        try:
            if now:
                node.call("evm_setNextBlockTimestamp", now)
            node.call("eth_sendRawTransactionSync", entry.raw)
        except NodeRefused as error:
            if entry.accepted:
                raise ChainError(
                    f"journal entry {entry.number} was in the chain and is refused now ({error}); "
                    "was chain.chain_id changed? Otherwise restore a backup of the chain's folder"
                ) from error
            node.call("anvil_dropAllTransactions")
            journal.refuse(entry.number)
        else:
            journal.accept(entry.number)


def take_snapshot(node: Anvil, chain_id: int, journal: Journal, snapshots: Snapshots) -> None:
    """Write what the node knows, when that is more than the newest snapshot. Nothing may be under way."""
    number = journal.last_number()
    if number > snapshots.newest_number:
        dump = node.call("anvil_dumpState", False)
        snapshots.write(snapshot_of(number, chain_id, journal, dump))


def snapshot_of(number: int, chain_id: int, journal: Journal, dump: str) -> Snapshot:
    """The snapshot for the node's answer to anvil_dumpState, taken when `number` was the newest entry."""
    return Snapshot(number, chain_id, journal.fingerprint(number) or "", bytes.fromhex(dump[2:]))
