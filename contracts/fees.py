"""What a transaction offers for gas: EIP-1559 where the chain has a base fee, a plain gas price where it has none."""

from __future__ import annotations

from typing import NamedTuple

from web3 import Web3
from web3.exceptions import Web3RPCError
from web3.types import TxParams, Wei


class Fees(NamedTuple):
    """An offer."""

    most: int
    """Most that is paid for one gas, the base fee included [wei]"""
    priority: int | None
    """Of that, for whoever makes the block [wei]; None on a chain without base fee."""

    def fields(self) -> TxParams:
        """The transaction's own fields."""
        if self.priority is None:
            return {"gasPrice": Wei(self.most)}
        return {"maxFeePerGas": Wei(self.most), "maxPriorityFeePerGas": Wei(self.priority)}

    def raised_to(self, current: Fees) -> Fees:
        """An offer that replaces this one: an eighth more in both parts (nodes ask for 10 %), or what is asked now."""
        if self.priority is None or current.priority is None:
            return Fees(max(_an_eighth_more(self.most), current.most), None)
        return Fees(
            max(_an_eighth_more(self.most), current.most),
            max(_an_eighth_more(self.priority), current.priority),
        )


def current_fees(web3: Web3) -> Fees:
    """What the node asks now. Twice the base fee holds out for six full blocks (it rises by an eighth at most)."""
    base = web3.eth.get_block("latest").get("baseFeePerGas")
    price = int(web3.eth.gas_price)
    if base is None:
        return Fees(price, None)
    if price == 0:  # a chain with free gas; anvil still suggests a priority fee there
        return Fees(0, 0)
    priority = _priority(web3, price - int(base))
    return Fees(2 * int(base) + priority, priority)


def _priority(web3: Web3, rest: int) -> int:
    """Not every node has eth_maxPriorityFeePerGas; eth_gasPrice less the base fee is the same figure there."""
    try:
        return int(web3.eth._max_priority_fee())  # the public property guesses, with a warning, when it is missing
    except Web3RPCError:
        return max(rest, 0)


def _an_eighth_more(wei: int) -> int:
    return -(-wei * 9 // 8)
