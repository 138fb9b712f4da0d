"""What a person should look at."""

from __future__ import annotations

import streamlit as st

from dashboard import hub_data, layout
from dashboard.hub.records import Alert

LOOKS = {"warning": (st.warning, ":material/warning:"), "info": (st.info, ":material/info:")}


@layout.live(layout.LIVE_S)
def alerts() -> None:
    """All alerts, the pressing ones first."""
    found = hub_data.alerts()
    if not found:
        with layout.card("calm"):
            st.success(
                "Nothing needs attention. What fails in a building, the operator or the training shows up here.",
                icon=":material/check_circle:",
            )
        return
    for level, title in (("warning", "Look at this"), ("info", "Good to know")):
        of_level = [alert for alert in found if alert.level == level]
        if of_level:
            with layout.card(level):
                st.markdown(f"##### {title}")
                for alert in of_level:
                    _show(alert)


def _show(alert: Alert) -> None:
    show, icon = LOOKS[alert.level]
    show(f"{layout.plain(alert.text)}  \nsince {alert.since.astimezone(layout.zone()):%d %b %H:%M}", icon=icon)


layout.head("Alerts")
alerts()
