"""Fifty SIGKILLs of node and gateway under load: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import itertools
import random
import signal
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from contracts.sender import LedgerError, Sending
from tests.contracts.chain_process import ChainProcess
from tests.contracts.minting import Minting, new_account

KILLS = 50
CLIENTS = 3


class Client(threading.Thread):
    """Mints one amount after another with raw transactions, and notes which ones the chain acknowledged."""

    def __init__(self, minting: Minting, url: str, number: int) -> None:
        super().__init__(daemon=True)
        self.account = new_account()
        self.acknowledged: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.faults: list[str] = []
        self.ends = threading.Event()
        self._minting = minting
        self._url = url
        self._first = number

    def run(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=20) as http:
            for nonce in itertools.count():
                amount = 1 + nonce * CLIENTS + self._first
                raw, tx_hash = self._minting.raw_mint(self.account, nonce, amount)
                self.sent[tx_hash] = amount
                while not self._deliver(http, raw, tx_hash):
                    if self.ends.is_set():
                        return
                if self.ends.is_set():
                    return

    def _deliver(self, http: httpx.Client, raw: str, tx_hash: str) -> bool:
        """Whether the transaction is in the chain; False when the chain went away first."""
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]}
        try:
            answer = http.post("/", json=call).json()
        except httpx.HTTPError:
            time.sleep(0.02)
            return False
        if answer.get("result") == tx_hash:
            self.acknowledged[tx_hash] = self.sent[tx_hash]
            return True
        text = answer["error"]["message"]
        if "nonce too low" in text:  # it came in although its answer was lost
            return True
        if "the node does not answer" not in text and "started again" not in text:
            self.faults.append(text)
        time.sleep(0.02)
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="finds the node in /proc")
def test_fifty_kills_under_load_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    with ChainProcess(tmp_path, snapshot_every=100) as process:
        minting = Minting(process.url, new_account())
        clients = [Client(minting, process.url, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for kill in range(KILLS):
            time.sleep(chance.uniform(0, 0.6))
            if chance.random() < 0.5:
                assert process.kill_node() == 1
            else:
                assert process.stop(signal.SIGKILL) == -signal.SIGKILL
            promised = {tx for client in clients for tx in list(client.acknowledged)}
            process.start()
            missing = promised - set(minting.transactions())
            assert not missing, f"seed {seed}, kill {kill}: {len(missing)} of {len(promised)} acknowledged are lost"
        for client in clients:
            client.ends.set()
            client.join(60)
        check(minting, clients, f"seed {seed}")
        assert process.stop() == 0


def check(minting: Minting, clients: list[Client], where: str) -> None:
    minted = minting.minted()
    found = dict(minted)
    assert len(found) == len(minted), f"{where}: {len(minted) - len(found)} are there twice"
    assert minting.supply() == sum(found.values()), where
    assert sum(len(client.acknowledged) for client in clients) > KILLS, f"{where}: there was no load"
    for client in clients:
        assert client.faults == [], where
        assert set(client.acknowledged) <= set(found), where
        own = {tx: amount for tx, amount in client.sent.items() if tx in found}
        assert {tx: found[tx] for tx in own} == own, where
        assert minting.web3.eth.get_transaction_count(client.account.address) == len(own), where


def test_a_sender_outlives_a_killed_chain_and_sends_each_call_once(tmp_path: Path) -> None:
    with ChainProcess(tmp_path, snapshot_every=20) as process:
        minting = Minting(process.url, new_account(), Sending(receipt_timeout_s=60))
        acknowledged: list[int] = []
        faults: list[str] = []
        done = threading.Event()

        def work() -> None:
            for amount in itertools.count(1):
                try:
                    minting.mint(amount)
                    acknowledged.append(amount)
                except LedgerError as error:
                    faults.append(str(error))
                    time.sleep(0.05)
                if done.is_set():
                    return

        worker = threading.Thread(target=work)
        worker.start()
        for _ in range(4):
            time.sleep(0.7)
            process.stop(signal.SIGKILL)
            process.start()
        done.set()
        worker.join(90)
        minted = [amount for _, amount in minting.minted()]
        assert len(minted) == len(set(minted))
        assert set(minted) == set(acknowledged)
        assert [fault for fault in faults if "the chain does not answer" not in fault] == []
        assert process.stop() == 0
