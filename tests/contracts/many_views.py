"""Hundreds of views of a contract in one question to the node: code that asks them all, called and never deployed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from web3 import Web3

from contracts.deployment import abi_of
from contracts.ledger import Ledger

View = tuple[str, tuple[int, ...]]
"""Name and arguments of a view whose answer consists of whole words."""
WORD = 32
ANSWERS_AT = 0x200
MSTORE, POP, GAS, RETURN, STATICCALL = b"\x52", b"\x50", b"\x5a", b"\xf3", b"\xfa"
PUSH2, PUSH20, PUSH32 = b"\x61", b"\x73", b"\x7f"


def ask_all(ledger: Ledger, views: Mapping[View, int]) -> dict[View, tuple[int, ...]]:
    """The answers, as signed words; `views` says of how many words each consists."""
    code, place = b"", ANSWERS_AT
    for (name, arguments), words in views.items():
        data = _selector(name) + b"".join(argument.to_bytes(WORD, "big") for argument in arguments)
        code += _ask(ledger.deployment.contract, data, place, words * WORD)
        place += words * WORD
    code += _push(place - ANSWERS_AT) + _push(ANSWERS_AT) + RETURN
    question: Any = {"data": "0x" + code.hex()}
    answer = bytes(ledger._sender.query(lambda: ledger._web3.eth.call(question)))
    assert len(answer) == place - ANSWERS_AT
    found = [int.from_bytes(answer[at : at + WORD], "big", signed=True) for at in range(0, len(answer), WORD)]
    return dict(zip(views, _grouped(found, list(views.values())), strict=True))


@cache
def _selector(name: str) -> bytes:
    (entry,) = (entry for entry in abi_of("SmartMicrogrid") if entry.get("name") == name)
    return bytes(Web3.keccak(text=f"{name}({','.join(item['type'] for item in entry['inputs'])})")[:4])


def _ask(contract: str, data: bytes, place: int, size: int) -> bytes:
    """Code that calls `contract` with `data` and puts `size` bytes of the answer into memory at `place`."""
    padded = data + bytes(-len(data) % WORD)
    code = b""
    for at in range(0, len(padded), WORD):
        code += PUSH32 + padded[at : at + WORD] + _push(at) + MSTORE
    code += _push(size) + _push(place) + _push(len(data)) + _push(0)
    return code + PUSH20 + bytes.fromhex(contract[2:]) + GAS + STATICCALL + POP


def _push(number: int) -> bytes:
    return PUSH2 + number.to_bytes(2, "big")


def _grouped(numbers: Sequence[int], sizes: Sequence[int]) -> list[tuple[int, ...]]:
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    return [tuple(numbers[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
