"""Putting the market on a chain: which contract, which token, which tariffs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from pydantic import Field
from web3 import Web3

from contracts.sender import LedgerError, Sender, connect
from contracts.settings import ChainConfig, MarketConfig
from contracts.units import TOKEN_DECIMALS, to_base_units
from simulation.settings import Settings

UTILITY = 0
UTILITY_FUNDS = 1_000_000.0
"""Test money in the utility's escrow on a development chain [currency]"""
SECONDS_PER_HOUR = 3600


class Deployment(Settings):
    """A market that exists on a chain; the operator announces it through the hub."""

    chain_id: int = Field(gt=0)
    """Id of the chain."""
    rpc_url: str
    """JSON-RPC address of the node."""
    contract: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")
    """Address of SmartMicrogrid."""
    token: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")
    """Address of the payment token."""
    test_token: bool = True
    """Whether anyone may mint the token: play money."""
    deployed_block: int = Field(ge=0)
    """Block of the deployment: events are read from here."""
    retail_price: int = Field(gt=0)
    """The utility's price of energy where it posts no other for a slot [base units/kWh]"""
    feed_in_price: int = Field(ge=0)
    """What the utility pays for energy where it posts no other for a slot [base units/kWh]"""
    price_cap: int = Field(gt=0)
    """The utility can never charge more [base units/kWh]"""
    grid_fee: int = Field(ge=0)
    """Paid by the buyer of local energy to the utility [base units/kWh]"""
    settlement_window_slots: int = Field(ge=1)
    """Slots that the settlement window stays open [1]"""
    slot_minutes: int = Field(ge=1, le=60)
    """Length of a slot [simulated minutes]"""
    slot_seconds: int = Field(ge=0)
    """Shortest wall time of a slot that the contract's clock allows; 0 for any [s]"""
    currency: str
    """Name of the money, for display."""


@cache
def load_artifact(name: str) -> dict[str, Any]:
    """A shipped artifact: `abi`, `bytecode`, `deployed_bytecode`, `storage_layout`, `compiler`, `source_hash`."""
    path = Path(__file__).parent / "artifacts" / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def abi_of(name: str) -> list[dict[str, Any]]:
    """Interface of a shipped contract."""
    return list(load_artifact(name)["abi"])


def deploy(
    chain: ChainConfig,
    market: MarketConfig,
    slot_minutes: int,
    first_slot: int,
    operator: LocalAccount,
    slot_seconds: int = 0,
) -> Deployment:
    """Deploy the market, on a new test token with which the utility's escrow is funded, or on `chain.token_address`.

    The contract refuses a clock that runs faster than a slot in `slot_seconds` of wall time; 0 allows any.
    Raises LedgerError when the chain is away, is another one, or refuses.
    """
    web3 = connect(chain.rpc_url, chain.chain_id)
    sender = Sender(web3, operator, [abi_of("SmartMicrogrid"), abi_of("TestToken")], chain.sending)
    token_at = chain.token_address or _create(web3, sender, "TestToken")[0]
    _check_decimals(web3, sender, token_at)
    rules = _rules(market, token_at, operator.address, first_slot, slot_seconds)
    contract_at, block = _create(web3, sender, "SmartMicrogrid", rules)
    if chain.token_address is None:
        _fund_utility(web3, sender, token_at, contract_at)
    return Deployment(
        chain_id=chain.chain_id,
        rpc_url=chain.rpc_url,
        contract=contract_at,
        token=token_at,
        test_token=chain.token_address is None,
        deployed_block=block,
        retail_price=to_base_units(market.retail_per_kwh),
        feed_in_price=to_base_units(market.feed_in_per_kwh),
        price_cap=to_base_units(market.price_cap_per_kwh),
        grid_fee=to_base_units(market.grid_fee_per_kwh),
        settlement_window_slots=market.settlement_window_slots,
        slot_minutes=slot_minutes,
        slot_seconds=slot_seconds,
        currency=market.currency,
    )


def _check_decimals(web3: Web3, sender: Sender, token_at: str) -> None:
    address = Web3.to_checksum_address(token_at)
    if not sender.query(lambda: web3.eth.get_code(address)):
        raise LedgerError(f"chain.token_address = {token_at}: there is no contract; name an ERC-20 token of this chain")
    token = web3.eth.contract(address, abi=abi_of("TestToken"))
    decimals = sender.read(token.functions.decimals())
    if decimals != TOKEN_DECIMALS:
        raise LedgerError(
            f"the token at {token_at} has {decimals} decimals; this version counts money with {TOKEN_DECIMALS}, "
            "as common euro and dollar tokens do"
        )


def packed_tariff(retail_price: int, feed_in_price: int) -> int:
    """A tariff as one word (Packing.sol, Tariff)."""
    return retail_price << 96 | feed_in_price


def _rules(market: MarketConfig, token: str, admin: str, first_slot: int, slot_seconds: int) -> tuple[Any, ...]:
    """The contract's Rules. Without a utility's wallet its owner is a key that nobody keeps."""
    return (
        token,
        admin,
        round(market.admin_delay_hours * SECONDS_PER_HOUR),
        market.utility_wallet or Account.create().address,
        to_base_units(market.price_cap_per_kwh),
        to_base_units(market.grid_fee_per_kwh),
        market.settlement_window_slots,
        first_slot,
        slot_seconds,
        market.audit_batches,
        packed_tariff(to_base_units(market.retail_per_kwh), to_base_units(market.feed_in_per_kwh)),
    )


def _create(web3: Any, sender: Sender, name: str, *arguments: Any) -> tuple[str, int]:
    artifact = load_artifact(name)
    factory = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    receipt = sender.send(factory.constructor(*arguments))
    return str(receipt["contractAddress"]), int(receipt["blockNumber"])


def _fund_utility(web3: Any, sender: Sender, token_at: str, contract_at: str) -> None:
    token = web3.eth.contract(token_at, abi=abi_of("TestToken"))
    contract = web3.eth.contract(contract_at, abi=abi_of("SmartMicrogrid"))
    amount = to_base_units(UTILITY_FUNDS)
    sender.send(token.functions.mint(sender.account.address, amount))
    sender.send(token.functions.approve(contract_at, amount))
    sender.send(contract.functions.deposit(UTILITY, amount))
