"""EIP-712: what members sign, bound to one chain and one contract."""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, _hash_eip191_message, encode_typed_data
from eth_account.signers.local import LocalAccount
from pydantic import Field

from simulation.errors import MicrogridError
from simulation.settings import Settings

Fields = list[dict[str, str]]
SIGNATURE_BYTES = 65
HIGHEST_BIT = 0x80


class SignatureError(MicrogridError):
    """A signature that is not one; the text says what was found."""


class Domain(Settings):
    """Chain and contract for which a signature counts."""

    chain_id: int = Field(gt=0)
    """Id of the chain."""
    contract: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")
    """Address of the SmartMicrogrid contract."""


def digest(message: SignableMessage) -> str:
    """The EIP-712 digest as 0x hex: the identity of an order or a reading."""
    return "0x" + bytes(_hash_eip191_message(message)).hex()


def typed_message(domain: Domain, name: str, fields: Fields, values: dict[str, Any]) -> SignableMessage:
    """Typed data of one struct, as the contract hashes it."""
    separator = {
        "name": "SmartMicrogrid",
        "version": "1",
        "chainId": domain.chain_id,
        "verifyingContract": domain.contract,
    }
    return encode_typed_data(separator, {name: fields}, values)


def sign(message: SignableMessage, account: LocalAccount) -> str:
    """65-byte signature as 0x hex."""
    return "0x" + bytes(account.sign_message(message).signature).hex()


def compact(signature: str) -> tuple[bytes, bytes]:
    """A 65-byte signature as the contract takes it (EIP-2098): r, and s with v in its highest bit.

    Raises SignatureError when it is not one of a plain key.
    """
    raw = bytes.fromhex(signature.removeprefix("0x"))
    if len(raw) != SIGNATURE_BYTES or raw[64] not in (0, 1, 27, 28) or raw[32] >= HIGHEST_BIT:
        raise SignatureError(f"not a signature of a plain key: {signature[:20]}... ({len(raw)} bytes)")
    s = bytes([raw[32] | (HIGHEST_BIT if raw[64] in (1, 28) else 0)]) + raw[33:64]
    return raw[:32], s


def is_of_plain_key(signature: str) -> bool:
    """Whether a signature has the form of a plain key's; all others are contract wallets'."""
    try:
        compact(signature)
    except SignatureError:
        return False
    return True


def on_chain(signature: str) -> bytes:
    """A signature as `transferEnergy` takes it: a plain key's in 64 bytes, a contract wallet's as it is."""
    raw = bytes.fromhex(signature.removeprefix("0x"))
    return b"".join(compact(signature)) if len(raw) == SIGNATURE_BYTES else raw


def recover(message: SignableMessage, signature: str) -> str:
    """Address that signed. Raises SignatureError when the bytes are no signature."""
    try:
        return str(Account.recover_message(message, signature=signature))
    except Exception as error:  # eth_account, eth_keys and coincurve each raise their own kinds
        raise SignatureError(f"not a valid signature: {signature[:20]}... ({error})") from error
