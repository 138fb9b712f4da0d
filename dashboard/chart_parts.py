"""Pieces of ECharts options: lines, bands, axes. Times are wall-clock times at the site."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.theme import Palette

Option = dict[str, Any]
Point = list[Any]
Band = tuple[str, float, float, float]
"""Time, p10, p50, p90."""


def at_site(moment: datetime, zone: ZoneInfo) -> str:
    """Wall-clock time at the site without an offset: a browser elsewhere shows the same digits."""
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")


def line(name: str, colour: str, data: Sequence[Any], *, area: bool = False, dashed: bool = False) -> Option:
    """A line without symbols; `area` fades to the axis."""
    series: Option = {
        "name": name,
        "type": "line",
        "data": [_rounded(point) for point in data],
        "showSymbol": False,
        "itemStyle": {"color": colour},
        "lineStyle": {"width": 2, "color": colour, "type": "dashed" if dashed else "solid"},
    }
    return series | {"areaStyle": {"color": _fade(colour)}} if area else series


def bars(name: str, colour: str, data: Sequence[Any]) -> Option:
    """Quiet bars on the right axis."""
    style = {"color": colour, "opacity": 0.32}
    return {"name": name, "type": "bar", "yAxisIndex": 1, "data": list(data), "barMaxWidth": 18, "itemStyle": style}


def band(name: str, colour: str, points: Sequence[Band]) -> list[Option]:
    """The p50 as a dashed line over the area between p10 and p90: two stacked lines, the upper one filled."""
    hidden = {"lineStyle": {"opacity": 0}, "stack": name, "stackStrategy": "all", "silent": True}
    hidden["tooltip"] = {"show": False}
    low = line(f"{name} p10", colour, [[at, p10] for at, p10, _, _ in points]) | hidden
    width = line(f"{name} p10 to p90", colour, [[at, p90 - p10] for at, p10, _, p90 in points]) | hidden
    middle = line(name, colour, [[at, p50] for at, _, p50, _ in points], dashed=True)
    return [low, width | {"areaStyle": {"color": colour, "opacity": 0.16}}, middle]


def now_mark(now: str, palette: Palette) -> Option:
    """A dashed vertical line that says "now"."""
    label = {"formatter": "now", "color": palette.muted, "position": "insideEndTop"}
    style = {"color": palette.muted, "type": "dashed", "width": 1}
    return {"symbol": "none", "silent": True, "lineStyle": style, "label": label, "data": [{"xAxis": now}]}


def chart(series: list[Option], palette: Palette, x_axis: Option, *y_axes: Option) -> Option:
    """Series over one x axis and one or two y axes, with a legend of what is not hidden."""
    shown = [one["name"] for one in series if not one.get("silent")]
    legend = {"top": 0, "left": 0, "icon": "roundRect", "itemWidth": 14, "itemHeight": 4, "data": shown}
    named = any("name" in axis for axis in y_axes)
    margins = {"top": 62 if named else 44, "bottom": 34 if "name" in x_axis else 8}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 12, "containLabel": True} | margins,
        "legend": legend | {"textStyle": {"color": palette.muted}},
        "tooltip": {"trigger": "axis", "valueFormatter": "%.2f"},
        "xAxis": x_axis,
        "yAxis": list(y_axes),
        "series": series,
    }


def time_axis(palette: Palette) -> Option:
    """Time at the site."""
    label = {"color": palette.muted, "hideOverlap": True}
    return {"type": "time", "axisLabel": label} | _lines(palette, split=False)


def category_axis(labels: Sequence[str], name: str, palette: Palette) -> Option:
    """Named steps."""
    place = {"name": name, "nameLocation": "middle", "nameGap": 26, "nameTextStyle": {"color": palette.muted}}
    label = {"color": palette.muted}
    return {"type": "category", "data": list(labels), "axisLabel": label} | place | _lines(palette, split=False)


def axis(unit: str, palette: Palette, *, split: bool = True) -> Option:
    """Values with a short unit at every tick."""
    label = {"color": palette.muted, "formatter": "{value} " + unit}
    return {"type": "value", "axisLabel": label} | _lines(palette, split=split)


def named_axis(name: str, palette: Palette, *, split: bool = True) -> Option:
    """Values whose unit is too long for every tick: it stands above the axis."""
    name_style = {"color": palette.muted, "align": "right" if not split else "left"}
    base = {"type": "value", "name": name, "nameTextStyle": name_style, "axisLabel": {"color": palette.muted}}
    return base | _lines(palette, split=split)


def percent_axis(palette: Palette) -> Option:
    """0 to 100 % on the right."""
    return axis("%", palette, split=False) | {"min": 0, "max": 100}


def _rounded(point: Any) -> Any:
    if isinstance(point, list) and isinstance(point[1], float):
        return [point[0], round(point[1], 3)]
    return point


def _fade(colour: str) -> Option:
    stops = [{"offset": 0, "color": f"{colour}4d"}, {"offset": 1, "color": f"{colour}05"}]
    return {"type": "linear", "x": 0, "y": 0, "x2": 0, "y2": 1, "colorStops": stops}


def _lines(palette: Palette, *, split: bool) -> Option:
    return {
        "axisLine": {"lineStyle": {"color": palette.border}},
        "axisTick": {"show": False},
        "splitLine": {"show": split, "lineStyle": {"color": palette.border}},
    }
