"""ECharts options of every chart: units on the axes, the palette's colours, times in the site's time zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from building_clients.forecast import Forecast
from contracts.units import from_base_units, wh_to_kwh
from dashboard.chart_parts import (
    Band,
    Option,
    Point,
    at_site,
    axis,
    band,
    bars,
    category_axis,
    chart,
    line,
    named_axis,
    now_mark,
    percent_axis,
    time_axis,
)
from dashboard.community import Flow, Minute, OutlookSlot
from dashboard.hub.records import SiteInfo, SlotReport
from dashboard.theme import Palette
from fl_server.report import RoundReport
from simulation.clock import slot_start
from simulation.reading import Reading


def outlook_option(
    past: Sequence[Minute], coming: Sequence[OutlookSlot], now: datetime, zone: ZoneInfo, palette: Palette
) -> Option:
    """Solar, use and surplus of the community, then the surplus that its buildings expect."""
    times = [at_site(minute.at, zone) for minute in past]
    solar = [[at, minute.solar_kw] for at, minute in zip(times, past, strict=True)]
    use = [[at, minute.use_kw] for at, minute in zip(times, past, strict=True)]
    surplus = [[at, minute.solar_kw - minute.use_kw] for at, minute in zip(times, past, strict=True)]
    bands: list[Band] = [(at_site(slot.at, zone), slot.p10_kw, slot.p50_kw, slot.p90_kw) for slot in coming]
    series = [
        line("Solar", palette.solar, solar, area=True) | {"markLine": now_mark(at_site(now, zone), palette)},
        line("Use", palette.use, use, area=True),
        line("Surplus", palette.surplus, surplus),
        *band("Surplus forecast", palette.surplus, bands),
    ]
    return chart(series, palette, time_axis(palette), axis("kW", palette))


def history_option(readings: Sequence[Reading], zone: ZoneInfo, palette: Palette) -> Option:
    """The last readings of one building; the battery's state of charge on the right axis."""
    series = [
        line("Solar", palette.solar, _points(readings, "pv_kw", zone), area=True),
        line("Use", palette.use, _points(readings, "load_kw", zone), area=True),
        line("Grid (import > 0)", palette.utility, _points(readings, "grid_kw", zone)),
    ]
    axes = [axis("kW", palette)]
    charge = [[at_site(one.timestamp, zone), round(one.soc * 100, 1)] for one in readings if one.soc is not None]
    if charge:
        series.append(line("Battery charge", palette.surplus, charge, dashed=True) | {"yAxisIndex": 1})
        axes.append(percent_axis(palette))
    return chart(series, palette, time_axis(palette), *axes)


def forecast_option(forecast: Forecast, readings: Sequence[Reading], zone: ZoneInfo, palette: Palette) -> Option:
    """Measured surplus, then its forecast with its 10 to 90 % band; the probability of a deficit on the right."""
    bands = _forecast_bands(forecast, zone)
    chances = [
        [at, round(chance * 100, 1)] for (at, *_), chance in zip(bands, forecast.deficit_probability, strict=True)
    ]
    stepped = {"yAxisIndex": 1, "step": "end", "areaStyle": {"opacity": 0.06}}
    deficit = line("Deficit probability", palette.warning, chances)
    deficit["lineStyle"]["width"] = 1.3
    series = [
        line("Measured", palette.use, _points(readings, "net_flow_kw", zone)),
        *band("Forecast", palette.surplus, bands),
        deficit | stepped,
    ]
    return chart(series, palette, time_axis(palette), axis("kW", palette), percent_axis(palette))


def prices_option(slots: Sequence[SlotReport], site: SiteInfo, palette: Palette) -> Option:
    """Clearing price and matched energy of each slot, between the utility's two tariffs."""
    zone = ZoneInfo(site.timezone)
    times = [at_site(slot_start(slot.slot, site.slot_minutes), zone) for slot in slots]
    prices = [None if slot.price is None else from_base_units(slot.price) for slot in slots]
    volumes = [[at, wh_to_kwh(slot.volume_wh)] for at, slot in zip(times, slots, strict=True)]
    cleared = line("Clearing price", palette.surplus, [[at, price] for at, price in zip(times, prices, strict=True)])
    series = [
        cleared | {"showSymbol": True, "symbolSize": 6},
        bars("Matched energy", palette.use, volumes),
        line("Retail", palette.utility, _tariff(times, slots, "retail_price"), dashed=True) | {"step": "end"},
        line("Feed-in", palette.solar, _tariff(times, slots, "feed_in_price"), dashed=True) | {"step": "end"},
    ]
    money, energy = named_axis(f"{site.currency}/kWh", palette), named_axis("kWh", palette, split=False)
    return chart(series, palette, time_axis(palette), money, energy)


def _tariff(times: Sequence[str], slots: Sequence[SlotReport], name: str) -> list[list[object]]:
    return [[at, from_base_units(getattr(slot, name))] for at, slot in zip(times, slots, strict=True)]


def rounds_option(rounds: Sequence[RoundReport], palette: Palette) -> Option:
    """Loss of the federation per round, and the samples behind it."""
    labels = [str(index) for index in range(1, len(rounds) + 1)]
    loss = line("Loss", palette.surplus, [report.loss for report in rounds])
    samples = bars("Samples", palette.use, [report.num_examples for report in rounds])
    left = named_axis("loss [1]", palette) | {"scale": True}
    right = named_axis("samples [1]", palette, split=False)
    series = [loss | {"showSymbol": True, "symbolSize": 7}, samples]
    option = chart(series, palette, category_axis(labels, "round", palette), left, right)
    return option | {"tooltip": {"trigger": "axis", "valueFormatter": "%.4g"}}


def sankey_option(flows: Sequence[Flow], palette: Palette) -> Option:
    """Who sold how much to whom [kWh]; sellers on the left, buyers on the right."""
    sellers = dict.fromkeys(flow.seller_name for flow in flows)
    buyers = dict.fromkeys(flow.buyer_name for flow in flows)
    nodes = [_node(name, "sells", palette.utility if name == "Utility" else palette.surplus) for name in sellers]
    nodes += [_node(name, "buys", palette.solar if name == "Utility" else palette.use) for name in buyers]
    series = {
        "type": "sankey",
        "data": nodes,
        "links": [_link(flow) for flow in flows],
        "label": {"color": palette.text, "fontSize": 12},
        "lineStyle": {"color": "gradient", "opacity": 0.35},
        "nodeWidth": 9,
        "nodeGap": 14,
        "draggable": False,
        "emphasis": {"focus": "adjacency"},
    }
    place = {"left": 4, "right": 120, "top": 8, "bottom": 8}
    return {"tooltip": {"trigger": "item", "formatter": "{b}: {c} kWh"}, "series": [series | place]}


def _node(name: str, role: str, colour: str) -> Option:
    """Sellers and buyers are different nodes; both are labelled with the plain name."""
    return {"name": f"{name} {role}", "label": {"formatter": name}, "itemStyle": {"color": colour, "borderRadius": 3}}


def _link(flow: Flow) -> Option:
    energy_kwh = round(wh_to_kwh(flow.energy_wh), 3)
    return {"source": f"{flow.seller_name} sells", "target": f"{flow.buyer_name} buys", "value": energy_kwh}


def _points(readings: Sequence[Reading], field: str, zone: ZoneInfo) -> list[Point]:
    return [[at_site(reading.timestamp, zone), getattr(reading, field)] for reading in readings]


def _forecast_bands(forecast: Forecast, zone: ZoneInfo) -> list[Band]:
    low, middle, high = forecast.net_flow_kw_p10, forecast.net_flow_kw_p50, forecast.net_flow_kw_p90
    starts = [slot_start(forecast.slot + step, forecast.slot_minutes) for step in range(len(middle))]
    bands = zip(starts, low, middle, high, strict=True)
    return [(at_site(at, zone), p10, p50, p90) for at, p10, p50, p90 in bands]
