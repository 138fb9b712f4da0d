"""What goes wrong on a chain, in words.

LedgerError             the chain cannot be used as asked
`- ContractRejected     the contract refused, by the name of its error
"""

from __future__ import annotations

from typing import Any

from eth_abi.abi import decode
from web3 import Web3
from web3.exceptions import Web3Exception, Web3RPCError

from simulation.errors import MicrogridError

Abi = list[dict[str, Any]]
NONCE_TAKEN = (
    "nonce too low",
    "nonce too high",
    "oldnonce",
    "already known",
    "alreadyknown",
    "already imported",
    "known transaction",
    "replacement",
)
"""How anvil, Geth, Besu, Nethermind, Erigon and this project's gateway say that another transaction came first."""


class LedgerError(MicrogridError):
    """The chain cannot be used as asked; the text says what was expected, what was found, and what to do."""


class ContractRejected(LedgerError):
    """The contract refused: `name` is its error, `values` what it said with it."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.name = name
        self.values = values
        listing = ", ".join(f"{key} = {value}" for key, value in values.items())
        super().__init__(f"the contract refused: {name}({listing})")


class Refusals:
    """The custom errors of some contracts, by selector."""

    def __init__(self, abis: list[Abi]) -> None:
        self._errors = _error_table(abis)

    def explain(self, error: Web3Exception) -> LedgerError:
        """A contract's custom error by name and values; anything else in the node's own words."""
        data = _revert_data(error)
        if data and data[:10] in self._errors:
            name, inputs = self._errors[data[:10]]
            values = decode([kind for _, kind in inputs], bytes.fromhex(data[10:]))
            return ContractRejected(name, dict(zip([label for label, _ in inputs], values, strict=True)))
        return LedgerError(f"the chain refused: {error}")


def is_nonce_taken(error: Web3RPCError) -> bool:
    """Whether a node refused a transaction only because of its nonce."""
    return any(words in str(error).lower() for words in NONCE_TAKEN)


def _revert_data(error: Web3Exception) -> str | None:
    data = getattr(error, "data", None)
    if data is None and isinstance(error, Web3RPCError) and error.rpc_response:
        data = error.rpc_response.get("error", {}).get("data")
    return data if isinstance(data, str) and data.startswith("0x") else None


def _error_table(abis: list[Abi]) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Selector -> name and inputs of every custom error."""
    table = {}
    for entry in (entry for abi in abis for entry in abi if entry["type"] == "error"):
        inputs = [(item["name"], item["type"]) for item in entry["inputs"]]
        signature = f"{entry['name']}({','.join(kind for _, kind in inputs)})"
        table["0x" + bytes(Web3.keccak(text=signature)[:4]).hex()] = (entry["name"], inputs)
    return table
