"""A market of which nothing but the address is known, described from the chain."""

from __future__ import annotations

from web3 import Web3
from web3.exceptions import Web3Exception

from contracts.deployment import Deployment, abi_of
from contracts.sender import LedgerError, connect
from contracts.views import Call, Views

RULES = ("token", "priceCap", "gridFee", "settlementWindow", "slotSeconds")


def market_at(
    rpc_url: str, chain_id: int, contract: str, first_block: int, slot_minutes: int, currency: str
) -> Deployment:
    """The market at an address; slot length and currency are not on the chain. Raises LedgerError."""
    web3 = connect(rpc_url, chain_id)
    if not Web3.is_address(contract):
        raise LedgerError(f"{contract} is no address; it has 0x and 40 hex digits")
    address = Web3.to_checksum_address(contract)
    try:
        if not web3.eth.get_code(address):
            raise LedgerError(f"no contract at {address} on the chain at {rpc_url}; check --contract and --rpc-url")
    except Web3Exception as error:
        raise LedgerError(f"the chain refused: {error}") from error
    calls: list[Call] = [*((name, ()) for name in RULES), ("tariffAt", (0,))]
    (token,), (cap,), (fee,), (window,), (seconds,), tariff = Views(web3, address, abi_of("SmartMicrogrid")).ask(calls)
    return Deployment(
        chain_id=chain_id,
        rpc_url=rpc_url,
        contract=address,
        token=Web3.to_checksum_address(token),
        deployed_block=first_block,
        retail_price=tariff[0],
        feed_in_price=tariff[1],
        price_cap=cap,
        grid_fee=fee,
        settlement_window_slots=window,
        slot_minutes=slot_minutes,
        slot_seconds=seconds,
        currency=currency,
    )
