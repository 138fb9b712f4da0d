"""The development chain: anvil behind a gateway that forgets nothing and serves no cheat calls.

Every raw transaction is journalled, with the time of its block, before the node sees it. On boot the newest snapshot is
loaded and what the journal has behind it is replayed, so that everything acknowledged survives SIGKILL of either
program. Transaction hashes and block times stay the same; block hashes and the random number of a block (prevrandao)
may change: no contract may depend on them here, and nobody may use a block hash as an identity.

    anvil.py            the node             journal.py   every transaction, synchronised
    gateway.py          the door             snapshot.py  files that shorten the boot
    raw_transaction.py  what is let in       boot.py      snapshot and replay
"""

from __future__ import annotations

import errno
import logging
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from contracts.anvil import Anvil, ChainError, ensure_anvil
from contracts.boot import boot, take_snapshot
from contracts.gateway import Gateway
from contracts.journal import Journal
from contracts.settings import ChainConfig
from contracts.snapshot import Snapshots

log = logging.getLogger(__name__)

LAST_ANSWERS_S = 5
"""How long a stop waits for requests under way [s]"""


def run_chain(config: ChainConfig, folder: Path, tools: Path) -> None:
    """Serve the chain at `config.rpc_url` until SIGTERM. Raises ChainError, JournalError or NodePackageError."""
    address = urlsplit(config.rpc_url)
    host, port = address.hostname or "127.0.0.1", address.port or 8545
    _refuse_used_port(host, port)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    program = ensure_anvil(tools)
    journal = Journal(folder / "journal.sqlite3")
    try:
        snapshots = Snapshots(folder / "snapshots")
        node = boot(program, folder, config.chain_id, journal, snapshots)
        try:
            gateway = Gateway(node, config.chain_id, journal, snapshots, host)
            _serve(gateway, host, port)
            if gateway.failed:
                raise ChainError(f"the node ended by itself; see {folder / 'anvil.log'}. Nothing is lost: start again")
            _last_snapshot(node, config.chain_id, journal, snapshots)
        finally:
            node.stop()
    finally:
        journal.close()


def _serve(gateway: Gateway, host: str, port: int) -> None:
    options = uvicorn.Config(
        gateway.app(), host=host, port=port, log_level="warning", timeout_graceful_shutdown=LAST_ANSWERS_S
    )
    server = uvicorn.Server(options)
    gateway.on_failure = lambda: setattr(server, "should_exit", True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn stops on it, then raises it again for this handler
    server.run()


def _last_snapshot(node: Anvil, chain_id: int, journal: Journal, snapshots: Snapshots) -> None:
    """A clean stop makes the next boot short."""
    try:
        take_snapshot(node, chain_id, journal, snapshots)
    except (ChainError, OSError) as error:
        log.error("no snapshot could be written (%s); the next start takes longer", error)


def _refuse_used_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
            raise ChainError(
                f"port {port} on {host} {reason}; stop what uses it, or change chain.rpc_url in the scenario"
            ) from error
