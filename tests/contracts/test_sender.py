"""The sender on chains of different kinds: fees, shared keys, slow blocks, lost answers, reorganisations."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from web3.types import TxReceipt

from contracts.fees import Fees
from contracts.gas import MAX_GAS
from contracts.sender import DEFAULT, ContractRejected, LedgerError, Sending
from tests.contracts.bare_node import BareNode, bare_node
from tests.contracts.chain_process import ROOT
from tests.contracts.minting import Minting, new_account
from tests.contracts.relay import relay

LOOP = "62%06x5b6001900380600457" + "00"
"""Init code that goes round n times, 26 gas each."""
OTHER_PROCESS = """
import sys
from eth_account import Account
from tests.contracts.minting import Minting
url, key, address, first, count = sys.stdin.read().split()
minting = Minting(url, Account.from_key(key), address=address)
for amount in range(int(first), int(first) + int(count)):
    minting.mint(amount)
"""


def funded(node: BareNode, sending: Sending = DEFAULT) -> Minting:
    account = new_account()
    node.fund(account.address)
    return Minting(node.url, account, sending)


def side_by_side(*works: Callable[[], Any]) -> list[Any]:
    """Results of works that run in threads of their own; errors are results too."""
    results: list[Any] = [None] * len(works)

    def run(index: int) -> None:
        try:
            results[index] = works[index]()
        except LedgerError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# ---- fees


def test_fees_follow_the_base_fee(tmp_path: Path) -> None:
    with bare_node(tmp_path, "--block-base-fee-per-gas", "3000000000") as node:
        minting = funded(node)
        base = minting.web3.eth.get_block("latest")["baseFeePerGas"]
        transaction = minting.web3.eth.get_transaction(minting.mint(1)["transactionHash"])
        assert transaction["type"] == 2
        assert transaction["maxPriorityFeePerGas"] == 1_000_000_000
        assert transaction["maxFeePerGas"] == 2 * base + 1_000_000_000


def test_a_chain_without_base_fee_gets_a_gas_price(tmp_path: Path) -> None:
    with bare_node(tmp_path, "--hardfork", "berlin", "--gas-price", "7") as node:
        minting = BerlinMinting(node)
        transaction = minting.web3.eth.get_transaction(minting.pay()["transactionHash"])
        assert (transaction["type"], transaction["gasPrice"]) == (0, 7)


class BerlinMinting(Minting):
    """Init code without PUSH0 instead of the token, which is compiled for newer rules."""

    def __init__(self, node: BareNode) -> None:
        account = new_account()
        node.fund(account.address)
        super().__init__(node.url, account, address="0x" + "11" * 20)

    def pay(self) -> TxReceipt:
        return self.sender.send(self.web3.eth.contract(abi=[], bytecode=LOOP % 1).constructor())


def test_the_development_chain_is_free(chain: str) -> None:
    minting = Minting(chain, new_account())
    transaction = minting.web3.eth.get_transaction(minting.mint(1)["transactionHash"])
    assert (transaction["type"], transaction["maxFeePerGas"], transaction["maxPriorityFeePerGas"]) == (2, 0, 0)


@pytest.mark.parametrize("wei", [1, 7, 8, 1000, 10**9, 10**12 + 1])
def test_a_raised_offer_replaces_the_last_one(wei: int) -> None:
    raised = Fees(2 * wei, wei).raised_to(Fees(0, 0))
    assert raised.most * 8 >= 2 * wei * 9
    assert raised.priority is not None
    assert raised.priority * 8 >= wei * 9
    assert Fees(wei, None).raised_to(Fees(5 * wei, None)) == Fees(5 * wei, None)


def test_gas_has_a_margin_up_to_the_protocols_limit(chain: str) -> None:
    minting = Minting(chain, new_account())

    def burn(rounds: int) -> Any:
        return minting.sender.send(minting.web3.eth.contract(abi=[], bytecode=LOOP % rounds).constructor())

    receipt = burn(560_000)
    assert receipt["gasUsed"] > MAX_GAS / 1.25
    assert minting.web3.eth.get_transaction(receipt["transactionHash"])["gas"] == MAX_GAS
    with pytest.raises(LedgerError, match=rf"the call needs \d+ gas, a transaction may use {MAX_GAS}"):
        burn(800_000)


# ---- one key, many senders


def test_threads_and_senders_with_one_key_lose_nothing(chain: str) -> None:
    account = new_account()
    first = Minting(chain, account)
    second = Minting(chain, account, address=first.address)

    def mint(minting: Minting, start: int) -> Callable[[], None]:
        def work() -> None:
            for amount in range(start, start + 10):
                minting.mint(amount)

        return work

    outcomes = side_by_side(
        *(mint(minting, 1 + 10 * index) for index, minting in enumerate((first, first, second, second)))
    )
    assert outcomes == [None] * 4
    assert sorted(amount for _, amount in first.minted()) == list(range(1, 41))


def test_processes_with_one_key_lose_nothing(chain: str) -> None:
    account = new_account()
    minting = Minting(chain, account)
    others = [
        subprocess.Popen([sys.executable, "-c", OTHER_PROCESS], cwd=ROOT, stdin=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for index, other in enumerate(others):
        assert other.stdin is not None
        other.stdin.write(f"{chain} {account.key.hex()} {minting.address} {1 + 15 * index} 15")
        other.stdin.close()
    assert [other.wait(60) for other in others] == [0, 0, 0]
    assert sorted(amount for _, amount in minting.minted()) == list(range(1, 46))


def test_equal_calls_of_two_senders_are_two_transactions(tmp_path: Path) -> None:
    """Signed for the same nonce they would be one and the same, but for the random part of the gas limit."""
    with bare_node(tmp_path, "--block-time", "1") as node:
        first = funded(node)
        second = Minting(node.url, first.sender.account, address=first.address)
        receipts = side_by_side(*(lambda minting=minting: minting.mint(5) for minting in (first, second)))
        assert len({receipt["transactionHash"] for receipt in receipts}) == 2
        assert first.supply() == 10


def test_threads_share_the_blocks_of_a_slow_chain(tmp_path: Path) -> None:
    with bare_node(tmp_path, "--block-time", "2") as node:
        minting = funded(node)
        minting.mint(100)  # shows the sender that blocks are slow
        start = time.monotonic()
        receipts = side_by_side(*(lambda amount=amount: minting.mint(amount) for amount in range(1, 9)))
        assert time.monotonic() - start < 8 * 2 / 2
        assert len({receipt["transactionHash"] for receipt in receipts}) == 8
        assert minting.supply() == 100 + sum(range(1, 9))


# ---- what gets lost


def test_a_node_without_the_quick_way_is_polled(tmp_path: Path) -> None:
    with bare_node(tmp_path) as node, relay(node.url) as between:
        between.missing.add("eth_sendRawTransactionSync")
        account = new_account()
        node.fund(account.address)
        minting = Minting(between.url, account)
        minting.mint(1)
        assert minting.supply() == 1
        assert between.seen.count("eth_sendRawTransactionSync") == 1
        assert between.seen.count("eth_sendRawTransaction") == 2


@pytest.mark.parametrize("missing", [set(), {"eth_sendRawTransactionSync"}])
def test_a_lost_answer_is_not_a_second_transaction(tmp_path: Path, missing: set[str]) -> None:
    with bare_node(tmp_path) as node, relay(node.url) as between:
        between.missing |= missing
        account = new_account()
        node.fund(account.address)
        minting = Minting(between.url, account)
        for amount in range(1, 6):
            between.answers_to_lose = 1
            minting.mint(amount)
        assert sorted(amount for _, amount in minting.minted()) == [1, 2, 3, 4, 5]


def test_a_transaction_that_waits_too_long_offers_more(tmp_path: Path) -> None:
    with bare_node(tmp_path) as node:
        minting = funded(node, Sending(receipt_timeout_s=1.5, resends=4))
        minting.mint(1)
        node.call("evm_setAutomine", False)
        offers: list[int] = []

        def mine_the_second_offer() -> None:
            while len(offers) < 2:
                waiting = node.call("txpool_content")["pending"].values()
                offers.extend(
                    offer
                    for account in waiting
                    for transaction in account.values()
                    if (offer := int(transaction["maxPriorityFeePerGas"], 16)) not in offers
                )
                time.sleep(0.05)
            node.call("anvil_mine", "0x1")

        receipt, _ = side_by_side(lambda: minting.mint(2), mine_the_second_offer)
        assert receipt["status"] == 1
        assert offers[1] * 8 >= offers[0] * 9
        assert minting.supply() == 3


def test_a_transaction_in_no_block_is_named(tmp_path: Path) -> None:
    with bare_node(tmp_path) as node:
        minting = funded(node, Sending(receipt_timeout_s=0.3, resends=1))
        node.call("evm_setAutomine", False)
        with pytest.raises(LedgerError, match=r"transaction 0x[0-9a-f]{64} \(nonce 1\) is in no block after 2 sends"):
            minting.mint(1)


def test_a_nonce_that_another_program_took_is_given_up(tmp_path: Path) -> None:
    with bare_node(tmp_path) as node:
        minting = funded(node, Sending(receipt_timeout_s=2.0))
        node.call("evm_setAutomine", False)
        account = minting.sender.account

        def replace() -> None:
            while not node.call("txpool_content")["pending"]:
                time.sleep(0.05)
            rich: dict[str, Any] = {
                "maxFeePerGas": 10**12,
                "maxPriorityFeePerGas": 10**11,
                "nonce": 1,
                "chainId": 31337,
                "type": 2,
            }
            signed = account.sign_transaction(rich | {"to": account.address, "value": 0, "gas": 21_000})
            minting.web3.eth.send_raw_transaction(signed.raw_transaction)
            node.call("anvil_mine", "0x1")
            node.call("evm_setAutomine", True)

        receipt, _ = side_by_side(lambda: minting.mint(7), replace)
        assert minting.web3.eth.get_transaction(receipt["transactionHash"])["nonce"] == 2
        assert minting.supply() == 7


# ---- depth


def test_a_receipt_counts_when_it_is_deep_enough(tmp_path: Path) -> None:
    with bare_node(tmp_path, "--block-time", "1") as node:
        minting = funded(node, Sending(confirmations=2))
        receipt = minting.mint(1)
        assert minting.web3.eth.block_number >= receipt["blockNumber"] + 2


def test_a_reorganisation_that_drops_the_transaction_is_survived(tmp_path: Path) -> None:
    with bare_node(tmp_path) as node:
        plain = funded(node)
        minting = Minting(node.url, plain.sender.account, Sending(confirmations=3), address=plain.address)
        before = node.call("evm_snapshot")
        seen: list[str] = []

        def reorganise() -> None:
            while not plain.minted():
                time.sleep(0.02)
            seen.append(plain.minted()[0][0])
            assert node.call("evm_revert", before)
            assert plain.minted() == []
            node.call("anvil_mine", "0x2")
            while not plain.minted():
                time.sleep(0.02)
            node.call("anvil_mine", "0x3")

        receipt, _ = side_by_side(lambda: minting.mint(5), reorganise)
        assert "0x" + bytes(receipt["transactionHash"]).hex() == seen[0]
        assert receipt["blockHash"] == minting.web3.eth.get_block(receipt["blockNumber"])["hash"]
        assert minting.web3.eth.block_number >= receipt["blockNumber"] + 3
        assert plain.supply() == 5


def test_depth_on_a_chain_without_further_blocks_is_explained(chain: str) -> None:
    minting = Minting(chain, new_account())
    impatient = Sending(confirmations=1, receipt_timeout_s=0.2)
    with pytest.raises(LedgerError, match=r"is not 1 blocks deep within 0\.4 s.*chain\.confirmations = 0"):
        Minting(chain, minting.sender.account, impatient, address=minting.address).mint(1)


# ---- answers


def test_blocks_with_long_extra_data_are_read(tmp_path: Path) -> None:
    """QBFT puts the validators there; web3 refuses that unless it is told."""
    with bare_node(tmp_path) as node, relay(node.url) as between:
        between.extra_data = "0x" + "ab" * 150
        account = new_account()
        node.fund(account.address)
        minting = Minting(between.url, account)
        minting.mint(1)
        block: Any = minting.web3.eth.get_block("latest")
        assert (block["number"], len(block["proofOfAuthorityData"])) == (2, 150)


def test_the_documented_genesis_is_read_by_a_node(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    genesis = json.loads(page.split("```json")[1].split("```")[0])["genesis"]
    (tmp_path / "genesis.json").write_text(json.dumps(genesis), encoding="utf-8")
    with bare_node(tmp_path, "--init", str(tmp_path / "genesis.json"), chain_id=genesis["config"]["chainId"]) as node:
        assert node.call("eth_chainId") == hex(genesis["config"]["chainId"])
        assert node.call("eth_getBlockByNumber", "0x0", False)["timestamp"] == genesis["timestamp"]


def test_a_contracts_refusal_is_named(chain: str) -> None:
    minting = Minting(chain, new_account())
    with pytest.raises(ContractRejected, match="MintTooLarge") as refusal:
        minting.mint(10**13)
    assert refusal.value.values["amount"] == 10**13
