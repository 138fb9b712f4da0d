"""The dialog in which a person chooses how much of an offer to buy."""

from __future__ import annotations

import streamlit as st

from contracts.deployment import Deployment
from contracts.orders import SignedOrder
from contracts.sender import LedgerError
from contracts.units import cost_rounded_up, from_base_units
from dashboard import chain_data, hub_data, layout
from dashboard.hub.records import OfferEntry
from dashboard.wallet.flows import buy
from dashboard.wallet.panel import member_of
from dashboard.wallet.session import wallet_session

CHOSEN = "offer to buy"


def choose(offer: OfferEntry) -> None:
    """Remember the offer and open the dialog in the next run of the page."""
    st.session_state[CHOSEN] = offer.order_hash
    st.rerun()


def open_chosen(deployment: Deployment) -> None:
    """Open the dialog when an offer was chosen; call it outside fragments."""
    order_hash = st.session_state.pop(CHOSEN, None)
    if order_hash is None:
        return
    offer = next((offer for offer in hub_data.offers() if offer.order_hash == order_hash), None)
    if offer is None:
        st.toast("This offer is gone; choose another.")
        return
    purchase_dialog(deployment, offer)


@st.dialog("Buy energy")
def purchase_dialog(deployment: Deployment, offer: OfferEntry) -> None:
    """How much, what it costs, and what is missing before one can buy."""
    price, fee = offer.order.limit_price, deployment.grid_fee
    unit = f"{deployment.currency}/kWh"
    seller = layout.plain(offer.seller_name)
    st.markdown(f"**{seller}** sells at **{from_base_units(price):.3f} {unit}**, {offer.remaining_wh} Wh left.")
    if fee:
        st.markdown(f"The grid fee of {from_base_units(fee):.3f} {unit} comes on top.")
    most = offer.remaining_wh
    energy_wh = int(
        st.number_input("Energy [Wh]", min_value=1, max_value=most, value=min(most, 500), step=min(most, 100))
    )
    cost = cost_rounded_up(energy_wh, price + fee)
    st.metric("You pay", f"{from_base_units(cost):.4f} {deployment.currency}")
    obstacle = _obstacle(deployment, cost)
    if obstacle:
        st.warning(obstacle, icon=":material/info:")
    if st.button("Buy", type="primary", disabled=obstacle is not None, width="stretch"):
        _start(deployment, offer, energy_wh)
        st.rerun()


def _obstacle(deployment: Deployment, cost: int) -> str | None:
    """Why this viewer cannot buy now; None when nothing is in the way."""
    session = wallet_session()
    member = member_of(session.account)
    if session.account is None:
        return "Connect your wallet first (on the right of this page)."
    if session.chain_id != deployment.chain_id:
        return "Your wallet is on another chain: switch it in the wallet card first."
    if member is None or not member.registered:
        return "Join as guest first and wait until the operator has registered you."
    if session.busy:
        return "Your wallet is still busy with the last request."
    try:
        escrow = chain_data.balance(deployment, member.number).escrow
    except LedgerError as error:
        return f"The chain does not answer: {error}"
    return (
        None
        if escrow >= cost
        else f"Only {from_base_units(escrow):.2f} {deployment.currency} in escrow: get test money first."
    )


def _start(deployment: Deployment, offer: OfferEntry, energy_wh: int) -> None:
    session = wallet_session()
    member = member_of(session.account)
    if session.account is None or member is None:
        return
    signed = SignedOrder(order=offer.order, signature=offer.signature)
    session.start(buy(deployment, session.account, member.number, signed, energy_wh))
