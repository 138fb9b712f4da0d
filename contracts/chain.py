"""The development chain: a gateway in front of anvil that forgets nothing and serves no cheat calls.

Every raw transaction is journalled before the node sees it. On boot the journal is replayed, with the recorded block
times, so that balances survive SIGKILL of either program. Block hashes differ after a replay; transaction hashes do
not.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import rlp
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.anvil import Anvil, ChainError, ensure_anvil
from contracts.journal import Journal
from contracts.settings import ChainConfig

log = logging.getLogger(__name__)

LOOPBACK = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
ALLOWED = frozenset(
    """
    eth_blockNumber eth_call eth_chainId eth_estimateGas eth_feeHistory eth_gasPrice eth_getBalance
    eth_getBlockByHash eth_getBlockByNumber eth_getCode eth_getLogs eth_getStorageAt eth_getTransactionByHash
    eth_getTransactionCount eth_getTransactionReceipt eth_maxPriorityFeePerGas eth_sendRawTransaction eth_syncing
    net_version net_listening web3_clientVersion
    """.split()
)
METHOD_NOT_FOUND, INVALID_REQUEST, INTERNAL = -32601, -32600, -32603
PRUNED, PRUNED_TRIES = "BlockOutOfRangeError", 5
MAX_BODY = 4 * 1024 * 1024
MAX_GAS = 16_777_216
"""Most gas of a transaction on real chains (EIP-7825)"""
GAS_FIELD = {1: 3, 2: 4}
"""Place of the gas limit in the typed transactions that are served (EIP-2930, EIP-1559); in untyped ones it is 2."""
FIRST_LIST = 0xC0
"""An untyped transaction is an RLP list and starts with this or more; below is a type (EIP-2718)."""
RECEIPT_TRIES, RECEIPT_PAUSE_S = 400, 0.005
"""A transaction is mined a moment after the node took it; one that waits for an earlier nonce is mined later."""


def run_chain(config: ChainConfig, folder: Path, tools: Path) -> None:
    """Serve the chain at `config.rpc_url` until SIGTERM. Raises ChainError, JournalError or NodePackageError."""
    address = urlsplit(config.rpc_url)
    host, port = address.hostname or "127.0.0.1", address.port or 8545
    _refuse_used_port(host, port)
    folder.mkdir(parents=True, exist_ok=True)
    program = ensure_anvil(tools)
    journal = Journal(folder / "journal.sqlite3")
    node = boot(program, folder, config.chain_id, journal)
    try:
        gateway = Gateway(node, journal)
        server = uvicorn.Server(uvicorn.Config(gateway.app(), host=host, port=port, log_level="warning"))
        gateway.on_node_death = lambda: setattr(server, "should_exit", True)
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn stops on it, then raises it again for this handler
        server.run()
    finally:
        died = not node.running
        node.stop()
        journal.close()
    if died:
        raise ChainError(f"the node ended by itself; see {folder / 'anvil.log'}. Nothing is lost: start again")


def boot(program: Path, folder: Path, chain_id: int, journal: Journal) -> Anvil:
    """Start a node and bring it to where the journal ends."""
    entries = journal.to_replay()
    first = next((entry.timestamp for entry in entries if entry.timestamp is not None), None)
    node = Anvil(program, folder, chain_id, None if first is None else first - 1)
    for entry in entries:
        if entry.timestamp is not None:
            node.call("evm_setNextBlockTimestamp", entry.timestamp)
        try:
            sent = node.call("eth_sendRawTransaction", entry.raw)
        except ChainError:
            if entry.timestamp is not None:
                node.stop()
                raise
            journal.refuse(entry.number)
            continue
        if entry.timestamp is None:
            journal.accept(entry.number, _block_time(node, sent))
    if entries:
        node.call("evm_setTime", int(time.time()))
        log.info("replayed %d transactions", len(entries))
    return node


def _block_time(node: Anvil, sent: str) -> int | None:
    for _ in range(RECEIPT_TRIES):
        receipt = node.call("eth_getTransactionReceipt", sent)
        if receipt is not None:
            return int(node.call("eth_getBlockByNumber", receipt["blockNumber"], False)["timestamp"], 16)
        time.sleep(RECEIPT_PAUSE_S)
    return None


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


class Gateway:
    """Passes standard calls on, journals transactions, refuses the rest."""

    def __init__(self, node: Anvil, journal: Journal) -> None:
        self._node = node
        self._journal = journal
        self._order = asyncio.Lock()
        self.on_node_death: Any = None

    def app(self) -> Starlette:
        """The ASGI application."""
        cors = Middleware(CORSMiddleware, allow_origin_regex=LOOPBACK, allow_methods=["POST"], allow_headers=["*"])
        routes = [Route("/", self._rpc, methods=["POST"]), Route("/healthz", self._health)]
        return Starlette(routes=routes, middleware=[cors], lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=self._node.url, timeout=30.0, trust_env=False) as self._http:
            watch = asyncio.create_task(self._watch())
            yield
            watch.cancel()

    async def _watch(self) -> None:
        while self._node.running:
            await asyncio.sleep(0.2)
        if self.on_node_death is not None:
            self.on_node_death()

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"} if self._node.running else {"status": "node is down"}, 200)

    async def _rpc(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > MAX_BODY:
            return JSONResponse(_error(None, INVALID_REQUEST, f"request is larger than {MAX_BODY} bytes"), 413)
        try:
            calls = await request.json()
        except ValueError:
            return JSONResponse(_error(None, INVALID_REQUEST, "the body is not JSON"), 400)
        if isinstance(calls, list):
            return JSONResponse([await self._answer(call) for call in calls])
        return JSONResponse(await self._answer(calls))

    async def _answer(self, call: Any) -> Any:
        if not isinstance(call, dict) or not isinstance(call.get("method"), str):
            return _error(None, INVALID_REQUEST, "a call is an object with a method")
        method = call["method"]
        if method not in ALLOWED:
            return _error(call.get("id"), METHOD_NOT_FOUND, f"{method} is not served here")
        try:
            if method == "eth_sendRawTransaction":
                return await self._send(call)
            return await self._read(call)
        except httpx.HTTPError as error:
            return _error(call.get("id"), INTERNAL, f"the node does not answer: {error}")

    async def _read(self, call: dict[str, Any]) -> Any:
        """The node prunes the block that it resolved "latest" to when the next one comes meanwhile; ask again."""
        for _ in range(PRUNED_TRIES):
            answer = await self._forward(call)
            if PRUNED not in str(answer.get("error", "")):
                break
        return answer

    async def _send(self, call: dict[str, Any]) -> Any:
        params = call.get("params")
        if not isinstance(params, list) or len(params) != 1 or not isinstance(params[0], str):
            return _error(call.get("id"), INVALID_REQUEST, "eth_sendRawTransaction takes one signed transaction")
        if (reason := _refusal(params[0])) is not None:
            return _error(call.get("id"), INVALID_REQUEST, reason)
        async with self._order:
            number = self._journal.add(params[0])
            answer = await self._forward(call)
            if "error" in answer:
                self._journal.refuse(number)
            else:
                self._journal.accept(number, await self._time_of(answer["result"]))
        return answer

    async def _time_of(self, sent: str) -> int | None:
        for _ in range(RECEIPT_TRIES):
            receipt = (await self._forward(_call("eth_getTransactionReceipt", sent))).get("result")
            if receipt is not None:
                block = await self._forward(_call("eth_getBlockByNumber", receipt["blockNumber"], False))
                return int(block["result"]["timestamp"], 16)
            await asyncio.sleep(RECEIPT_PAUSE_S)
        return None

    async def _forward(self, call: dict[str, Any]) -> Any:
        return (await self._http.post("/", json=call)).json()


def _refusal(raw: str) -> str | None:
    """Why a signed transaction is not taken; None when it is, or cannot be read: the node refuses that by itself."""
    try:
        data = bytes.fromhex(raw.removeprefix("0x"))
        typed = data[0] < FIRST_LIST
        if typed and data[0] not in GAS_FIELD:
            return f"transactions of type {data[0]} are not served here; send an EIP-1559 one (type 2)"
        fields = rlp.decode(data[1:] if typed else data)
        gas = int.from_bytes(fields[GAS_FIELD[data[0]] if typed else 2], "big")
    except (ValueError, IndexError, TypeError, rlp.exceptions.RLPException):
        return None
    return f"the transaction's gas limit is above {MAX_GAS}" if gas > MAX_GAS else None


def _call(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
