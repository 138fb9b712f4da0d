"""The wallet card: who is connected, what is in escrow, and the next thing to do."""

from __future__ import annotations

import streamlit as st

from contracts.deployment import Deployment
from contracts.sender import LedgerError
from contracts.units import from_base_units, to_base_units
from dashboard import chain_data, hub_data
from dashboard.hub.records import MemberEntry
from dashboard.wallet.calls import DEVELOPMENT_CHAINS
from dashboard.wallet.component import mount
from dashboard.wallet.flows import finish_purchase, get_test_money, switch_chain
from dashboard.wallet.session import WalletSession, wallet_session

TEST_MONEY = 50.0
"""What one click on "Get test money" gives [currency]"""


def wallet_card(deployment: Deployment) -> None:
    """The whole card; call it inside a fragment that runs every few seconds."""
    session = wallet_session()
    st.markdown("##### Wallet")
    says = mount(session, deployment)
    session.see(says.wallet)
    resumed = session.resume(says.pending, lambda tx_hash: finish_purchase(deployment, tx_hash))
    if session.answer(says.answer) or resumed:
        st.rerun(scope="app" if not session.busy else "fragment")
    if (says.wallet or {}).get("problem"):
        st.warning(f"The wallet was not connected: {(says.wallet or {})['problem']}", icon=":material/block:")
    if session.account is None:
        st.caption("Connect a wallet to buy energy that your neighbours have delivered.")
    else:
        _connected(session, deployment, session.account)
    _progress(session)


def member_of(account: str | None) -> MemberEntry | None:
    """The member that a wallet's account owns."""
    if account is None:
        return None
    return next((member for member in hub_data.members() if member.owner.lower() == account.lower()), None)


def _connected(session: WalletSession, deployment: Deployment, account: str) -> None:
    st.markdown(f"`{account[:8]}…{account[-6:]}`", help=account)
    if session.chain_id != deployment.chain_id:
        _wrong_chain(session, deployment)
        return
    member = member_of(account)
    if member is None:
        _join(account)
    elif not member.registered:
        st.info(
            f"You are member {member.number}. Waiting until the operator has registered you on the contract …",
            icon=":material/hourglass_top:",
        )
    else:
        _member(session, deployment, account, member)


def _wrong_chain(session: WalletSession, deployment: Deployment) -> None:
    st.warning(
        f"Your wallet is on chain {session.chain_id}; the market is on chain {deployment.chain_id}.",
        icon=":material/link_off:",
    )
    if st.button("Switch to the market's chain", type="primary", disabled=session.busy):
        session.start(switch_chain(deployment, hub_data.site().name))
        st.rerun()


def _join(account: str) -> None:
    st.caption("This wallet is not a member yet. Guests can buy, not sell.")
    name = st.text_input("Your name in the list of trades", max_chars=64, placeholder="Guest")
    if st.button("Join as guest", type="primary"):
        try:
            hub_data.join_as_guest(account, name)
        except hub_data.HubRefusedError as refusal:
            st.error(f"The hub refused: {refusal}", icon=":material/block:")
            return
        st.rerun()


def _member(session: WalletSession, deployment: Deployment, account: str, member: MemberEntry) -> None:
    try:
        balance = chain_data.balance(deployment, member.number)
    except LedgerError as error:
        st.error(f"The chain does not answer: {error}", icon=":material/cloud_off:")
        return
    name, escrow = st.columns(2)
    name.metric(f"Member {member.number}", member.name)
    escrow.metric("In escrow", f"{from_base_units(balance.escrow):.2f} {deployment.currency}")
    if (
        deployment.test_token
        and deployment.chain_id in DEVELOPMENT_CHAINS
        and st.button(
            "Get test money",
            disabled=session.busy,
            help=f"{TEST_MONEY:.0f} {deployment.currency}: three transactions to sign",
        )
    ):
        session.start(get_test_money(deployment, account, member.number, to_base_units(TEST_MONEY)))
        st.rerun()


def _progress(session: WalletSession) -> None:
    if session.request is not None:
        st.info(session.request["doing"], icon=":material/account_balance_wallet:")
    if session.done is not None:
        transaction = f"  \nTransaction `{session.done.tx_hash}`" if session.done.tx_hash else ""
        st.success(f"{session.done.text}.{transaction}", icon=":material/check_circle:")
    if session.failed is not None:
        st.error(f"Not done: {session.failed}.", icon=":material/error:")
