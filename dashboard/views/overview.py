"""Grid overview: what the community does now, did today, and expects."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from dashboard import charts, community, hub_data, layout, theme
from dashboard.building_card import building_card
from dashboard.gauges import gauges_svg
from dashboard.live_svg.component import live_svg
from dashboard.network_picture import network_svg

SPARK_MINUTES = 60
COLUMNS = 4
SIDE_BY_SIDE = 5


@layout.live(layout.LIVE_S)
def network() -> None:
    """The network picture and both gauges."""
    buildings, trades = hub_data.buildings(), hub_data.trades()
    alerted = {alert.building_id for alert in hub_data.alerts() if alert.level == "warning" and alert.building_id}
    left, right = st.columns([2.15, 1])
    with left, layout.card("network", height="stretch"):
        live_svg(network_svg(buildings, community.flows(community.latest_slot(trades)), alerted), key="network")
    with right:
        totals = community.totals_now(buildings)
        with layout.card("gauges"):
            live_svg(gauges_svg(totals.self_sufficiency, totals.solar_used_here), key="gauges")
        _numbers(totals)


def _numbers(totals: community.Totals) -> None:
    now, site = hub_data.clock().now(), hub_data.site()
    past = community.minutes({building.id: hub_data.history(building.id) for building in hub_data.buildings()})
    recent = past[-SPARK_MINUTES:]
    local = community.local_trades(community.today(hub_data.trades(), now, site))
    solar, use = st.columns(2)
    with solar, layout.card("solar"):
        _power("Solar", totals.solar_kw, [minute.solar_kw for minute in recent], "normal")
    with use, layout.card("use"):
        _power("Use", totals.use_kw, [minute.use_kw for minute in recent], "inverse")
    traded, saved = st.columns(2)
    with traded, layout.card("traded"):
        energy_kwh = sum(trade.energy_wh for trade in local) / community.WH_PER_KWH
        st.metric("Traded today", f"{energy_kwh:.1f} kWh", f"{len(local)} trades", delta_color="off", delta_arrow="off")
    with saved, layout.card("saved"):
        amount = f"{community.saved(local, hub_data.slots(), site):.2f} {site.currency}"
        st.metric("Saved today", amount, "vs. utility", delta_arrow="off", delta_color="normal" if local else "off")


def _power(label: str, now_kw: float, recent_kw: list[float], delta_color: Literal["normal", "inverse"]) -> None:
    change = f"{now_kw - recent_kw[0]:+z.1f} kW" if len(recent_kw) > 1 else None
    st.metric(
        label, f"{now_kw:.1f} kW", change, delta_color=delta_color, chart_data=recent_kw or None, chart_type="area"
    )


@layout.live(layout.CHART_S)
def outlook() -> None:
    """Past and expected power of the community."""
    with layout.card("outlook"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown("##### Outlook", width="content")
            hours = _hours_ahead()
        now = hub_data.clock().now()
        past = community.minutes({building.id: hub_data.history(building.id) for building in hub_data.buildings()})
        per_hour = 60 // hub_data.site().slot_minutes
        coming = community.outlook(hub_data.predictions(), now)[: hours * per_hour]
        if not past and not coming:
            layout.empty(
                "No readings yet",
                "They appear as soon as buildings run: `./microgrid up`, or `./microgrid building --id B1`.",
            )
            return
        st.echarts_chart(
            charts.outlook_option(past, coming, now, layout.zone(), theme.current()),
            height=300,
            key="outlook",
            alt="Solar, use and surplus of the community",
        )
        st.caption(
            "The last 200 minutes, then the sum of the buildings' forecasts with their 10 to 90 % bands added up."
        )


def _hours_ahead() -> int:
    chosen = st.segmented_control(
        "Ahead", [6, 12, 24], default=12, format_func="next {} h".format, required=True, label_visibility="collapsed"
    )
    return int(chosen or 12)


@layout.live(layout.LIVE_S)
def cards() -> None:
    """One card per building."""
    st.markdown("#### Buildings")
    buildings = hub_data.buildings()
    alerted = {alert.building_id for alert in hub_data.alerts() if alert.level == "warning"}
    columns = len(buildings) if len(buildings) <= SIDE_BY_SIDE else COLUMNS
    with st.grid(max(1, columns), min_column_width=180, gap="small"):
        for building in buildings:
            building_card(building, hub_data.history(building.id), building.id in alerted)


@layout.live(layout.LIVE_S)
def neighbours() -> None:
    """Who trades with whom, and what needs attention."""
    left, right = st.columns([1.45, 1])
    with left:
        _who_trades()
    with right:
        _alerts()


def _who_trades() -> None:
    with layout.card("sankey", height="stretch"):
        st.markdown("##### Who trades with whom")
        flows = community.flows(community.today(hub_data.trades(), hub_data.clock().now(), hub_data.site()))
        if not flows:
            layout.empty(
                "No trades today",
                "The first come about two slots after the buildings and the operator have started: `./microgrid up`.",
            )
            return
        st.echarts_chart(
            charts.sankey_option(flows, theme.current()), height=280, key="sankey", alt="Energy from sellers to buyers"
        )


def _alerts() -> None:
    with layout.card("alerts", height="stretch"):
        st.markdown("##### Alerts")
        found = hub_data.alerts()[:4]
        for alert in found:
            show = st.warning if alert.level == "warning" else st.info
            show(
                f"{layout.plain(alert.text)} (since {layout.local_time(alert.since)})",
                icon=":material/warning:" if alert.level == "warning" else ":material/info:",
            )
        rounds = hub_data.rounds()
        if rounds:
            last = rounds[-1]
            st.success(
                f"Federated training: round {last.round} with {len(last.participants)} buildings.",
                icon=":material/network_intelligence_history:",
            )
        if not found and not rounds:
            st.caption("Nothing needs attention.")


layout.head("Grid overview")
network()
outlook()
cards()
neighbours()
