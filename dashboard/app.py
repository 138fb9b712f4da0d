"""The dashboard: navigation, and one gate in front of all pages for a hub that is away."""

from __future__ import annotations

import streamlit as st

from dashboard import hub_data, layout, theme

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Ccircle cx='16' cy='16' r='7' fill='%23e0a000'/%3E"
    "%3Ccircle cx='16' cy='16' r='13' fill='none' stroke='%230a9b76' stroke-width='4'/%3E%3C/svg%3E"
)


def pages() -> dict[str, list[st.Page]]:
    """All pages under their headings.

    Not in a folder `pages`: a new server would run those files by themselves until this function was called once.
    """
    return {
        "": [st.Page("views/overview.py", title="Grid overview", icon=":material/hub:", default=True)],
        "Operate": [
            st.Page("views/buildings.py", title="Buildings", icon=":material/apartment:"),
            st.Page("views/forecasts.py", title="Forecasts", icon=":material/query_stats:"),
            st.Page("views/alerts.py", title="Alerts", icon=":material/notifications:"),
        ],
        "Market": [
            st.Page("views/trading.py", title="Trading", icon=":material/swap_horiz:"),
            st.Page("views/wallet.py", title="Wallet", icon=":material/account_balance_wallet:"),
        ],
        "Learning": [
            st.Page("views/rounds.py", title="Federated rounds", icon=":material/network_intelligence_history:")
        ],
    }


def main() -> None:
    """Show the chosen page, or say that the hub is away."""
    st.set_page_config(page_title="Microgrid", page_icon=ICON, layout="wide")
    st.html(theme.page_css())
    page = st.navigation(pages())
    reason = st.session_state.pop(layout.AWAY, None) or hub_data.why_away()
    if reason is None:
        page.run()
    else:
        layout.hub_away_box(reason)


main()
