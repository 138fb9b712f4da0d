"""The node itself: anvil as a private child process, reachable only by the gateway."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from contracts.node_packages import install_package
from simulation.child_process import die_with_parent
from simulation.errors import MicrogridError

PACKAGE = "@foundry-rs/anvil@1.7.1"
BOOT_S = 20.0
CALL_S = 120.0
"""Longer than the 30 s that eth_sendRawTransactionSync waits for a block, and than dumping a large state."""
BLOCK_GAS_LIMIT = 1_000_000_000
"""So far above any block that the base fee, which rises above half the limit, stays 0."""


class ChainError(MicrogridError):
    """The development chain cannot run; the text says why and what to do."""


class NodeRefused(ChainError):
    """The node answered with an error; the text has its words."""


def ensure_anvil(tools: Path) -> Path:
    """Path of the anvil program, installed under `tools` on first use. Raises NodePackageError without a network."""
    scope = install_package(tools / "anvil", PACKAGE) / "@foundry-rs"
    for program in (*scope.glob("anvil-*/bin/anvil"), *scope.glob("anvil-*/bin/anvil.exe")):
        return program
    raise ChainError(f"{PACKAGE} has no program for this computer ({sys.platform}); set chain.rpc_url to another node")


class Anvil:
    """One running node without history on disk, without known accounts, without fees."""

    def __init__(self, program: Path, folder: Path, chain_id: int, timestamp: int | None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--chain-id", str(chain_id)]
        options += ["--accounts", "1", "--balance", "0", "--mnemonic-random", "--quiet", "--no-cors", "--prune-history"]
        options += ["--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee"]
        options += ["--gas-limit", str(BLOCK_GAS_LIMIT), "--hardfork", "cancun"]
        options += ["--no-request-size-limit"]  # a snapshot is one request; the gateway limits everybody else's
        options += ["--timestamp", str(timestamp)] if timestamp is not None else []
        self._child = _start([str(program), *options], folder)
        self._http = httpx.Client(base_url=self.url, timeout=CALL_S, trust_env=False)
        self._wait_until_up(folder)

    @property
    def pid(self) -> int:
        """Process id of the node."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the node is alive."""
        return self._child.poll() is None

    def call(self, method: str, *params: Any) -> Any:
        """Result of one JSON-RPC call. Raises NodeRefused with the node's words, ChainError when it does not answer."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = self._http.post("/", json=request).json()
        except (httpx.HTTPError, ValueError) as error:
            raise ChainError(f"the node does not answer {method} ({error}); start the chain again") from error
        if "error" in answer:
            raise NodeRefused(f"the node refused {method}: {answer['error'].get('message')}")
        return answer["result"]

    def stop(self) -> None:
        """End the node; what it knew is in the journal."""
        self._http.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def _wait_until_up(self, folder: Path) -> None:
        deadline = time.monotonic() + BOOT_S
        while True:
            try:
                self.call("eth_chainId")
                return
            except ChainError as error:
                if not self.running or time.monotonic() > deadline:
                    self.stop()
                    raise ChainError(f"the node did not start; see {folder / 'anvil.log'}") from error
                time.sleep(0.02)


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """The node with a home of its own, so that it neither reads nor fills the user's."""
    home = folder / "anvil-home"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / "anvil.log", "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
        return subprocess.Popen(
            die_with_parent(command),
            env={**os.environ, "HOME": str(home), "TMPDIR": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
