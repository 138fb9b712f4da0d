"""One building at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from dashboard import layout
from dashboard.hub.records import BuildingState
from simulation.reading import Reading

SPARK_MINUTES = 60
Colour = Literal["green", "blue", "orange", "gray"]
BADGES: dict[str, tuple[str, Colour]] = {
    "surplus": ("sells", "green"),
    "deficit": ("buys", "blue"),
    "balanced": ("balanced", "gray"),
}


def building_card(building: BuildingState, history: Sequence[Reading], alerted: bool) -> None:
    """Name, what it does on the grid, the exchange against its forecast, its last hour, its battery."""
    with layout.card(f"building-{building.id}", height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{layout.plain(building.name)}**", width="content")
            label, colour = _badge(building, alerted)
            st.badge(label, color=colour)
        reading = building.reading
        if reading is None:
            st.caption(f"No reading yet. Start it with `./microgrid building --id {building.id}`.")
            return
        spark = [-one.grid_kw for one in history[-SPARK_MINUTES:]]
        st.metric(
            "To the grid",
            f"{-reading.grid_kw:+z.1f} kW",
            _against_forecast(building),
            label_visibility="collapsed",
            chart_data=spark or None,
            chart_type="area",
        )
        if reading.soc is None:
            st.caption("No battery")
        else:
            st.progress(
                reading.soc, text=f"Battery {reading.soc * 100:.0f} % of {building.battery_capacity_kwh or 0:g} kWh"
            )


def _badge(building: BuildingState, alerted: bool) -> tuple[str, Colour]:
    if alerted or building.status == "late":
        return "check", "orange"
    return BADGES.get(building.state or "", ("waiting", "gray"))


def _against_forecast(building: BuildingState) -> str | None:
    if building.forecast is None or building.reading is None:
        return None
    return f"{building.reading.net_flow_kw - building.forecast.net_flow_kw_p50:+z.1f} kW vs. forecast"
