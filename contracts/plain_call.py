"""Calls of the contract with long arguments, encoded without web3's checks of each value, which take seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.abi import function_abi_to_4byte_selector
from web3.types import TxParams


@dataclass(frozen=True)
class PlainCall:
    """A call that a Sender sends when it is told the gas limit."""

    to: str
    """Address of the contract."""
    data: bytes
    """Selector and arguments."""

    def build_transaction(self, fields: TxParams) -> TxParams:
        """The transaction's fields with this call in it, as web3's contract functions make them."""
        return {**fields, "to": self.to, "data": self.data, "value": 0}  # type: ignore[typeddict-item]  # web3 takes plain text and numbers


def plain_call(address: str, abi: Sequence[dict[str, Any]], name: str, arguments: Sequence[Any]) -> PlainCall:
    """The call of function `name`; arguments must have the ABI's very types. Raises eth_abi's EncodingError."""
    entry = next(entry for entry in abi if entry["type"] == "function" and entry["name"] == name)
    types = [_type(one) for one in entry["inputs"]]
    return PlainCall(address, function_abi_to_4byte_selector(entry) + encode(types, arguments))  # type: ignore[arg-type]  # an ABI as JSON


def _type(one: dict[str, Any]) -> str:
    """The type as eth_abi writes it: structs by their fields."""
    if not one["type"].startswith("tuple"):
        return str(one["type"])
    fields = ",".join(_type(part) for part in one["components"])
    return f"({fields}){one['type'].removeprefix('tuple')}"
