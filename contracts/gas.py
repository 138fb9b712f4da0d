"""How much gas transactions may use, and what is sent at once so that they do not use more."""

from __future__ import annotations

MAX_GAS = 16_777_216
"""Most gas of a transaction on real chains (EIP-7825)"""
GAS_BASE, GAS_ORDER, GAS_FILL, GAS_WALLET = 150_000, 25_000, 45_000, 130_000
"""More than a settlement, an order, a fill (with collateral and audit entry), a contract wallet's check can cost;
tests/contracts/solidity/Fitting.t.sol measures it."""
GAS_READING = 50_000
"""More than a meter reading can cost."""
READINGS_AT_ONCE, CLOSED_AT_ONCE = 300, 200
"""Meter readings, and members netted with the utility, that fit in a transaction whatever they cost."""


def settlement_gas(orders: int, fills: int, wallet_signatures: int) -> int:
    """A gas limit for a settlement: more than it can cost. What is not used is not paid for."""
    return GAS_BASE + GAS_ORDER * orders + GAS_FILL * fills + GAS_WALLET * wallet_signatures
