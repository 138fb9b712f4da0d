"""A picture of a building's readings: load and solar, battery, grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

from simulation.errors import MicrogridError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOAD, SOLAR, BATTERY, CHARGE, IMPORT, EXPORT = "#33415c", "#e09f1f", "#2a9d8f", "#7b4fa3", "#c1440e", "#4c9f38"
SMOOTHED_FROM_DAYS = 3
"""From so many days on, minutes are drawn as means of a quarter of an hour, or nobody sees anything."""


class PlotError(MicrogridError):
    """The picture cannot be drawn or written; the text says why."""


def draw_readings(readings: pd.DataFrame, title: str, timezone: str, path: Path) -> None:
    """Write a picture; its kind follows the ending (.png, .svg, .pdf).

    `readings` has the columns of a reading, with `timestamp` in UTC; the time axis shows the clocks of `timezone`.
    Raises PlotError when the file cannot be written.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    frame = _to_draw(readings, timezone)
    figure, axes = pyplot.subplots(3, 1, figsize=(12, 8), sharex=True, layout="constrained")
    try:
        _draw_flows(axes[0], frame)
        _draw_battery(axes[1], frame)
        _draw_grid(axes[2], frame, timezone)
        axes[0].set_title(title, loc="left", fontweight="bold")
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise PlotError(f"{path}: cannot be written ({error})") from error
    finally:
        pyplot.close(figure)


def _to_draw(readings: pd.DataFrame, timezone: str) -> pd.DataFrame:
    """Local time as index; longer stretches as means of quarters of an hour, in which a gap stays empty."""
    frame = readings.set_index("timestamp")[["load_kw", "pv_kw", "battery_kw", "soc", "grid_kw"]]
    long = len(frame) > SMOOTHED_FROM_DAYS * 1440
    return frame.resample("15min" if long else "1min").mean().tz_convert(timezone)


def _draw_flows(axes: Axes, frame: pd.DataFrame) -> None:
    x: Any = frame.index
    axes.fill_between(x, frame["pv_kw"].to_numpy(), color=SOLAR, alpha=0.55, lw=0, label="solar")
    axes.plot(x, frame["load_kw"].to_numpy(), color=LOAD, lw=0.9, label="load")
    _finish(axes, "load, solar [kW]")


def _draw_battery(axes: Axes, frame: pd.DataFrame) -> None:
    x: Any = frame.index
    if frame["soc"].isna().all():
        axes.text(0.5, 0.5, "no battery", transform=axes.transAxes, ha="center", va="center", color="grey")
        _finish(axes, "battery [kW]", legend=False)
        axes.set_yticks([])
        return
    power = frame["battery_kw"].to_numpy()
    axes.fill_between(x, power, color=BATTERY, alpha=0.55, lw=0, label="battery power (above 0 charges)")
    axes.plot([], [], color=CHARGE, lw=1, label="state of charge")
    _finish(axes, "battery [kW]")
    charge = axes.twinx()
    charge.plot(x, 100 * frame["soc"].to_numpy(), color=CHARGE, lw=1)
    charge.set_ylim(0, 105)
    charge.set_ylabel("state of charge [%]")
    charge.spines["top"].set_visible(False)


def _draw_grid(axes: Axes, frame: pd.DataFrame, timezone: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    x: Any = frame.index
    grid = frame["grid_kw"].to_numpy()
    axes.fill_between(x, grid, where=grid >= 0, color=IMPORT, alpha=0.6, lw=0, label="import")
    axes.fill_between(x, grid, where=grid <= 0, color=EXPORT, alpha=0.6, lw=0, label="export")
    _finish(axes, "grid [kW]")
    zone = ZoneInfo(timezone)
    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
    axes.set_xlabel(f"time ({timezone})")
    axes.margins(x=0)


def _finish(axes: Axes, label: str, legend: bool = True) -> None:
    axes.set_ylabel(label)
    axes.axhline(0, color="grey", lw=0.6)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if legend:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, ncols=2, frameon=False)
