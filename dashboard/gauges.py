"""Two rings: self-sufficiency and the solar energy used here."""

from __future__ import annotations

from math import pi

RADIUS = 66
NOTHING = "\N{EN DASH}"


def gauges_svg(self_sufficiency: float | None, solar_used_here: float | None) -> str:
    """Both rings side by side; a share of None shows a dash [1]"""
    left = _ring(90, self_sufficiency, "surplus", "self-sufficient")
    right = _ring(270, solar_used_here, "solar", "solar used here")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 360 180" role="img" '
        f'aria-label="Self-sufficiency and solar used here">{left}{right}</svg>'
    )


def _ring(centre_x: float, share: float | None, kind: str, label: str) -> str:
    around = 2 * pi * RADIUS
    length = around * (share or 0.0)
    value = NOTHING if share is None else f"{share * 100:.0f} %"
    return (
        f'<g transform="translate({centre_x} 90)"><circle class="track" r="{RADIUS}" stroke-width="14"/>'
        f'<circle class="ring {kind}" r="{RADIUS}" stroke-width="{14 if length else 0}" transform="rotate(-90)" '
        f'stroke-dasharray="{length:.1f} {around:.1f}" style="transition: stroke-dasharray 1s"/>'
        f'<text class="strong" y="4" font-size="27">{value}</text>'
        f'<text class="muted" y="26" font-size="13">{label}</text></g>'
    )
