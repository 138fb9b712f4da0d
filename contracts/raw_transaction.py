"""What a signed transaction says about itself, read without a node: sender, nonce, gas."""

from __future__ import annotations

from typing import Any, NamedTuple

import rlp
from coincurve import PublicKey
from eth_utils.crypto import keccak

from contracts.anvil import ChainError
from contracts.gas import MAX_GAS

GAS_FIELD = {1: 3, 2: 4}
"""Place of the gas limit in the typed transactions that are served (EIP-2930, EIP-1559)."""
FIELDS = {1: 11, 2: 12}
"""Number of fields of a signed transaction of each type."""
UNTYPED_FIELDS = 9
FIRST_LIST = 0xC0
"""An untyped transaction is an RLP list and starts with this or more; below is a type (EIP-2718)."""


class NotServed(ChainError):
    """The gateway does not take this transaction; the text says why."""


class RawTransaction(NamedTuple):
    """A signed transaction."""

    raw: str
    """As it was sent, 0x hex."""
    tx_hash: str
    """Its identity on every chain, 0x hex."""
    sender: str
    """Address that signed it, 0x hex in lower case."""
    nonce: int
    """Place among the sender's transactions."""
    gas: int
    """Gas limit."""


def read_transaction(raw: str) -> RawTransaction:
    """Decode a signed transaction. Raises NotServed when that fails, or for another type, or for too much gas."""
    try:
        data = bytes.fromhex(raw.removeprefix("0x"))
        kind = data[0] if data[0] < FIRST_LIST else None
        if kind is not None and kind not in FIELDS:
            raise NotServed(f"transactions of type {kind} are not served here; send an EIP-1559 one (type 2)")
        transaction = _read(raw, data, kind)
    except (ValueError, IndexError, TypeError, rlp.exceptions.RLPException) as error:
        raise NotServed(f"this is not a signed transaction ({error})") from error
    if transaction.gas > MAX_GAS:
        raise NotServed(f"the transaction's gas limit {transaction.gas} is above {MAX_GAS}; split it")
    return transaction


def _read(raw: str, data: bytes, kind: int | None) -> RawTransaction:
    fields = rlp.decode(data if kind is None else data[1:])
    if len(fields) != (UNTYPED_FIELDS if kind is None else FIELDS[kind]):
        raise ValueError(f"{len(fields)} fields")
    message, parity = _unsigned(fields) if kind is None else _unsigned_typed(kind, fields)
    signature = fields[-2].rjust(32, b"\0") + fields[-1].rjust(32, b"\0") + bytes([parity])
    key = PublicKey.from_signature_and_message(signature, keccak(message), hasher=None)
    return RawTransaction(
        raw=raw,
        tx_hash="0x" + keccak(data).hex(),
        sender="0x" + keccak(key.format(compressed=False)[1:])[-20:].hex(),
        nonce=_integer(fields[0 if kind is None else 1]),
        gas=_integer(fields[2 if kind is None else GAS_FIELD[kind]]),
    )


def _unsigned(fields: list[Any]) -> tuple[bytes, int]:
    """What was signed and the parity of the signature, with the chain id within (EIP-155) or without."""
    v = _integer(fields[6])
    if v in (27, 28):
        return rlp.encode(fields[:6]), v - 27
    chain_id, parity = divmod(v - 35, 2)
    return rlp.encode([*fields[:6], chain_id, b"", b""]), parity


def _unsigned_typed(kind: int, fields: list[Any]) -> tuple[bytes, int]:
    return bytes([kind]) + rlp.encode(fields[:-3]), _integer(fields[-3])


def _integer(field: bytes) -> int:
    return int.from_bytes(field, "big")
