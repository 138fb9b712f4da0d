"""One building: its recent past, its forecast, its battery, and who it is on the contract."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, hub_data, layout, theme
from dashboard.hub.records import BuildingState
from simulation.reading import Origin, Remark

ORIGINS = {
    Origin.SIMULATED: "Simulated",
    Origin.RECORDED: "Recorded measurements, played back",
    Origin.MEASURED: "Measured by the building's meter",
}
RESTING_BELOW_KW = 0.005
"""A full battery makes up its standing loss; what is shown as 0.00 kW is rest."""
REMARKS = {
    Remark.SPREAD: "longer intervals spread evenly over their minutes",
    Remark.LATE: "the newest came late",
    Remark.SUSPECT: "the newest held something impossible that was cut off",
}


def choose() -> str | None:
    """The building to show; the address remembers it."""
    names = {building.id: f"{building.name} ({building.id})" for building in hub_data.buildings()}
    if not names:
        layout.empty(
            "No buildings", "The scenario names none; add a `[[building]]` to it and start the community again."
        )
        return None
    asked = st.query_params.get("id")
    index = list(names).index(asked) if asked in names else 0
    chosen = st.selectbox("Building", list(names), index=index, format_func=names.__getitem__, width=320)
    st.query_params["id"] = chosen
    return chosen


def state_of(building_id: str) -> BuildingState:
    """The building as it is now."""
    return next(building for building in hub_data.buildings() if building.id == building_id)


@layout.live(layout.LIVE_S)
def now(building_id: str) -> None:
    """What it measures now."""
    building = state_of(building_id)
    reading = building.reading
    if reading is None:
        layout.empty(
            f"{layout.plain(building.name)} has not reported yet",
            f"Start it with `./microgrid building --id {building.id}`, or everything with `./microgrid up`.",
        )
        return
    with st.grid(4, min_column_width=170):
        st.metric("Solar", f"{reading.pv_kw:.2f} kW", border=True, height="stretch")
        st.metric("Use", f"{reading.load_kw:.2f} kW", border=True, height="stretch")
        st.metric(
            "From the grid" if reading.grid_kw >= 0 else "To the grid",
            f"{abs(reading.grid_kw):.2f} kW",
            border=True,
            height="stretch",
        )
        _deficit(building)
    if building.status == "late":
        st.warning(
            f"No reading since {layout.local_time(reading.timestamp)}; look at `./microgrid logs {building.id}`.",
            icon=":material/warning:",
        )


def _deficit(building: BuildingState) -> None:
    coming = building.forecast
    chance = "\N{EN DASH}" if coming is None else f"{coming.deficit_probability * 100:.0f} %"
    st.metric(
        "Deficit next slot",
        chance,
        border=True,
        height="stretch",
        help="Probability that it needs more than it generates",
    )


@layout.live(layout.CHART_S)
def history(building_id: str) -> None:
    """The last 200 readings."""
    readings = hub_data.history(building_id)
    if not readings:
        return
    with layout.card("history"):
        st.markdown("##### Last 200 minutes")
        option = charts.history_option(readings, layout.zone(), theme.current())
        st.echarts_chart(
            option, height=300, key="history", alt="Solar, use, grid exchange and battery of the last 200 readings"
        )
        st.caption(origin(readings[-1].quality))


def origin(quality: str) -> str:
    """Where readings come from, in words."""
    first, *remarks = quality.split("+")
    return ", ".join([ORIGINS[Origin(first)], *(REMARKS[Remark(remark)] for remark in remarks)]) + "."


@layout.live(layout.CHART_S)
def forecast(building_id: str) -> None:
    """What it expects of the next 24 hours."""
    with layout.card("forecast"):
        st.markdown("##### Next 24 hours")
        found = hub_data.predictions().get(building_id)
        if found is None:
            layout.empty("No forecast yet", "The building sends one a slot after it has started.")
            return
        option = charts.forecast_option(found, hub_data.history(building_id), layout.zone(), theme.current())
        st.echarts_chart(
            option, height=300, key="forecast", alt="Forecast of the surplus with its band, and deficit probability"
        )
        origin = (
            f"federated model, version {found.model_version}"
            if found.source == "model"
            else f"seasonal mean: {layout.plain(found.reason or 'no model yet')}"
        )
        st.caption(
            f"Surplus (solar minus use) with its 10 to 90 % band, from the {origin}. "
            f"Issued {layout.local_time(found.issued_at)}."
        )


@layout.live(layout.LIVE_S)
def facts(building_id: str) -> None:
    """Its battery, and who it is on the contract."""
    building = state_of(building_id)
    left, right = st.columns(2)
    with left:
        _battery(building)
    with right:
        _identity(building)


def _battery(building: BuildingState) -> None:
    with layout.card("battery", height="stretch"):
        st.markdown("##### Battery")
        reading = building.reading
        if reading is None or reading.soc is None:
            st.caption("No battery" if reading is not None else "Not known yet")
            return
        power = reading.battery_kw if abs(reading.battery_kw) >= RESTING_BELOW_KW else 0.0
        doing = "charging" if power > 0 else "discharging" if power < 0 else "resting"
        st.metric("Power", f"{abs(reading.battery_kw):.2f} kW", doing, delta_color="off", delta_arrow="off")
        st.progress(reading.soc, text=f"{reading.soc * 100:.0f} % of {building.battery_capacity_kwh or 0:g} kWh")


def _identity(building: BuildingState) -> None:
    with layout.card("identity", height="stretch"):
        st.markdown("##### Identity")
        if building.owner is None:
            st.caption("It has not joined the market yet; it does when it starts.")
            return
        profile = (building.profile or "").replace("_", " ")
        st.markdown(f"Member **{building.member_number}** · {profile} · solar peak {building.peak_solar_kw or 0:g} kW")
        st.markdown("Wallet")
        st.code(building.owner, language=None)
        st.caption(f"{building.readings_received} readings received by the hub")


layout.head("Buildings")
chosen = choose()
if chosen is not None:
    now(chosen)
    history(chosen)
    forecast(chosen)
    facts(chosen)
