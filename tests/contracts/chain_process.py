"""Starts and kills the chain as its users do: as a process of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

ROOT = Path(__file__).parents[2]
CODE = """
import sys; from pathlib import Path
from contracts import snapshot; from contracts.chain import run_chain; from contracts.settings import ChainConfig
snapshot.EVERY = int(sys.argv[4])
run_chain(ChainConfig(rpc_url=sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class ChainProcess:
    """One chain in `folder`, started and stopped as often as a test wants."""

    def __init__(self, folder: Path, snapshot_every: int = 500) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self._snapshot_every = snapshot_every
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGKILL)

    def start(self) -> None:
        arguments = [self.url, str(self.folder), str(ROOT / ".tools"), str(self._snapshot_every)]
        self._process = subprocess.Popen([sys.executable, "-c", CODE, *arguments], cwd=ROOT)
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"{self.url}/healthz", trust_env=False).raise_for_status()
                return
            except httpx.HTTPError:
                assert self._process.poll() is None, "the chain ended while it started"
                assert time.monotonic() < deadline, "the chain did not start within 120 s"
                time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def kill_node(self) -> int:
        """SIGKILL the node; the gateway ends by itself. Returns the gateway's exit code (Linux only)."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        for child in children.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        return self._process.wait(30)
