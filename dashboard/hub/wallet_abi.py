"""The part of the contracts' ABI that a wallet page calls, taken from the shipped artifacts."""

from __future__ import annotations

from functools import cache
from typing import Any

from contracts.deployment import abi_of
from dashboard.hub.records import ContractInterface

MARKET_FUNCTIONS = frozenset({"transferEnergy", "deposit", "escrowOf", "storedEnergy", "memberOf", "currentSlot"})
TOKEN_FUNCTIONS = frozenset({"mint", "approve", "allowance", "balanceOf", "decimals", "symbol"})


@cache
def contract_interface() -> ContractInterface:
    """ABI of the market and of its token: what the page calls, all errors, and the trade event."""
    return ContractInterface(
        abi=_part("SmartMicrogrid", MARKET_FUNCTIONS, frozenset({"EnergyTransferred"})),
        token_abi=_part("TestToken", TOKEN_FUNCTIONS, frozenset()),
    )


def _part(name: str, functions: frozenset[str], events: frozenset[str]) -> list[dict[str, Any]]:
    return [entry for entry in abi_of(name) if _is_wanted(entry, functions, events)]


def _is_wanted(entry: dict[str, Any], functions: frozenset[str], events: frozenset[str]) -> bool:
    name, kind = entry.get("name"), entry["type"]
    return kind == "error" or (kind == "function" and name in functions) or (kind == "event" and name in events)
