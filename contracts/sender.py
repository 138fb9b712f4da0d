"""Transactions to an Ethereum node: nonces under several threads, fees from the node, receipts, decoded refusals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import requests
from eth_abi.abi import decode
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import TimeExhausted, TransactionNotFound, Web3Exception, Web3RPCError
from web3.types import TxParams, TxReceipt

from simulation.errors import MicrogridError

RECEIPT_TIMEOUT_S = 30.0
RECEIPT_POLL_S = 0.01
GAS_MARGIN = 1.25
ERROR_STRING = "0x08c379a0"


class LedgerError(MicrogridError):
    """The chain cannot be used as asked; the text says what was expected, what was found, and what to do."""


class ContractRejected(LedgerError):
    """The contract refused: `name` is its error, `values` what it said with it."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.name = name
        self.values = values
        listing = ", ".join(f"{key} = {value}" for key, value in values.items())
        super().__init__(f"the contract refused: {name}({listing})")


def connect(rpc_url: str, chain_id: int) -> Web3:
    """A connection to the node. Raises LedgerError when it is away or serves another chain."""
    web3 = Web3(Web3.HTTPProvider(rpc_url, request_kwargs={"timeout": 10}))
    try:
        found = web3.eth.chain_id
    except (requests.RequestException, Web3Exception, ValueError) as error:
        raise LedgerError(f"no chain answers at {rpc_url}; start it with ./microgrid chain ({error})") from error
    if found != chain_id:
        raise LedgerError(f"the chain at {rpc_url} has id {found}, the scenario says chain.chain_id = {chain_id}")
    return web3


class Sender:
    """Signs with one account and waits for receipts."""

    def __init__(self, web3: Web3, account: LocalAccount | None, abis: list[list[dict[str, Any]]]) -> None:
        self._web3 = web3
        self._account = account
        self._errors = _error_table(abis)
        self._lock = threading.Lock()

    @property
    def account(self) -> LocalAccount:
        """The account that pays and signs. Raises LedgerError for a reader without one."""
        if self._account is None:
            raise LedgerError("this ledger was opened without a key: it can read, not send")
        return self._account

    def send(self, call: ContractFunction | Any) -> TxReceipt:
        """Send a contract call or constructor and wait for its receipt. Raises LedgerError or ContractRejected."""
        try:
            with self._lock:
                return self._send(call)
        except requests.RequestException as error:
            raise LedgerError(f"the chain does not answer: {error}") from error
        except TimeExhausted as error:
            raise LedgerError(f"no receipt within {RECEIPT_TIMEOUT_S:.0f} s: {error}") from error
        except Web3Exception as error:
            raise self.explain(error) from error

    def _send(self, call: Any) -> TxReceipt:
        account = self.account
        gas = round(call.estimate_gas({"from": account.address}) * GAS_MARGIN)
        fields: TxParams = {
            "from": account.address,
            "nonce": self._web3.eth.get_transaction_count(account.address, "pending"),
            "gas": gas,
            "gasPrice": self._web3.eth.gas_price,
            "chainId": self._web3.eth.chain_id,
        }
        transaction = call.build_transaction(fields)
        sent = self._web3.eth.send_raw_transaction(account.sign_transaction(transaction).raw_transaction)
        receipt = self._web3.eth.wait_for_transaction_receipt(sent, RECEIPT_TIMEOUT_S, RECEIPT_POLL_S)
        if receipt["status"] != 1:
            self._web3.eth.call(transaction, receipt["blockNumber"])
            raise LedgerError(f"transaction 0x{bytes(sent).hex()} failed on chain")
        return receipt

    def read(self, call: Any) -> Any:
        """Call a view. Raises LedgerError or ContractRejected."""
        return self.query(call.call)

    def query(self, question: Callable[[], Any]) -> Any:
        """Ask the node something. Raises LedgerError or ContractRejected."""
        try:
            return question()
        except requests.RequestException as error:
            raise LedgerError(f"the chain does not answer: {error}") from error
        except Web3Exception as error:
            raise self.explain(error) from error

    def receipt(self, tx_hash: str) -> TxReceipt:
        """Receipt of a transaction. Raises LedgerError when it is unknown or failed."""
        try:
            receipt = self._web3.eth.get_transaction_receipt(tx_hash)  # type: ignore[arg-type]  # web3 takes hex text too
        except TransactionNotFound as error:
            raise LedgerError(f"the chain knows no transaction {tx_hash}") from error
        except (requests.RequestException, Web3Exception, ValueError) as error:
            raise LedgerError(f"cannot read transaction {tx_hash}: {error}") from error
        if receipt["status"] != 1:
            raise LedgerError(f"transaction {tx_hash} failed on chain")
        return receipt

    def explain(self, error: Web3Exception) -> LedgerError:
        """A contract's custom error by name and values; anything else in the node's own words."""
        data = _revert_data(error)
        if data and data[:10] in self._errors:
            name, inputs = self._errors[data[:10]]
            values = decode([kind for _, kind in inputs], bytes.fromhex(data[10:]))
            return ContractRejected(name, dict(zip([label for label, _ in inputs], values, strict=True)))
        return LedgerError(f"the chain refused: {error}")


def _revert_data(error: Web3Exception) -> str | None:
    data = getattr(error, "data", None)
    if data is None and isinstance(error, Web3RPCError) and error.rpc_response:
        data = error.rpc_response.get("error", {}).get("data")
    return data if isinstance(data, str) and data.startswith("0x") else None


def _error_table(abis: list[list[dict[str, Any]]]) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Selector -> name and inputs of every custom error."""
    table = {}
    for entry in (entry for abi in abis for entry in abi if entry["type"] == "error"):
        inputs = [(item["name"], item["type"]) for item in entry["inputs"]]
        signature = f"{entry['name']}({','.join(kind for _, kind in inputs)})"
        table["0x" + bytes(Web3.keccak(text=signature)[:4]).hex()] = (entry["name"], inputs)
    return table
