"""Wallet: the viewer's membership, money and purchases."""

from __future__ import annotations

import streamlit as st

from contracts.deployment import Deployment
from contracts.units import from_base_units
from dashboard import hub_data, layout
from dashboard.wallet.panel import member_of, wallet_card
from dashboard.wallet.session import wallet_session

HOW_IT_WORKS = """
1. **Connect** a browser wallet such as MetaMask. The page never sees its key.
2. **Join as guest**: the operator registers your address with the contract.
3. **Get test money** (development chain only) into your escrow: three transactions to sign.
4. **Buy** on the page *Trading*: you sign, the contract moves energy and money in one step, the hub logs the trade.
"""


@layout.live(layout.LIVE_S)
def wallet(deployment: Deployment) -> None:
    """The wallet card, and how to use it."""
    left, right = st.columns(2)
    with left, layout.card("wallet", height="stretch"):
        wallet_card(deployment)
    with right, layout.card("how", height="stretch"):
        st.markdown("##### How to buy from a neighbour")
        st.markdown(HOW_IT_WORKS)


@layout.live(layout.CHART_S)
def purchases(deployment: Deployment) -> None:
    """What this wallet has bought."""
    with layout.card("purchases"):
        st.markdown("##### Your purchases")
        member = member_of(wallet_session().account)
        mine = [trade for trade in hub_data.trades() if member is not None and trade.buyer == member.number]
        if not mine:
            layout.empty("No purchases yet", "Choose an offer on the page *Trading*.")
            return
        rows = [
            {
                "Seller": trade.seller_name,
                "Energy [Wh]": trade.energy_wh,
                f"Cost [{deployment.currency}]": from_base_units(trade.cost),
                "Transaction": trade.tx_hash,
            }
            for trade in reversed(mine)
        ]
        st.dataframe(rows, hide_index=True, key="purchases")


@layout.live(layout.CHART_S)
def contract(deployment: Deployment) -> None:
    """Where the market lives."""
    with layout.card("contract"):
        st.markdown("##### Contract")
        st.markdown(f"Chain **{deployment.chain_id}** at `{deployment.rpc_url}`")
        st.code(f"market {deployment.contract}\ntoken  {deployment.token}", language=None)


layout.head("Wallet")
market = hub_data.market()
if market is None:
    layout.empty(
        "No market yet",
        "The operator deploys the contract when it starts: `./microgrid up`, or `./microgrid operator`.",
    )
else:
    wallet(market)
    purchases(market)
    contract(market)
