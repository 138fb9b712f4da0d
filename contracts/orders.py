"""Orders: what a member signs to buy or to sell energy in one slot."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount
from pydantic import Field

from contracts.typed_data import Domain, digest, recover, sign, typed_message
from simulation.settings import Settings

ORDER_FIELDS = [
    {"name": "member", "type": "uint32"},
    {"name": "slot", "type": "uint32"},
    {"name": "side", "type": "uint8"},
    {"name": "energyWh", "type": "uint64"},
    {"name": "limitPrice", "type": "uint96"},
    {"name": "expirySlot", "type": "uint32"},
    {"name": "salt", "type": "uint64"},
]


class Side(IntEnum):
    """Direction of an order, with the contract's numbers."""

    BUY = 0
    SELL = 1


class Order(Settings):
    """A limit order. In the auction `expiry_slot` equals `slot`; an offer of delivered energy expires later."""

    member: int = Field(ge=1, lt=2**32)
    """Number of the member on the contract."""
    slot: int = Field(ge=0, lt=2**32)
    """Slot of the energy."""
    side: Side
    """Buy or sell."""
    energy_wh: int = Field(ge=1, lt=2**53)
    """Most energy to trade [Wh]"""
    limit_price: int = Field(ge=0, lt=2**53)
    """Highest price to pay, grid fee included; lowest to accept [base units/kWh]"""
    expiry_slot: int = Field(ge=0, lt=2**32)
    """Last slot in which the order may be filled."""
    salt: int = Field(ge=0, lt=2**53)
    """Makes otherwise equal orders different."""


class SignedOrder(Settings):
    """An order with its owner's signature."""

    order: Order
    """What was signed."""
    signature: str = Field(pattern=r"^0x[0-9a-fA-F]{2,2048}$")
    """EIP-712 signature, 0x hex."""


def order_tuple(order: Order) -> tuple[int, int, int, int, int, int, int]:
    """The order in the contract's field order."""
    side = int(order.side)
    return order.member, order.slot, side, order.energy_wh, order.limit_price, order.expiry_slot, order.salt


def packed_terms(order: Order) -> int:
    """An auction order as one word of a settlement (Packing.sol, OrderTerms)."""
    return order.member << 224 | order.energy_wh << 160 | order.limit_price << 64 | order.salt


def order_message(order: Order, domain: Domain) -> SignableMessage:
    """Typed data of an order."""
    names = [field["name"] for field in ORDER_FIELDS]
    values: dict[str, Any] = dict(zip(names, order_tuple(order), strict=True))
    return typed_message(domain, "Order", ORDER_FIELDS, values)


def order_hash(order: Order, domain: Domain) -> str:
    """Identity of an order: its EIP-712 digest, 0x hex."""
    return digest(order_message(order, domain))


def sign_order(order: Order, domain: Domain, account: LocalAccount) -> SignedOrder:
    """Sign an order with the owner's wallet."""
    return SignedOrder(order=order, signature=sign(order_message(order, domain), account))


def recover_order_signer(signed: SignedOrder, domain: Domain) -> str:
    """Address that signed the order. Raises SignatureError."""
    return recover(order_message(signed.order, domain), signed.signature)
