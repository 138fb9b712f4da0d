"""Meter readings: what a building's meter signs after a slot."""

from __future__ import annotations

from typing import Any

from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount
from pydantic import Field

from contracts.typed_data import Domain, digest, recover, sign, typed_message
from simulation.settings import Settings

READING_FIELDS = [
    {"name": "member", "type": "uint32"},
    {"name": "slot", "type": "uint32"},
    {"name": "sequence", "type": "uint32"},
    {"name": "importRegisterWh", "type": "uint64"},
    {"name": "exportRegisterWh", "type": "uint64"},
]


class MeterReading(Settings):
    """The two registers of a meter at the end of a slot. They only rise: what a lost reading left out, the next has."""

    member: int = Field(ge=1, lt=2**32)
    """Number of the member on the contract."""
    slot: int = Field(ge=0, lt=2**32)
    """Slot at whose end the registers were read."""
    sequence: int = Field(ge=0, lt=2**32)
    """Rises with every reading of a meter, so that none counts twice."""
    import_register_wh: int = Field(ge=0, lt=2**53)
    """Energy taken from the grid since the meter was registered [Wh]"""
    export_register_wh: int = Field(ge=0, lt=2**53)
    """Energy given to the grid since the meter was registered [Wh]"""


class SignedMeterReading(Settings):
    """A reading with the meter's signature."""

    reading: MeterReading
    """What was signed."""
    signature: str = Field(pattern=r"^0x[0-9a-fA-F]{2,2048}$")
    """EIP-712 signature, 0x hex."""


def reading_tuple(reading: MeterReading) -> tuple[int, int, int, int, int]:
    """The reading in the contract's field order."""
    registers = reading.import_register_wh, reading.export_register_wh
    return reading.member, reading.slot, reading.sequence, *registers


def packed_reading(reading: MeterReading) -> int:
    """The reading as one word of a batch (Packing.sol, ReadingTerms)."""
    registers = reading.import_register_wh << 64 | reading.export_register_wh
    return reading.member << 192 | reading.slot << 160 | reading.sequence << 128 | registers


def reading_message(reading: MeterReading, domain: Domain) -> SignableMessage:
    """Typed data of a reading."""
    names = [field["name"] for field in READING_FIELDS]
    values: dict[str, Any] = dict(zip(names, reading_tuple(reading), strict=True))
    return typed_message(domain, "MeterReading", READING_FIELDS, values)


def reading_hash(reading: MeterReading, domain: Domain) -> str:
    """Identity of a reading: its EIP-712 digest, 0x hex."""
    return digest(reading_message(reading, domain))


def sign_reading(reading: MeterReading, domain: Domain, account: LocalAccount) -> SignedMeterReading:
    """Sign a reading with the meter's key."""
    return SignedMeterReading(reading=reading, signature=sign(reading_message(reading, domain), account))


def recover_reading_signer(signed: SignedMeterReading, domain: Domain) -> str:
    """Address that signed the reading. Raises SignatureError."""
    return recover(reading_message(signed.reading, domain), signed.signature)
