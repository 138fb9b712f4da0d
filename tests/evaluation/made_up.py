"""Homes that were never measured, as files in the documented format."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np


def write_homes(folder: Path, count: int, days: int, interval_minutes: int = 60, start: str = "2026-01-01") -> Path:
    """`building_01.csv` and so on: load with an evening peak, sun, weather that neighbours share."""
    folder.mkdir(parents=True, exist_ok=True)
    slots = days * 1440 // interval_minutes
    hour = np.arange(slots) * interval_minutes / 60 % 24
    shared = np.random.default_rng(0).uniform(0.3, 1.0, days).repeat(1440 // interval_minutes)
    times = np.datetime64(f"{start}T00:00") + np.arange(slots) * np.timedelta64(interval_minutes, "m")
    for number in range(1, count + 1):
        rng = np.random.default_rng(number)
        load = 0.4 + number / 5 + 1.5 * np.exp(-((hour - 19) ** 2) / 6) + rng.gamma(1, 0.3, slots)
        pv = np.maximum(0, np.sin((hour - 6) / 12 * np.pi)) * 3 * shared
        lines = [
            f"{time},{a * interval_minutes / 60:.4f},{b * interval_minutes / 60:.4f}"
            for time, a, b in zip(times, load, pv, strict=True)
        ]
        path = folder / f"building_{number:02}.csv"
        path.write_text("interval_start_local,load_kwh,pv_kwh\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return folder


def spoil(path: Path, rows: Iterable[int], column: int = 1) -> None:
    """Remove the load, or another column, of these rows."""
    lines = path.read_text().splitlines()
    for row in rows:
        cells = lines[1 + row].split(",")
        cells[column] = ""
        lines[1 + row] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
