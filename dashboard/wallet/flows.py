"""What a person does with a wallet, each as a flow of requests: switch the chain, get test money, buy energy."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from contracts.deployment import Deployment
from contracts.events import EnergyTransfer
from contracts.orders import SignedOrder
from contracts.sender import LedgerError
from contracts.units import from_base_units
from dashboard import chain_data, hub_data
from dashboard.wallet import calls
from dashboard.wallet.refusals import explain, is_unknown_chain
from dashboard.wallet.requests import Flow, Purchased, RefusedError, WalletError, WalletRequest

RECEIPT_POLL_S = 0.5
SUCCESS = "0x1"
Steps = Generator[WalletRequest, Any, Any]


def switch_chain(deployment: Deployment, name: str) -> Flow:
    """Bring the wallet to the community's chain, telling it about the chain when it does not know it."""
    chain_id = hex(deployment.chain_id)
    switch = WalletRequest(
        method="wallet_switchEthereumChain", params=({"chainId": chain_id},), doing="Allow the switch in your wallet"
    )
    try:
        yield switch
    except WalletError as error:
        if not is_unknown_chain(error):
            raise
        currency = {"name": "Ether", "symbol": "ETH", "decimals": 18}
        chain = {"chainId": chain_id, "chainName": name, "nativeCurrency": currency, "rpcUrls": [deployment.rpc_url]}
        yield WalletRequest(
            method="wallet_addEthereumChain", params=(chain,), doing="Allow the new network in your wallet"
        )
        yield switch
    return Purchased(text=f"Your wallet is on {name}")


def get_test_money(deployment: Deployment, account: str, member: int, amount: int) -> Flow:
    """Mint test money, allow the market to take it, and put it into the member's escrow [base units]"""
    steps = (
        ("step 1 of 3, make test money", calls.mint(deployment, account, amount)),
        ("step 2 of 3, allow the market to take it", calls.approve(deployment, amount)),
        ("step 3 of 3, put it into your escrow", calls.deposit(deployment, member, amount)),
    )
    tx_hash = None
    for doing, call in steps:
        tx_hash = yield from _transact(call, deployment, account, f"Confirm in your wallet: {doing}")
    chain_data.balance.clear()
    text = f"{from_base_units(amount):.2f} {deployment.currency} of test money are in your escrow"
    return Purchased(text=text, tx_hash=tx_hash)


def buy(deployment: Deployment, account: str, member: int, offer: SignedOrder, energy_wh: int) -> Flow:
    """Buy delivered energy from a neighbour: try, sign, await the receipt, log the trade in the hub."""
    call = calls.transfer_energy(deployment, offer, member, energy_wh)
    doing = f"Confirm the purchase of {energy_wh} Wh in your wallet"
    tx_hash = yield from _transact(call, deployment, account, doing, remember=True)
    return _log(deployment, tx_hash)


def finish_purchase(deployment: Deployment, tx_hash: str) -> Flow:
    """A purchase that was sent before this page was opened: await its receipt and log it."""
    receipt = yield from _receipt(tx_hash)
    if receipt.get("status") != SUCCESS:
        raise RefusedError("the contract refused an earlier purchase; nothing was paid", forget=tx_hash)
    return _log(deployment, tx_hash)


def _transact(call: calls.Call, deployment: Deployment, account: str, doing: str, *, remember: bool = False) -> Steps:
    """Try the call first, so that a refusal has words and costs nothing; then send it and await the receipt."""
    trial = call.trial(account)
    yield WalletRequest(method="eth_call", params=(trial, "latest"), doing="Checking …")
    transaction = call.transaction(account, deployment.chain_id)
    tx_hash = yield WalletRequest(method="eth_sendTransaction", params=(transaction,), doing=doing, remember=remember)
    receipt = yield from _receipt(tx_hash)
    if receipt.get("status") != SUCCESS:
        reason = yield from _reason(trial)
        raise RefusedError(f"the contract refused the transaction {tx_hash}: {reason}", forget=tx_hash)
    return tx_hash


def _reason(trial: dict[str, str]) -> Steps:
    try:
        yield WalletRequest(method="eth_call", params=(trial, "latest"), doing="Asking why …")
    except WalletError as error:
        return explain(error)
    return "somebody was faster; try again"


def _receipt(tx_hash: str) -> Steps:
    receipt = yield WalletRequest(
        method="eth_getTransactionReceipt",
        params=(tx_hash,),
        doing=f"Waiting for the receipt of {tx_hash[:10]}…",
        poll_s=RECEIPT_POLL_S,
    )
    return receipt


def _log(deployment: Deployment, tx_hash: str) -> Purchased:
    """Read the transfers from the chain and give them to the hub, which checks them again."""
    try:
        transfers = chain_data.transfers_in(deployment, tx_hash)
        hub_data.report_trades(transfers)
    except (LedgerError, hub_data.HubAwayError, hub_data.HubRefusedError) as error:
        raise RefusedError(
            f"you bought the energy (transaction {tx_hash}), but the hub has not logged it yet: {error}"
        ) from error
    chain_data.balance.clear()
    return Purchased(text=_receipt_text(deployment, transfers), tx_hash=tx_hash, logged=True)


def _receipt_text(deployment: Deployment, transfers: list[EnergyTransfer]) -> str:
    energy_wh = sum(transfer.energy_wh for transfer in transfers)
    cost = from_base_units(sum(transfer.cost for transfer in transfers))
    return f"You bought {energy_wh} Wh for {cost:.4f} {deployment.currency}; the trade is logged"


def words_for(error: RefusedError | WalletError) -> str:
    """What the person reads when a flow ends badly."""
    return explain(error) if isinstance(error, WalletError) else str(error)
