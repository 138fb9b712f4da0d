"""The building's CSV files after a year: the newest rows, against reading all of them with pandas."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._table import against, measure, show
from building_clients.readings_store import ReadingsStore

MINUTES = 365 * 1440
REPEATS = 7
DAY = 1440


def _year() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    load, pv = rng.uniform(0, 5, (2, MINUTES)).round(4)
    times = pd.date_range(datetime(2026, 1, 1, tzinfo=UTC), periods=MINUTES, freq="min")
    columns = {"load_kw": load, "pv_kw": pv, "battery_kw": 0.0, "soc": 0.5, "quality": "simulated"}
    flows = {"grid_kw": (load - pv).round(4), "net_flow_kw": (pv - load).round(4)}
    return pd.DataFrame({"seq": np.arange(MINUTES), "timestamp": times} | columns | flows)


def main(json_file: str | None) -> None:
    """Print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings"
        with ReadingsStore(path, "B1") as store:
            store.extend(_year())
        sides = {
            "pandas reads the files": lambda: [
                pd.read_csv(one, parse_dates=["timestamp"]) for one in path.glob("*.csv")
            ],
            "open the store": lambda: ReadingsStore(path, "B1").close(),
        }
        opened = measure(sides, REPEATS)
        with ReadingsStore(path, "B1") as store:
            reads = {
                "since: newest 500": lambda: store.since(MINUTES - 501, 500),
                "since: 500 of half a year ago": lambda: store.since(MINUTES // 2, 500),
                "frame: newest 28 days": lambda: store.frame(28 * DAY),
            }
            times = opened | measure(reads, REPEATS)
        megabytes = sum(one.stat().st_size for one in path.glob("*.csv")) / 1e6
    title = f"readings of a year ({MINUTES} rows, {megabytes:.0f} MB)"
    show(title, against(times, "pandas reads the files"), json_file)
