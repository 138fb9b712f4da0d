"""The part of the wallet that lives in the browser."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from contracts.deployment import Deployment
from dashboard.wallet.session import WalletSession
from simulation.settings import Settings

HERE = Path(__file__).parent
KEY = "wallet"
NO_WALLET = "No wallet in this browser. Install MetaMask or another browser wallet, then reload this page."


class BrowserSays(Settings):
    """State of the component."""

    wallet: dict[str, Any] | None = None
    """{account, chainId, name} of the connected wallet, or {problem}."""
    answer: dict[str, Any] | None = None
    """{id, result} or {id, error: {code, message, data}} of the last request."""
    pending: str | None = None
    """Hash of a purchase that the browser remembers."""


def mount(session: WalletSession, deployment: Deployment) -> BrowserSays:
    """Show the connect button and pass the session's request to the wallet."""
    before = st.session_state.get(KEY) or {}
    data = {
        "request": session.request,
        "forget": session.forget,
        "chain": f"{deployment.chain_id}.{deployment.contract}",
        "wallet": before.get("wallet"),
        "pending": before.get("pending"),
        "no_wallet": NO_WALLET,
    }
    state = _renderer()(
        key=KEY, data=data, on_wallet_change=_nothing, on_answer_change=_nothing, on_pending_change=_nothing
    )
    return BrowserSays(wallet=state.get("wallet"), answer=state.get("answer"), pending=state.get("pending"))


def _nothing() -> None:
    """Streamlit announces a state only when it has a callback."""


@cache
def _renderer() -> ComponentRenderer:
    return st.components.v2.component(
        "microgrid_wallet",
        html='<div class="wallet"></div>',
        css=(HERE / "wallet.css").read_text(encoding="utf-8"),
        js=(HERE / "wallet.js").read_text(encoding="utf-8"),
    )
