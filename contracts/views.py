"""Many views of a contract in one request, encoded here: web3 takes milliseconds for each, an audit asks thousands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from web3 import Web3
from web3.providers import JSONBaseProvider
from web3.types import RPCEndpoint

from contracts.refusals import Abi, LedgerError

Call = tuple[str, tuple[Any, ...]]
"""Name of a view, and its arguments."""
Shape = tuple[bytes, list[str], list[str]]
"""Selector, types of the arguments, types of the answer."""


class Views:
    """The views of one contract."""

    def __init__(self, web3: Web3, address: str, abi: Abi) -> None:
        self._web3 = web3
        self._address = address
        self._shapes = {entry["name"]: _shape(entry) for entry in abi if entry.get("stateMutability") == "view"}

    def ask(self, calls: Sequence[Call]) -> list[tuple[Any, ...]]:
        """The fields of each answer, bytes as 0x hex, addresses in small letters.

        Raises LedgerError or requests.RequestException.
        """
        requests = [(RPCEndpoint("eth_call"), [self._transaction(*call), "latest"]) for call in calls]
        provider = cast(JSONBaseProvider, self._web3.provider)
        answers: Any = provider.make_batch_request(requests) if requests else []
        if not isinstance(answers, list):
            raise LedgerError(f"the chain refused {len(calls)} questions in one request: {_reason(answers)}")
        return [self._fields(name, answer) for (name, _), answer in zip(calls, answers, strict=True)]

    def _transaction(self, name: str, arguments: tuple[Any, ...]) -> dict[str, str]:
        selector, inputs, _ = self._shapes[name]
        values = [
            bytes.fromhex(one[2:]) if kind == "bytes32" else one for kind, one in zip(inputs, arguments, strict=True)
        ]
        return {"to": self._address, "data": "0x" + (selector + encode(inputs, values)).hex()}

    def _fields(self, name: str, answer: Any) -> tuple[Any, ...]:
        if "error" in answer:
            raise LedgerError(f"the chain refused {name}: {_reason(answer)}")
        outputs = self._shapes[name][2]
        try:
            values = decode(outputs, bytes.fromhex(answer["result"][2:]))
        except DecodingError as error:
            raise LedgerError(
                f"{self._address} does not answer {name} as SmartMicrogrid does ({error}); "
                "check the contract's address, and that it is of this version"
            ) from error
        return tuple("0x" + value.hex() if isinstance(value, bytes) else value for value in values)


def _shape(entry: dict[str, Any]) -> Shape:
    """A struct that is the only answer is static here, so it is encoded as its fields are."""
    inputs = [item["type"] for item in entry["inputs"]]
    outputs = entry["outputs"]
    if len(outputs) == 1 and outputs[0]["type"] == "tuple":
        outputs = outputs[0]["components"]
    signature = f"{entry['name']}({','.join(inputs)})"
    return bytes(Web3.keccak(text=signature)[:4]), inputs, [item["type"] for item in outputs]


def _reason(answer: Any) -> str:
    error = cast(dict[str, Any], answer).get("error", answer)
    return str(error.get("message", error) if isinstance(error, dict) else error)
