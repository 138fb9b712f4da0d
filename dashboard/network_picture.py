"""The community as a picture: the utility, the buildings around their shared sun, and energy moving between them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from math import cos, pi, radians, sin

from dashboard.building_icons import PYLON, icon_of
from dashboard.community import Flow, totals_now
from dashboard.hub.records import BuildingState

VIEW = "22 8 660 490"
CENTRE = (385.0, 250.0)
UTILITY_AT = (70.0, 250.0)
NODE_RADIUS = 31
SUN_RADIUS = 56
QUIET_KW = 0.05
"""Below this nothing is drawn as moving [kW]"""
Point = tuple[float, float]


def network_svg(buildings: Sequence[BuildingState], flows: Sequence[Flow], alerted: Collection[str]) -> str:
    """The picture. `flows` are the newest trades between buildings, `alerted` the ids with a warning."""
    places = {building.id: place for building, place in zip(buildings, _places(len(buildings)), strict=True)}
    numbers = {building.member_number: places[building.id] for building in buildings}
    totals = totals_now(buildings)
    grid = _straight(UTILITY_AT, CENTRE, totals.grid_kw, "utility" if totals.grid_kw > 0 else "solar")
    spokes = "".join(_spoke(building, places[building.id]) for building in buildings)
    trades = "".join(_trade(numbers[flow.seller], numbers[flow.buyer]) for flow in flows if _both(flow, numbers))
    nodes = "".join(_building(building, places[building.id], building.id in alerted) for building in buildings)
    return (
        f'<svg style="min-width: 36rem" xmlns="http://www.w3.org/2000/svg" viewBox="{VIEW}" role="img" '
        f'aria-label="Energy flows of the community">{_glow()}<g>{grid}{spokes}</g><g>{trades}</g>'
        f"{_sun(totals.solar_kw, totals.use_kw)}{_utility(totals.grid_kw)}<g>{nodes}</g></svg>"
    )


def _places(count: int) -> list[Point]:
    """Evenly on an ellipse that leaves the left side to the utility."""
    angles = [radians(-145 + 290 * (index + 0.5) / count) for index in range(count)]
    return [(CENTRE[0] + 250 * cos(angle), CENTRE[1] - 12 + 190 * sin(angle)) for angle in angles]


def _both(flow: Flow, numbers: Collection[int | None]) -> bool:
    return flow.seller in numbers and flow.buyer in numbers


def _glow() -> str:
    return (
        '<defs><radialGradient id="sun"><stop offset="0" stop-opacity="0.35"/><stop offset="1" stop-opacity="0"/>'
        f'</radialGradient></defs><circle cx="{CENTRE[0]}" cy="{CENTRE[1]}" r="135" fill="url(#sun)"/>'
    )


def _sun(solar_kw: float, use_kw: float) -> str:
    return (
        f'<g transform="translate({CENTRE[0]} {CENTRE[1]})"><circle class="card" r="{SUN_RADIUS}"/>'
        f'<circle class="track" r="{SUN_RADIUS}"/>'
        '<text class="muted" y="-20" font-size="9" letter-spacing="1">SOLAR NOW</text>'
        f'<text class="strong" y="6" font-size="24">{_power(solar_kw)}</text>'
        f'<text class="muted" y="25" font-size="11">{_power(use_kw)} used</text></g>'
    )


def _utility(grid_kw: float) -> str:
    doing = "balanced" if abs(grid_kw) < QUIET_KW else "importing" if grid_kw > 0 else "exporting"
    return (
        f'<g transform="translate({UTILITY_AT[0]} {UTILITY_AT[1]})"><circle class="card" r="{NODE_RADIUS}"/>'
        f'<circle class="ring utility" r="{NODE_RADIUS}" stroke-width="2"/>'
        f'<path class="icon" transform="translate(-11 -22) scale(0.9)" d="{PYLON}"/>'
        f'<text class="strong" y="17" font-size="12">{_power(abs(grid_kw))}</text>'
        '<text class="strong" y="50" font-size="13">Utility grid</text>'
        f'<text class="muted" y="65" font-size="11">{doing}</text></g>'
    )


def _building(building: BuildingState, place: Point, alerted: bool) -> str:
    flow = None if building.reading is None else -building.reading.grid_kw
    kind = "muted" if flow is None else "surplus" if flow >= 0 else "use"
    value = "no data" if flow is None else f"{flow:+z.1f} kW".replace("-", "\N{MINUS SIGN}")
    return (
        f'<g transform="translate({place[0]:.1f} {place[1]:.1f})"><circle class="card" r="{NODE_RADIUS}"/>'
        f'<circle class="track" r="{NODE_RADIUS}" stroke-width="3"/>{_charge(building)}'
        f'<path class="icon" transform="translate(-10 -22) scale(0.83)" d="{icon_of(building.profile)}"/>'
        f'<text class="strong {kind}" y="14" font-size="12">{value}</text>'
        f'<text class="strong" y="50" font-size="13">{escape(building.name)}</text>'
        f'<text class="muted" y="65" font-size="11">{_caption(building)}</text>'
        f'<circle class="dot warning" cx="23" cy="-23" r="{5 if alerted else 0}"/></g>'
    )


def _charge(building: BuildingState) -> str:
    """State of charge as an arc from the top."""
    soc = building.reading.soc if building.reading is not None else None
    around = 2 * pi * NODE_RADIUS
    length = around * (soc or 0.0)
    return (
        f'<circle class="ring surplus" r="{NODE_RADIUS}" stroke-width="{3 if length else 0}" transform="rotate(-90)" '
        f'stroke-dasharray="{length:.1f} {around:.1f}"/>'
    )


def _caption(building: BuildingState) -> str:
    reading = building.reading
    if reading is None:
        return "has not reported"
    sun = f"sun {reading.pv_kw:.1f}" if building.peak_solar_kw or reading.pv_kw else "no solar"
    return f"{sun} · no battery" if reading.soc is None else f"{sun} · bat {reading.soc * 100:.0f} %"


def _spoke(building: BuildingState, place: Point) -> str:
    grid_kw = 0.0 if building.reading is None else building.reading.grid_kw
    return _straight(place, CENTRE, -grid_kw, "use" if grid_kw > 0 else "solar")


def _straight(outer: Point, centre: Point, inward_kw: float, kind: str) -> str:
    """A line with moving dots, towards the centre when `inward_kw` > 0; invisible when nothing flows."""
    start, end = (outer, centre) if inward_kw > 0 else (centre, outer)
    path = f"M{start[0]:.1f} {start[1]:.1f} L{end[0]:.1f} {end[1]:.1f}"
    return _moving(path, kind, 0.0 if abs(inward_kw) < QUIET_KW else min(3.0, 1.2 + abs(inward_kw) / 20))


def _trade(seller: Point, buyer: Point) -> str:
    """A green curve from seller to buyer, bent towards the middle."""
    bend = [0.3 * (a + b) / 2 + 0.7 * middle for a, b, middle in zip(seller, buyer, CENTRE, strict=True)]
    path = f"M{seller[0]:.1f} {seller[1]:.1f} Q{bend[0]:.1f} {bend[1]:.1f} {buyer[0]:.1f} {buyer[1]:.1f}"
    return _moving(path, "surplus", 1.8)


def _moving(path: str, kind: str, width: float) -> str:
    dots = "".join(
        f'<circle class="dot moving {kind}" r="{2.6 if width else 0}">'
        f'<animateMotion dur="4s" begin="-{begin}s" repeatCount="indefinite" path="{path}"/></circle>'
        for begin in (0.0, 1.3, 2.7)
    )
    return f'<g><path class="flow {kind}" stroke-width="{width:.1f}" d="{path}"/>{dots}</g>'


def _power(kilowatts: float) -> str:
    return f"{kilowatts:.0f} kW" if abs(kilowatts) >= 100 else f"{kilowatts:.1f} kW"
