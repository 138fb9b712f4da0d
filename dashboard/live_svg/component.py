"""Mounts one live picture."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

HERE = Path(__file__).parent


def live_svg(svg: str, key: str) -> None:
    """Show `svg` under a stable key. Its text must be escaped by whoever drew it."""
    _renderer()(data={"svg": svg}, key=key)


@cache
def _renderer() -> ComponentRenderer:
    return st.components.v2.component(
        "microgrid_live_svg",
        html='<div class="live-svg"></div>',
        css=(HERE / "live_svg.css").read_text(encoding="utf-8"),
        js=(HERE / "live_svg.js").read_text(encoding="utf-8"),
    )
