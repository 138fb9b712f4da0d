"""What the pages read from the contract itself, rather than from the hub's word."""

from __future__ import annotations

import streamlit as st

from contracts.balances import MemberBalance
from contracts.deployment import Deployment
from contracts.events import EnergyTransfer
from contracts.ledger import Ledger


@st.cache_data(ttl=3, show_spinner=False)
def balance(deployment: Deployment, member: int) -> MemberBalance:
    """Escrow and stored energy of a member. Raises LedgerError when the chain does not answer."""
    return _ledger(deployment.model_dump_json()).balance(member)


def transfers_in(deployment: Deployment, tx_hash: str) -> list[EnergyTransfer]:
    """The energy transfers in one transaction's event log. Raises LedgerError."""
    return _ledger(deployment.model_dump_json()).transfers_in(tx_hash)


@st.cache_resource(show_spinner=False, max_entries=2)
def _ledger(deployment: str) -> Ledger:
    """A ledger that only reads."""
    return Ledger(Deployment.model_validate_json(deployment), None)
