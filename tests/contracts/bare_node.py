"""anvil without the gateway, with the options that a test wants: it stands for any other chain."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from contracts.anvil import ensure_anvil
from simulation.child_process import die_with_parent
from tests.contracts.chain_process import ROOT, free_port


class BareNode:
    """A running node."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, *params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.url, json=request, trust_env=False).json()
        assert "error" not in answer, answer
        return answer["result"]

    def fund(self, address: str) -> None:
        self.call("anvil_setBalance", address, hex(10**21))


@contextmanager
def bare_node(home: Path, *options: str, chain_id: int = 31337) -> Iterator[BareNode]:
    port = free_port()
    command = [
        str(ensure_anvil(ROOT / ".tools")),
        "--port",
        str(port),
        "--chain-id",
        str(chain_id),
        "--quiet",
        *options,
    ]
    child = subprocess.Popen(
        die_with_parent(command), env={**os.environ, "HOME": str(home), "TMPDIR": str(home)}, stdin=subprocess.DEVNULL
    )
    node = BareNode(f"http://127.0.0.1:{port}")
    try:
        _wait_until_up(node, child)
        yield node
    finally:
        child.kill()
        child.wait()


def _wait_until_up(node: BareNode, child: subprocess.Popen[bytes]) -> None:
    transport = httpx.HTTPTransport(retries=8)  # 0.5 s, 1 s, 2 s ... between two tries to connect
    with httpx.Client(transport=transport, trust_env=False) as http:
        http.post(node.url, json={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    assert child.poll() is None
