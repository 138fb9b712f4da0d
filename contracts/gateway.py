"""The chain's only door: standard calls go through, transactions are journalled first, the rest is refused.

A transaction is answered when its block exists and the journal can rebuild it. Whatever leaves that open (a node that
died or does not answer) ends the gateway: the next boot replays the journal, and nobody was told anything wrong.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.anvil import CALL_S, Anvil
from contracts.boot import snapshot_of
from contracts.journal import Journal
from contracts.raw_transaction import NotServed, RawTransaction, read_transaction
from contracts.snapshot import Snapshots

log = logging.getLogger(__name__)

LOOPBACK_PAGES = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
SEND, SEND_SYNC = "eth_sendRawTransaction", "eth_sendRawTransactionSync"
ALLOWED = frozenset(
    """
    eth_blockNumber eth_call eth_chainId eth_estimateGas eth_feeHistory eth_gasPrice eth_getBalance
    eth_getBlockByHash eth_getBlockByNumber eth_getCode eth_getLogs eth_getStorageAt eth_getTransactionByHash
    eth_getTransactionCount eth_getTransactionReceipt eth_maxPriorityFeePerGas eth_syncing
    net_version net_listening web3_clientVersion
    """.split()
) | {SEND, SEND_SYNC}
METHOD_NOT_FOUND, INVALID_REQUEST, INVALID_PARAMS, INTERNAL = -32601, -32600, -32602, -32603
REFUSED = -32003
"""What nodes answer for a transaction that they refuse (EIP-1474)."""
PRUNED, PRUNED_TRIES = "BlockOutOfRangeError", 5
MAX_BODY = 4 * 1024 * 1024
MAX_BATCH = 1000


class Gateway:
    """One node's gateway. `on_failure` is called once, when it must end."""

    def __init__(self, node: Anvil, chain_id: int, journal: Journal, snapshots: Snapshots, name: str) -> None:
        self._node = node
        self._chain_id = chain_id
        self._journal = journal
        self._snapshots = snapshots
        self._name = name
        self._order = asyncio.Lock()
        self._time = int(node.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.failed = False
        self.on_failure: Callable[[], None] = lambda: None

    def app(self) -> Starlette:
        """The ASGI application."""
        cors = Middleware(
            CORSMiddleware, allow_origin_regex=LOOPBACK_PAGES, allow_methods=["POST"], allow_headers=["*"]
        )
        routes = [Route("/", self._rpc, methods=["POST"]), Route("/healthz", self._health)]
        return Starlette(routes=routes, middleware=[cors], lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=self._node.url, timeout=CALL_S, trust_env=False) as self._http:
            watch = asyncio.create_task(self._watch())
            yield
            watch.cancel()

    async def _watch(self) -> None:
        while self._node.running:
            await asyncio.sleep(0.2)
        self._fail("the node ended")

    def _fail(self, reason: str) -> None:
        if not self.failed:
            log.error("%s; the gateway ends, and the next start replays the journal", reason)
            self.failed = True
            self.on_failure()

    async def _health(self, _: Request) -> Response:
        up = self._node.running and not self.failed
        return JSONResponse({"status": "ok" if up else "node is down"}, 200 if up else 503)

    # ---- requests

    async def _rpc(self, request: Request) -> Response:
        if not is_own_host(request.headers.get("host", ""), self._name):
            text = (
                f"the host {request.headers.get('host')!r} is not served; use an address or the name in chain.rpc_url"
            )
            return JSONResponse(_error(None, INVALID_REQUEST, text), 403)
        body = await _body(request)
        if body is None:
            return JSONResponse(_error(None, INVALID_REQUEST, f"request is larger than {MAX_BODY} bytes"), 413)
        try:
            calls = from_json(body)  # its depth is limited; json's own limit is raised by web3, up to a crash
        except ValueError:
            return JSONResponse(_error(None, INVALID_REQUEST, "the body is not JSON"), 400)
        return Response(
            json.dumps(await self._answers(calls), separators=(",", ":")),
            media_type="application/json",
            background=BackgroundTask(self._snapshot_if_due),
        )

    async def _answers(self, calls: Any) -> Any:
        if not isinstance(calls, list):
            return await self._answer(calls)
        if not calls or len(calls) > MAX_BATCH:
            return _error(None, INVALID_REQUEST, f"a batch has 1 to {MAX_BATCH} calls, this one {len(calls)}")
        return [await self._answer(call) for call in calls]

    async def _answer(self, call: Any) -> Any:
        if not isinstance(call, dict) or not isinstance(call.get("method"), str):
            return _error(None, INVALID_REQUEST, "a call is an object with a method")
        number, method = call.get("id"), call["method"]
        if method not in ALLOWED:
            return _error(number, METHOD_NOT_FOUND, f"{method} is not served here")
        try:
            if method in (SEND, SEND_SYNC):
                return await self._send(number, method, call.get("params"))
            return {"jsonrpc": "2.0", "id": number} | await self._read(method, call.get("params", []))
        except (httpx.HTTPError, ValueError) as error:
            return _error(number, INTERNAL, f"the node does not answer: {error}")

    async def _read(self, method: str, params: Any) -> dict[str, Any]:
        """The node prunes the block that it resolved "latest" to when the next one comes meanwhile; ask again."""
        for _ in range(PRUNED_TRIES):
            answer = await self._forward(method, params)
            if PRUNED not in str(answer.get("error", "")):
                break
        return answer

    # ---- transactions

    async def _send(self, number: Any, method: str, params: Any) -> Any:
        if not isinstance(params, list) or not params or not isinstance(params[0], str):
            return _error(number, INVALID_PARAMS, f"{method} takes one signed transaction")
        try:
            transaction = read_transaction(params[0])
        except NotServed as error:
            return _error(number, INVALID_PARAMS, str(error))
        async with self._order:
            if self.failed:
                return _error(number, INTERNAL, "the chain is being started again; send the same transaction again")
            answer = await self._deliver(transaction)
        if "result" in answer and method == SEND:
            answer = {"result": transaction.tx_hash}
        return {"jsonrpc": "2.0", "id": number} | answer

    async def _deliver(self, transaction: RawTransaction) -> dict[str, Any]:
        """The receipt, or why there is none."""
        self._time = max(self._time, int(time.time()))
        try:
            expected = await self._prepare(transaction.sender)
            if transaction.nonce > expected:
                return {"error": {"code": REFUSED, "message": _gap(transaction, expected)}}
            entry = self._journal.add(transaction.raw, self._time)
            answer = await self._forward(SEND_SYNC, [transaction.raw])
        except sqlite3.Error as error:
            return {"error": {"code": INTERNAL, "message": f"the journal cannot be written: {error}"}}
        except (httpx.HTTPError, ValueError, KeyError) as error:
            self._fail(f"the node left a transaction unanswered ({error!r})")
            raise httpx.TransportError("it left the transaction open; send the same one again") from error
        self._note(entry, answer)
        return answer

    async def _prepare(self, sender: str) -> int:
        """Set the next block's time and ask which nonce comes next, in one request."""
        calls = [
            _call("evm_setNextBlockTimestamp", [self._time]),
            _call("eth_getTransactionCount", [sender, "latest"]),
        ]
        answers = await self._post(calls)
        return int(answers[1]["result"], 16)

    def _note(self, entry: int, answer: dict[str, Any]) -> None:
        """A refusal is final, except for one that does not say whether the transaction still waits in the node."""
        if "result" in answer:
            self._journal.accept(entry)
        elif answer["error"].get("code") != INTERNAL:
            self._journal.refuse(entry)
        else:
            self._fail(f"the node left a transaction open ({answer['error'].get('message')})")

    async def _snapshot_if_due(self) -> None:
        if self.failed or not self._snapshots.due(self._journal.last_number()):
            return
        async with self._order:
            number = self._journal.last_number()
            if self.failed or not self._snapshots.due(number):
                return
            dump = (await self._forward("anvil_dumpState", [False]))["result"]
            self._snapshots.newest_number = number
        snapshot = snapshot_of(number, self._chain_id, self._journal, dump)
        try:
            await asyncio.to_thread(self._snapshots.write, snapshot)
        except OSError as error:
            log.error("no snapshot could be written (%s); the next start takes longer", error)

    async def _forward(self, method: str, params: Any) -> dict[str, Any]:
        """The node's `result` or `error`."""
        answer = await self._post(_call(method, params))
        return {key: answer[key] for key in ("result", "error") if key in answer}

    async def _post(self, content: Any) -> Any:
        headers = {"content-type": "application/json"}
        return (await self._http.post("/", content=json.dumps(content, allow_nan=False), headers=headers)).json()


def is_own_host(header: str, name: str) -> bool:
    """Whether a Host header is an address, localhost or this gateway's name.

    Any other name may be a page elsewhere that had its name point here (DNS rebinding).
    """
    try:
        host = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if host in ("localhost", name.lower()):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _body(request: Request) -> bytes | None:
    """The body; None when it is too large."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)


def _gap(transaction: RawTransaction, expected: int) -> str:
    """The node would keep it in memory only, acknowledged but in no block."""
    return f"nonce too high: {transaction.nonce}, the next one of {transaction.sender} is {expected}; send that first"


def _call(method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
