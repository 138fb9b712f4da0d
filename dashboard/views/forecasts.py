"""Forecasts of all buildings, side by side."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, hub_data, layout, theme
from dashboard.hub.records import BuildingState


@layout.live(layout.CHART_S)
def table() -> None:
    """The next slot of every building in one table."""
    buildings = [building for building in hub_data.buildings() if building.forecast is not None]
    if not buildings:
        layout.empty(
            "No forecasts yet",
            "Every building sends one soon after it has started: `./microgrid up`, or `./microgrid building --id B1`.",
        )
        return
    rows = [_row(building) for building in buildings]
    chance = st.column_config.ProgressColumn("Deficit probability", format="percent", min_value=0, max_value=1)
    surplus = st.column_config.NumberColumn("Expected surplus [kW]", format="%+.2f")
    with layout.card("table"):
        st.markdown("##### Next slot")
        st.dataframe(rows, column_config={"chance": chance, "surplus": surplus}, hide_index=True, key="next-slot")


def _row(building: BuildingState) -> dict[str, str | float]:
    coming = building.forecast
    assert coming is not None
    source = "federated model" if coming.source == "model" else "seasonal mean"
    return {
        "Building": building.name,
        "surplus": coming.net_flow_kw_p50,
        "chance": coming.deficit_probability,
        "From": source,
    }


@layout.live(layout.CHART_S)
def all_charts() -> None:
    """One chart per building."""
    forecasts = hub_data.predictions()
    shown = [building for building in hub_data.buildings() if building.id in forecasts]
    with st.grid(2, min_column_width=420, gap="small"):
        for building in shown:
            with layout.card(f"forecast-{building.id}"):
                st.markdown(f"##### {layout.plain(building.name)}")
                option = charts.forecast_option(
                    forecasts[building.id], hub_data.history(building.id), layout.zone(), theme.current()
                )
                st.echarts_chart(option, height=260, key=f"forecast-{building.id}", alt=f"Forecast of {building.name}")


layout.head("Forecasts")
table()
all_charts()
