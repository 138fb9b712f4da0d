"""The development chain: forgets nothing when it is killed, serves no cheat calls."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account

from contracts.anvil import ChainError
from contracts.chain import run_chain
from contracts.journal import Journal, JournalError
from contracts.ledger import Ledger
from contracts.orders import Side
from contracts.sender import LedgerError, connect
from contracts.settings import ChainConfig
from tests.contracts.chain_process import ROOT, ChainProcess
from tests.contracts.market_world import FIRST_SLOT, MarketWorld


def rpc(url: str, method: str, *params: Any, origin: str | None = None) -> httpx.Response:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return httpx.post(url, json=call, headers={"Origin": origin} if origin else {}, trust_env=False)


@pytest.mark.slow
def test_sigkill_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    process = ChainProcess(tmp_path)
    process.start()
    world = MarketWorld(process.url, 2)
    seller, buyer = world.members
    for slot in range(FIRST_SLOT, FIRST_SLOT + 6):
        sell, buy = world.order(seller, Side.SELL, 50, 1, slot), world.order(buyer, Side.BUY, 50, 290_000, slot)
        world.ledger.advance_to(slot + 1)
        world.ledger.settle(slot, 100_000, [sell], [buy], [(0, 0, 50)])
        before = world.ledger.transfers()
        process.stop(signal.SIGKILL)
        process.start()
        assert Ledger(world.deployment).transfers() == before
        assert len(before) == slot - FIRST_SLOT + 1
        world.assert_nothing_is_lost()
    assert process.stop() == 0


@pytest.mark.parametrize(
    "method",
    ["anvil_setBalance", "anvil_impersonateAccount", "evm_mine", "debug_traceTransaction", "eth_sendTransaction"],
)
def test_cheat_calls_are_not_served(chain: str, method: str) -> None:
    answer = rpc(chain, method, "0x" + "11" * 20, "0xffff").json()
    assert answer["error"]["message"] == f"{method} is not served here"


def test_pages_of_this_machine_only(chain: str) -> None:
    allowed = rpc(chain, "eth_chainId", origin="http://127.0.0.1:8501")
    assert allowed.headers["access-control-allow-origin"] == "http://127.0.0.1:8501"
    assert "access-control-allow-origin" not in rpc(chain, "eth_chainId", origin="https://evil.example").headers


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b"[1]", b'{"method": 5}', b'{"method": "eth_sendRawTransaction"}']
)
def test_garbage_is_answered_with_an_error(chain: str, body: bytes) -> None:
    answer = httpx.post(chain, content=body, trust_env=False)
    assert answer.status_code in (200, 400)
    assert b"error" in answer.content or answer.json() == []


def test_fees_stay_zero(chain: str) -> None:
    world = MarketWorld(chain, 1)
    for slot in range(FIRST_SLOT, FIRST_SLOT + 60):
        world.ledger.advance_to(slot + 1)
    block = rpc(chain, "eth_getBlockByNumber", "latest", False).json()["result"]
    assert int(block["baseFeePerGas"], 16) == 0
    assert int(rpc(chain, "eth_gasPrice").json()["result"], 16) == 0


def test_reads_while_blocks_come_are_all_answered(chain: str) -> None:
    """The node prunes the state that a read has just been sent to."""
    world, done = MarketWorld(chain, 1), threading.Event()
    faults: list[str] = []

    def look() -> None:
        reader = Ledger(world.deployment)
        while not done.is_set():
            try:
                reader.balance(1)
            except LedgerError as error:
                faults.append(str(error))

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for slot in range(FIRST_SLOT, FIRST_SLOT + 100):
        world.ledger.advance_to(slot + 1)
    done.set()
    for reader in readers:
        reader.join()
    assert faults == []


def test_a_transaction_above_the_protocols_limit_is_refused(chain: str) -> None:
    account, web3 = Account.create(), connect(chain, 31337)
    fields = {"to": account.address, "value": 0, "gas": 16_777_217, "gasPrice": 0, "nonce": 0, "chainId": 31337}
    raw = "0x" + bytes(account.sign_transaction(fields).raw_transaction).hex()
    assert "error" in rpc(chain, "eth_sendRawTransaction", raw).json()
    assert web3.eth.get_transaction_count(account.address) == 0


def test_a_transaction_of_another_type_does_not_slip_past_the_limit(chain: str) -> None:
    account = Account.create()
    grant = account.sign_authorization({"chainId": 31337, "address": account.address, "nonce": 1})
    fees = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "data": "0x", "accessList": [], "authorizationList": [grant]}
    fields = {"type": 4, "chainId": 31337, "nonce": 0, "to": account.address, "value": 0, "gas": 20_000_000}
    raw = "0x" + bytes(account.sign_transaction(fields | fees).raw_transaction).hex()
    answer = rpc(chain, "eth_sendRawTransaction", raw).json()
    assert "transactions of type 4 are not served here" in answer["error"]["message"]


def test_another_chain_is_refused(chain: str) -> None:
    with pytest.raises(LedgerError, match=r"has id 31337, the scenario says chain\.chain_id = 5"):
        connect(chain, 5)


def test_no_chain_is_named() -> None:
    with pytest.raises(LedgerError, match=r"no chain answers at http://127\.0\.0\.1:9; start it with"):
        connect("http://127.0.0.1:9", 31337)


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ChainError, match=rf"port {port} on 127\.0\.0\.1 is in use; .*chain\.rpc_url"):
            run_chain(ChainConfig(rpc_url=f"http://127.0.0.1:{port}"), tmp_path, ROOT / ".tools")


def test_a_damaged_journal_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"not a database, but long enough to look at" * 50)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"journal\.sqlite3: not a readable journal"):
        Journal(path)
    assert path.read_bytes() == before


def test_the_journal_keeps_order_and_leaves_out_what_was_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite3")
    numbers = [journal.add(f"0x0{index}") for index in range(4)]
    journal.accept(numbers[0], 10)
    journal.refuse(numbers[1])
    journal.accept(numbers[2], 11)
    journal.close()
    again = Journal(tmp_path / "j.sqlite3")
    assert [(entry.raw, entry.timestamp) for entry in again.to_replay()] == [("0x00", 10), ("0x02", 11), ("0x03", None)]
    again.close()
    with sqlite3.connect(tmp_path / "j.sqlite3") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
