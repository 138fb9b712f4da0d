"""Calldata of the few transactions that a person signs, prepared from the shipped ABI."""

from __future__ import annotations

from functools import cache
from typing import Any

from web3 import Web3
from web3.contract import Contract

from contracts.deployment import Deployment
from contracts.orders import SignedOrder, order_tuple
from contracts.typed_data import on_chain
from dashboard.hub.wallet_abi import contract_interface
from simulation.settings import Settings

DEVELOPMENT_CHAINS = frozenset({1337, 31337})
"""Chain ids by which development nodes go: gas is free there, and the token is test money."""


class Call(Settings):
    """A call of one contract."""

    to: str
    """Address of the contract."""
    data: str
    """Calldata, 0x hex."""

    def transaction(self, sender: str, chain_id: int) -> dict[str, str]:
        """Parameters of `eth_sendTransaction`; the wallet fills in the rest, and refuses if it is on another chain."""
        gas = {"gasPrice": "0x0"} if chain_id in DEVELOPMENT_CHAINS else {}
        return {"from": sender, "to": self.to, "data": self.data, "value": "0x0", "chainId": hex(chain_id)} | gas

    def trial(self, sender: str) -> dict[str, str]:
        """Parameters of `eth_call`."""
        return {"from": sender, "to": self.to, "data": self.data}


@cache
def market_contract() -> type[Contract]:
    """The market's ABI as web3's contract class."""
    return Web3().eth.contract(abi=contract_interface().abi)


@cache
def token_contract() -> type[Contract]:
    """The token's ABI as web3's contract class."""
    return Web3().eth.contract(abi=contract_interface().token_abi)


def transfer_energy(deployment: Deployment, offer: SignedOrder, buyer: int, energy_wh: int) -> Call:
    """Buy `energy_wh` of a signed window offer [Wh]"""
    arguments = [order_tuple(offer.order), on_chain(offer.signature), buyer, energy_wh]
    return _market(deployment, "transferEnergy", arguments)


def deposit(deployment: Deployment, member: int, amount: int) -> Call:
    """Move approved money into a member's escrow [base units]"""
    return _market(deployment, "deposit", [member, amount])


def mint(deployment: Deployment, to: str, amount: int) -> Call:
    """Make test money [base units]"""
    return Call(to=deployment.token, data=_encode(token_contract(), "mint", [Web3.to_checksum_address(to), amount]))


def approve(deployment: Deployment, amount: int) -> Call:
    """Let the market take this much of the sender's money [base units]"""
    spender = Web3.to_checksum_address(deployment.contract)
    return Call(to=deployment.token, data=_encode(token_contract(), "approve", [spender, amount]))


def _market(deployment: Deployment, name: str, arguments: list[Any]) -> Call:
    return Call(to=deployment.contract, data=_encode(market_contract(), name, arguments))


def _encode(contract: type[Contract], name: str, arguments: list[Any]) -> str:
    return str(contract.encode_abi(name, args=arguments))
