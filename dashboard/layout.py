"""What every page shares: its head, cards, empty states, live parts, and the box for a hub that is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import hub_data

LIVE_S = 2
"""Numbers and the network picture are read again after this time [s]"""
CHART_S = 6
"""Charts are drawn again after this time [s]"""
RETRY_S = 2
"""A hub that is away is asked again after this time [s]"""
MARKDOWN_SIGNS = frozenset("\\`*_{}[]()#+-!|<>~:$")
AWAY = "hub away"
NEAR = timedelta(minutes=2)
"""A simulated clock that differs less from the wall clock is a real site's."""


def live(every_s: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A part of a page that refreshes itself; when the hub goes away the whole page is drawn again and says so."""

    def decorate(part: Callable[..., None]) -> Callable[..., None]:
        @st.fragment(run_every=every_s)
        @wraps(part)
        def shown(*arguments: Any) -> None:
            try:
                part(*arguments)
            except hub_data.HubAwayError as away:
                st.session_state[AWAY] = str(away)
                st.rerun()

        return shown

    return decorate


def card(name: str, **options: Any) -> DeltaGenerator:
    """A bordered container in the card colour. `name` is unique on its page."""
    return st.container(border=True, key=f"card-{name}", **options)


def head(title: str) -> None:
    """The page's title, and on its right what is going on."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="header"):
        st.title(title, width="content", anchor=False)
        with st.container(horizontal=True, horizontal_alignment="right", width="content", gap="small"):
            _state_badges()


@live(LIVE_S)
def _state_badges() -> None:
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        st.badge(time_label(), icon=":material/schedule:", color="gray")
        buildings, warnings = hub_data.buildings(), [alert for alert in hub_data.alerts() if alert.level == "warning"]
        reporting = sum(building.status == "live" for building in buildings)
        if reporting:
            st.badge("Live", icon=":material/sensors:", color="green")
        st.badge(f"{reporting} of {len(buildings)} reporting", color="gray")
        if warnings:
            st.badge(f"{len(warnings)} alert{'s' * (len(warnings) > 1)}", icon=":material/warning:", color="orange")


def time_label() -> str:
    """The community's time at the site; it says so when that is not the time of day outside."""
    clock = hub_data.clock()
    now = clock.now()
    local = f"{now.astimezone(zone()):%a %d %b %Y %H:%M}"
    if abs(now - datetime.now(UTC)) < NEAR and clock.speed == 1:
        return local
    return f"Simulated time {local} · x{clock.speed:g}"


def zone() -> ZoneInfo:
    """Time zone of the site."""
    return ZoneInfo(hub_data.site().timezone)


def local_time(moment: datetime) -> str:
    """Hours and minutes at the site."""
    return f"{moment.astimezone(zone()):%H:%M}"


def empty(what: str, next_step: str, icon: str = ":material/hourglass_empty:") -> None:
    """An empty state: what is not there yet, and what brings it."""
    st.info(f"**{what}**  \n{next_step}", icon=icon)


def hub_away_box(reason: str) -> None:
    """Say that the hub is away and how to start it; the page tries again by itself."""
    with card("hub-away"):
        st.subheader("The hub does not answer", anchor=False)
        st.markdown(
            f"This page reads the community from **{hub_data.hub_url()}**, where nothing useful answers now.\n\n"
            "Start everything with `./microgrid up`, or the hub alone with `./microgrid hub`. "
            f"If it runs elsewhere, set `{hub_data.HUB_URL_VARIABLE}` and start the dashboard again.\n\n"
            "This page comes back by itself as soon as the hub is there."
        )
        st.caption(plain(reason))
    _try_again(time.monotonic())


@st.fragment(run_every=RETRY_S)
def _try_again(shown_at_s: float) -> None:
    """Draws nothing; runs the whole page again after a while, never at once."""
    if time.monotonic() - shown_at_s > RETRY_S / 2:
        st.rerun()


def plain(text: str) -> str:
    """A text from outside as words: Markdown's signs are escaped."""
    return "".join(f"\\{sign}" if sign in MARKDOWN_SIGNS else sign for sign in text)
