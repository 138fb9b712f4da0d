"""Signed transactions on their way: handed to a node, watched until they are in a block, and deep enough."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

import requests
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.exceptions import MethodUnavailable, TransactionNotFound, Web3RPCError
from web3.types import RPCEndpoint, TxParams, TxReceipt

from contracts.fees import Fees
from contracts.refusals import LedgerError

log = logging.getLogger(__name__)

SEND, SEND_SYNC = RPCEndpoint("eth_sendRawTransaction"), RPCEndpoint("eth_sendRawTransactionSync")
SYNC_WORTH_S, SYNC_LONGEST_S = 0.5, 2.0
"""A chain that takes longer for a block is polled, so that other threads can send meanwhile."""
POLL_S, POLL_GROWTH, LONGEST_POLL_S = 0.005, 1.5, 1.0
REMIND_S = 1.0
"""How often a node is asked whether it still has a transaction."""


class Signed(NamedTuple):
    """One signed form of a call."""

    fields: TxParams
    """The transaction without its fees."""
    fees: Fees
    """What it offers."""
    raw: HexBytes
    """As it is sent."""
    tx_hash: HexBytes
    """Its identity."""

    @property
    def name(self) -> str:
        """The hash as people see it."""
        return "0x" + bytes(self.tx_hash).hex()


class Delivery:
    """The way to one node."""

    def __init__(self, web3: Web3) -> None:
        self._web3 = web3
        self._sync = isinstance(web3.provider, HTTPProvider)
        self._impatient = Web3(
            HTTPProvider(
                getattr(web3.provider, "endpoint_uri", None),
                request_kwargs={"timeout": SYNC_LONGEST_S},
                exception_retry_configuration=None,
            )
        )

    def broadcast(self, signed: Signed) -> None:
        """Hand it to the node, and wait for its block where the chain is quick. Raises Web3RPCError when refused."""
        if not self._sync:
            self._web3.eth.send_raw_transaction(signed.raw)
            return
        start = time.monotonic()
        try:
            self._impatient.manager.request_blocking(SEND_SYNC, ["0x" + bytes(signed.raw).hex()])
        except MethodUnavailable:
            self._sync = False
            self._web3.eth.send_raw_transaction(signed.raw)
        except (Web3RPCError, requests.Timeout):
            if not self.is_known(signed):
                raise
        finally:
            self._sync = self._sync and time.monotonic() - start < SYNC_WORTH_S

    def is_known(self, signed: Signed) -> bool:
        """Whether the node has it, in a block or waiting."""
        try:
            self._web3.eth.get_transaction(signed.tx_hash)
        except TransactionNotFound:
            return False
        return True

    def remind(self, signed: Signed) -> None:
        """Send it again; a refusal changes nothing, as an earlier form may be waiting."""
        try:
            self._web3.eth.send_raw_transaction(signed.raw)
        except (requests.RequestException, Web3RPCError) as error:
            log.info("sent %s again: %s", signed.name, error)

    def wait(self, sent: list[Signed], seconds: float) -> TxReceipt | None:
        """Receipt of whichever form comes into a block; None when none does in time."""
        deadline, pause, reminded = time.monotonic() + seconds, POLL_S, time.monotonic()
        while True:
            try:
                receipt = self._receipt(sent)
                if receipt is not None:
                    return receipt
                if time.monotonic() - reminded > REMIND_S:
                    reminded = time.monotonic()
                    self._remind_if_forgotten(sent[-1])
            except requests.RequestException as error:
                log.info("the chain does not answer: %s", error)
            if time.monotonic() > deadline:
                return None
            time.sleep(min(pause, max(deadline - time.monotonic(), 0)))
            pause = min(pause * POLL_GROWTH, LONGEST_POLL_S)

    def confirmed(self, sent: list[Signed], depth: int, seconds: float) -> TxReceipt:
        """Receipt, when `depth` blocks follow its own. A reorganisation may move it; it is sent again when lost.

        Raises LedgerError.
        """
        deadline, pause = time.monotonic() + seconds, POLL_S
        while time.monotonic() < deadline:
            try:
                receipt = self._receipt(sent)
                if receipt is not None and self._is_deep(receipt, depth):
                    return receipt
                if receipt is None:
                    self._remind_if_forgotten(sent[-1])
            except requests.RequestException as error:
                log.info("the chain does not answer: %s", error)
            time.sleep(pause)
            pause = min(pause * POLL_GROWTH, LONGEST_POLL_S)
        raise LedgerError(
            f"transaction {sent[-1].name} is not {depth} blocks deep within {seconds:g} s; look for its receipt before "
            "you send again. A chain that makes blocks only for transactions needs chain.confirmations = 0"
        )

    def is_displaced(self, sent: list[Signed], account: ChecksumAddress) -> bool:
        """Whether another transaction of `account` used the nonce, so that none of these can come any more."""
        try:
            used = self._web3.eth.get_transaction_count(account, "latest") > sent[-1].fields["nonce"]
            return used and self._receipt(sent) is None  # in this order: it may have come meanwhile
        except requests.RequestException:
            return False

    def _receipt(self, sent: list[Signed]) -> TxReceipt | None:
        for signed in sent:
            try:
                return self._web3.eth.get_transaction_receipt(signed.tx_hash)
            except TransactionNotFound:
                continue
        return None

    def _is_deep(self, receipt: TxReceipt, depth: int) -> bool:
        number = receipt["blockNumber"]
        if self._web3.eth.block_number - number < depth:
            return False
        return self._web3.eth.get_block(number)["hash"] == receipt["blockHash"]

    def _remind_if_forgotten(self, signed: Signed) -> None:
        if not self.is_known(signed):
            self.remind(signed)
