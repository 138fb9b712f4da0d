"""Transactions to any Ethereum node, each exactly once, whoever else sends with the same key.

A random part of the gas limit makes a transaction different from the one that another process signs for the same call
with the same nonce, so when a node knows its hash, it is ours.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import requests
from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.rpc.utils import REQUEST_RETRY_ALLOWLIST, ExceptionRetryConfiguration
from web3.types import RPCEndpoint, TxParams, TxReceipt

from contracts.delivery import SEND, Delivery, Signed
from contracts.fees import Fees, current_fees
from contracts.gas import MAX_GAS
from contracts.refusals import Abi, ContractRejected, LedgerError, Refusals, is_nonce_taken
from contracts.settings import Sending

__all__ = ["DEFAULT", "ContractRejected", "LedgerError", "Sender", "Sending", "connect"]

log = logging.getLogger(__name__)

GAS_MARGIN = 1.25
GAS_MARKS = 10_000
"""The gas limit is raised by a random number below this; what is not used costs nothing."""
FEES_AGE_S = 5.0
"""How long an answer about fees is good: far shorter than the six blocks that the offer holds out."""
NONCE_TRIES, NONCE_PAUSE_S = 60, 0.03
DEFAULT = Sending()


def connect(rpc_url: str, chain_id: int) -> Web3:
    """A connection to the node. Raises LedgerError when it is away or serves another chain."""
    retries = ExceptionRetryConfiguration(
        errors=(requests.HTTPError, requests.Timeout),
        method_allowlist=[method for method in REQUEST_RETRY_ALLOWLIST if method != SEND],
    )
    provider = Web3.HTTPProvider(
        rpc_url,
        request_kwargs={"timeout": 10},
        exception_retry_configuration=retries,
        cache_allowed_requests=True,
        cacheable_requests={RPCEndpoint("eth_chainId")},  # web3 asks for it before every call
    )
    web3 = Web3(provider)
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)  # QBFT and clique blocks have longer extra data
    try:
        found = web3.eth.chain_id
    except (requests.RequestException, Web3Exception, ValueError) as error:
        raise LedgerError(f"no chain answers at {rpc_url}; start it with ./microgrid chain ({error})") from error
    if found != chain_id:
        raise LedgerError(f"the chain at {rpc_url} has id {found}, the scenario says chain.chain_id = {chain_id}")
    return web3


class Sender:
    """Signs with one account and waits for receipts. Threads may share one; processes may share an account."""

    def __init__(self, web3: Web3, account: LocalAccount | None, abis: list[Abi], sending: Sending = DEFAULT) -> None:
        self._web3 = web3
        self._account = account
        self._refusals = Refusals(abis)
        self._sending = sending
        self._delivery = Delivery(web3)
        self._lock = threading.Lock()
        self._chain_id: int | None = None
        self._fees: tuple[float, Fees] | None = None

    @property
    def account(self) -> LocalAccount:
        """The account that pays and signs. Raises LedgerError for a reader without one."""
        if self._account is None:
            raise LedgerError("this ledger was opened without a key: it can read, not send")
        return self._account

    def send(self, call: ContractFunction | Any, gas: int | None = None) -> TxReceipt:
        """Send a contract call or constructor and wait for its receipt. Raises LedgerError or ContractRejected.

        With `gas` as its limit the node is not asked for an estimate, for which it executes the call several times.
        """
        return cast(TxReceipt, self.query(lambda: self._send(call, gas)))

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
            receipt = self._web3.eth.get_transaction_receipt(HexStr(tx_hash))
        except TransactionNotFound as error:
            raise LedgerError(f"the chain knows no transaction {tx_hash}") from error
        except (requests.RequestException, Web3Exception, ValueError) as error:
            raise LedgerError(f"cannot read transaction {tx_hash}: {error}") from error
        if receipt["status"] != 1:
            raise LedgerError(f"transaction {tx_hash} failed on chain")
        return receipt

    def explain(self, error: Web3Exception) -> LedgerError:
        """A contract's custom error by name and values; anything else in the node's own words."""
        return self._refusals.explain(error)

    # ---- one call

    def _send(self, call: Any, gas: int | None) -> TxReceipt:
        fields = self._fields(call, gas)
        sent = [self._submit(fields)]
        receipt = self._mined(fields, sent)
        if self._sending.confirmations:
            patience_s = self._sending.receipt_timeout_s * (self._sending.confirmations + 1)
            receipt = self._delivery.confirmed(sent, self._sending.confirmations, patience_s)
        if receipt["status"] != 1:
            raise self._reason(sent[-1], receipt)
        return receipt

    def _submit(self, fields: TxParams) -> Signed:
        """Hand the call to the node under a nonce that nobody else has. Raises LedgerError or Web3Exception."""
        for _ in range(NONCE_TRIES):
            with self._lock:
                nonce = self._web3.eth.get_transaction_count(self.account.address, "pending")
                signed = self._sign(fields | {"nonce": nonce}, self._current_fees())
                if self._is_taken(signed):
                    return signed
            time.sleep(random.uniform(0, NONCE_PAUSE_S))
        raise LedgerError(
            f"no free nonce for {self.account.address} in {NONCE_TRIES} tries: too many senders share this key; "
            "give each its own"
        )

    def _is_taken(self, signed: Signed) -> bool:
        """Whether the node took it, or may have; False when another transaction has the nonce."""
        try:
            self._delivery.broadcast(signed)
        except requests.RequestException as error:
            log.warning("the chain does not answer (%s); transaction %s is sent again", error, signed.name)
        except Web3RPCError as error:
            if not is_nonce_taken(error):
                raise
            self._fees = None
            return self._delivery.is_known(signed)
        return True

    def _mined(self, fields: TxParams, sent: list[Signed]) -> TxReceipt:
        """The receipt of the call; `sent` grows with every higher offer. Raises LedgerError."""
        for turn in range(self._sending.resends + 1):
            receipt = self._delivery.wait(sent, self._sending.receipt_timeout_s)
            if receipt is not None:
                return receipt
            if turn == self._sending.resends:
                break
            if self._delivery.is_displaced(sent, self.account.address):
                log.warning("another transaction took the nonce of %s; the call is sent anew", sent[-1].name)
                sent[:] = [self._submit(fields)]
            else:
                sent.append(self._offer_more(sent[-1]))
        raise LedgerError(
            f"transaction {sent[-1].name} (nonce {sent[-1].fields['nonce']}) is in no block after {turn + 1} sends, "
            f"{self._sending.receipt_timeout_s:g} s each. It may still come: look for its receipt before you send "
            "again; for a slow chain raise chain.receipt_timeout_s or chain.resends"
        )

    def _offer_more(self, last: Signed) -> Signed:
        self._fees = None
        signed = self._sign(last.fields, last.fees.raised_to(self._current_fees()))
        log.warning("transaction %s is in no block; sent again as %s with %s", last.name, signed.name, signed.fees)
        self._delivery.remind(signed)
        return signed

    def _reason(self, signed: Signed, receipt: TxReceipt) -> LedgerError:
        """Why a transaction failed, found by calling it again where it failed."""
        try:
            self._web3.eth.call(signed.fields, receipt["blockNumber"])
        except ContractLogicError as error:
            return self.explain(error)
        except Web3Exception as error:  # the node keeps no state of that block
            log.info("the reason of a failure is not known any more: %s", error)
        return LedgerError(f"transaction 0x{receipt['transactionHash'].hex()} failed on chain")

    def _fields(self, call: Any, gas: int | None) -> TxParams:
        limit = self._estimate(call) if gas is None else gas
        gas = min(limit + random.randrange(GAS_MARKS), MAX_GAS)
        if self._chain_id is None:
            self._chain_id = self._web3.eth.chain_id
        start: TxParams = {"from": self.account.address, "gas": gas, "chainId": self._chain_id}
        # A price of 0 and a nonce keep web3 from asking the node for them; both are set anew for every try.
        fields = call.build_transaction(start | {"nonce": 0, "gasPrice": 0})
        return cast(TxParams, {key: value for key, value in fields.items() if key not in ("gasPrice", "nonce")})

    def _estimate(self, call: Any) -> int:
        # "pending" is now; "latest" may be hours ago on a chain that makes blocks only for transactions
        needed = int(call.estimate_gas({"from": self.account.address}, block_identifier="pending"))
        if needed > MAX_GAS:
            raise LedgerError(f"the call needs {needed} gas, a transaction may use {MAX_GAS}; send less at once")
        return round(needed * GAS_MARGIN)

    def _sign(self, fields: TxParams, fees: Fees) -> Signed:
        whole = fields | fees.fields()
        signed = self.account.sign_transaction(cast(dict[str, Any], whole))
        return Signed(fields, fees, signed.raw_transaction, signed.hash)

    def _current_fees(self) -> Fees:
        if self._fees is None or time.monotonic() - self._fees[0] > FEES_AGE_S:
            self._fees = time.monotonic(), current_fees(self._web3)
        return self._fees[1]
