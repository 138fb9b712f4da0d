"""The chain's door: standard calls only, from this machine's pages and names only, in bounded requests."""

import json
import stat
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.gateway import MAX_BATCH, MAX_BODY, is_own_host
from contracts.sender import LedgerError, connect
from tests.contracts.chain_process import ChainProcess
from tests.contracts.minting import CHAIN_ID, Minting, new_account


def rpc(url: str, method: str, *params: Any, **headers: str) -> httpx.Response:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return httpx.post(url, json=call, headers=headers, trust_env=False)


def signed(nonce: int = 0, **fields: Any) -> str:
    account = new_account()
    plain: dict[str, Any] = {"to": account.address, "value": 0, "gas": 30_000, "gasPrice": 0, "chainId": CHAIN_ID}
    return "0x" + bytes(account.sign_transaction(plain | {"nonce": nonce} | fields).raw_transaction).hex()


@pytest.mark.parametrize(
    "method",
    [
        "anvil_setBalance",
        "anvil_impersonateAccount",
        "anvil_dumpState",
        "evm_mine",
        "debug_traceTransaction",
        "eth_sendTransaction",
        "eth_subscribe",
        "eth_newFilter",
    ],
)
def test_cheat_calls_are_not_served(chain: str, method: str) -> None:
    answer = rpc(chain, method, "0x" + "11" * 20, "0xffff").json()
    assert answer["error"]["message"] == f"{method} is not served here"


def test_a_method_named_twice_does_not_slip_past(chain: str) -> None:
    body = '{"jsonrpc":"2.0","id":1,"method":"evm_mine","method":"eth_chainId","params":[]}'
    before = rpc(chain, "eth_blockNumber").json()["result"]
    assert httpx.post(chain, content=body, trust_env=False).json()["result"] == hex(CHAIN_ID)
    assert rpc(chain, "eth_blockNumber").json()["result"] == before


def test_pages_of_this_machine_only(chain: str) -> None:
    allowed = rpc(chain, "eth_chainId", origin="http://127.0.0.1:8501")
    assert allowed.headers["access-control-allow-origin"] == "http://127.0.0.1:8501"
    assert "access-control-allow-origin" not in rpc(chain, "eth_chainId", origin="https://evil.example").headers


def test_a_name_that_was_pointed_here_is_refused(chain: str) -> None:
    answer = rpc(chain, "eth_chainId", host="evil.example:8545")
    assert answer.status_code == 403
    assert "host 'evil.example:8545' is not served" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("header", "is_own"),
    [
        ("127.0.0.1:8545", True),
        ("localhost", True),
        ("[::1]:8545", True),
        ("192.168.1.7:8545", True),
        ("Operator.lan:8545", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_own_hosts_are_addresses_and_the_configured_name(header: str, is_own: bool) -> None:
    assert is_own_host(header, "operator.lan") is is_own


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"[1]",
        b'{"method": 5}',
        b'{"method": "eth_sendRawTransaction"}',
        b'{"method": "eth_sendRawTransactionSync", "params": [7]}',
        b'{"method": "eth_sendRawTransaction", "params": ["0x02"]}',
        b'{"method": "eth_call", "params": [NaN]}',
        b'{"method": "eth_call", "params": ["\\ud800"]}',
        b'{"method": "eth_getBalance", "params": {"a": 1}}',
        b"[" * 100_000,
    ],
)
def test_garbage_is_answered_with_an_error(chain: str, body: bytes) -> None:
    answer = httpx.post(chain, content=body, trust_env=False)
    assert answer.status_code in (200, 400)
    answers = answer.json() if isinstance(answer.json(), list) else [answer.json()]
    assert all("error" in one for one in answers)


def test_requests_are_bounded(chain: str) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    assert len(httpx.post(chain, json=[call] * 20, trust_env=False).json()) == 20
    refused = httpx.post(chain, json=[call] * (MAX_BATCH + 1), trust_env=False).json()
    assert f"a batch has 1 to {MAX_BATCH} calls" in refused["error"]["message"]
    large = httpx.post(chain, content=b" " * (MAX_BODY + 1), trust_env=False)
    assert large.status_code == 413
    allowed = json.dumps(call | {"method": "eth_getCode", "params": ["0x" + "11" * 20, "latest"]})
    assert "result" in httpx.post(chain, content=allowed + " " * 3_000_000, trust_env=False).json()


def test_a_transaction_is_answered_with_its_hash_or_its_receipt(chain: str) -> None:
    sent = rpc(chain, "eth_sendRawTransaction", signed()).json()["result"]
    receipt = rpc(chain, "eth_getTransactionReceipt", sent).json()["result"]
    assert receipt["status"] == "0x1"
    at_once = rpc(chain, "eth_sendRawTransactionSync", signed()).json()["result"]
    assert at_once == rpc(chain, "eth_getTransactionReceipt", at_once["transactionHash"]).json()["result"]


def test_a_nonce_ahead_is_refused_at_once_instead_of_kept_in_memory(chain: str) -> None:
    before = time.monotonic()
    answer = rpc(chain, "eth_sendRawTransaction", signed(nonce=2)).json()
    assert "nonce too high: 2, the next one of 0x" in answer["error"]["message"]
    assert time.monotonic() - before < 1.5


def test_a_transaction_above_the_protocols_limit_is_refused(chain: str) -> None:
    answer = rpc(chain, "eth_sendRawTransaction", signed(gas=16_777_217)).json()
    assert "gas limit 16777217 is above 16777216" in answer["error"]["message"]


def test_a_transaction_of_another_type_does_not_slip_past_the_limit(chain: str) -> None:
    account = new_account()
    grant = account.sign_authorization({"chainId": CHAIN_ID, "address": account.address, "nonce": 1})
    fees: dict[str, Any] = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "data": "0x", "accessList": []}
    fields: dict[str, Any] = {"type": 4, "chainId": CHAIN_ID, "nonce": 0, "to": account.address, "value": 0}
    fees |= {"gas": 20_000_000, "authorizationList": [grant]}
    raw = "0x" + bytes(account.sign_transaction(fields | fees).raw_transaction).hex()
    answer = rpc(chain, "eth_sendRawTransaction", raw).json()
    assert "transactions of type 4 are not served here" in answer["error"]["message"]


def test_fees_stay_zero_and_blocks_come_only_with_transactions(chain: str) -> None:
    minting = Minting(chain, new_account())
    before = minting.web3.eth.block_number
    for amount in range(1, 41):
        receipt = minting.mint(amount)
    assert receipt["effectiveGasPrice"] == 0
    block = minting.web3.eth.get_block("latest")
    assert (block["baseFeePerGas"], block["number"]) == (0, before + 40)


def test_reads_while_blocks_come_are_all_answered(chain: str) -> None:
    """The node prunes the state that a read has just been sent to."""
    minting, done = Minting(chain, new_account()), threading.Event()
    faults: list[str] = []

    def look() -> None:
        reader = Minting(chain, new_account(), address=minting.address)
        while not done.is_set():
            try:
                reader.sender.query(reader.supply)
            except LedgerError as error:
                faults.append(str(error))

    readers = [threading.Thread(target=look) for _ in range(3)]
    for thread in readers:
        thread.start()
    for amount in range(1, 61):
        minting.mint(amount)
    done.set()
    for thread in readers:
        thread.join()
    assert faults == []


def test_another_chain_is_refused(chain: str) -> None:
    with pytest.raises(LedgerError, match=r"has id 31337, the scenario says chain\.chain_id = 5"):
        connect(chain, 5)


def test_no_chain_is_named() -> None:
    with pytest.raises(LedgerError, match=r"no chain answers at http://127\.0\.0\.1:9; start it with"):
        connect("http://127.0.0.1:9", CHAIN_ID)


def test_the_chains_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    process = ChainProcess(tmp_path / "chain")
    process.start()
    rpc(process.url, "eth_sendRawTransaction", signed())
    assert process.stop() == 0
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [process.folder, *process.folder.rglob("*")]}
    assert {path.name: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    assert len(list((process.folder / "snapshots").glob("*.state"))) == 1
