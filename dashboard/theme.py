"""Colours of the pages, light and dark, and the little CSS that Streamlit's theme cannot say."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from simulation.settings import Settings


class Palette(Settings):
    """One colour per meaning; the same meaning has the same colour on every page."""

    page: str
    """Behind the cards."""
    card: str
    """Cards, and Streamlit's background colour (metric sparklines fade into it)."""
    sidebar: str
    """Behind the navigation."""
    selected: str
    """Selected page, quiet fills."""
    border: str
    """Lines around cards and grid lines in charts."""
    text: str
    """Words."""
    muted: str
    """Units, captions, axes."""
    surplus: str
    """Green: surplus, selling, good; also the accent."""
    solar: str
    """Gold: solar."""
    use: str
    """Blue: consumption, deficit, buying."""
    utility: str
    """Violet: the utility's grid."""
    warning: str
    """Orange: look at this."""
    bad: str
    """Red: worse than expected."""


LIGHT = Palette(
    page="#f3f6f8",
    card="#ffffff",
    sidebar="#ffffff",
    selected="#ececec",
    border="#e1e7ec",
    text="#17202a",
    muted="#6b7680",
    surplus="#0a9b76",
    solar="#e0a000",
    use="#0072b2",
    utility="#6a4fc0",
    warning="#c4620a",
    bad="#d13447",
)
DARK = Palette(
    page="#0a0f15",
    card="#131b24",
    sidebar="#0e151d",
    selected="#313c49",
    border="#232e39",
    text="#e8edf2",
    muted="#8f9aa5",
    surplus="#2dd4a7",
    solar="#ffc53d",
    use="#5bc0ff",
    utility="#a78bfa",
    warning="#ff9f43",
    bad="#ff5d6c",
)
PALETTES: dict[Literal["light", "dark"], Palette] = {"light": LIGHT, "dark": DARK}

FONT = "Inter, 'Source Sans', system-ui, sans-serif"


def current() -> Palette:
    """The palette of the viewer's theme; light when the browser has not said."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def options() -> dict[str, str]:
    """Streamlit configuration options that make this look."""
    shared = {
        "theme.font": FONT,
        "theme.baseRadius": "10px",
        "theme.buttonRadius": "8px",
        "theme.baseFontSize": "15",
        "theme.metricValueFontSize": "1.6rem",
        "theme.metricValueFontWeight": "650",
        "theme.showSidebarBorder": "false",
        "theme.paddingTop": "4rem",
    }
    colours = {key: value for mode, palette in PALETTES.items() for key, value in _colours(mode, palette).items()}
    return shared | colours


def _colours(mode: str, palette: Palette) -> dict[str, str]:
    named = {
        "primaryColor": palette.surplus,
        "backgroundColor": palette.card,
        "secondaryBackgroundColor": palette.page,
        "textColor": palette.text,
        "borderColor": palette.border,
        "linkColor": palette.surplus,
        "greenColor": palette.surplus,
        "yellowColor": palette.solar,
        "blueColor": palette.use,
        "violetColor": palette.utility,
        "orangeColor": palette.warning,
        "redColor": palette.bad,
        "grayColor": palette.muted,
    }
    sidebar = {"sidebar.backgroundColor": palette.sidebar, "sidebar.secondaryBackgroundColor": palette.selected}
    return {f"theme.{mode}.{name}": value for name, value in (named | sidebar).items()}


def page_css() -> str:
    """A style sheet: the page's own colour behind the cards, equal heights, round corners."""
    page = f"light-dark({LIGHT.page}, {DARK.page})"
    card = f"light-dark({LIGHT.card}, {DARK.card})"
    border = f"light-dark({LIGHT.border}, {DARK.border})"
    return f"""<style>
    .stApp, [data-testid="stHeader"] {{ background: {page}; }}
    [class*="st-key-card"], [data-testid="stDialog"] > div > div {{ background: {card}; }}
    [class*="st-key-card"] {{ border-color: {border} !important; border-radius: 14px; }}
    [data-testid="stMetric"] {{ background: {card}; border-radius: 14px; }}
    .stApp h1 {{ font-size: 1.75rem; padding: 0.4rem 0; }}
    .stApp [data-testid="stMainBlockContainer"] {{ max-width: 1180px; }}
    [data-testid="stMetricDelta"] {{ font-variant-numeric: tabular-nums; }}
    [class*="st-key-header"] {{ align-items: center; }}
    </style>"""
