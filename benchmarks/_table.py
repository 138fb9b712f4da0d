"""What all benchmarks share: run both sides by turns, print a table, write JSON."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from cli.tables import table_console

Row = Mapping[str, Any]


def measure(sides: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median wall time of each side [ms]; one run of each to warm up, then all by turns, so that noise hits all."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, work in sides.items():
            begin = time.perf_counter()
            work()
            if turn:
                times[name].append((time.perf_counter() - begin) * 1000)
    return {name: statistics.median(found) for name, found in times.items()}


def against(times: Mapping[str, float], baseline: str) -> list[Row]:
    """One row per side: its time [ms], and how many times the baseline's that is [1]"""
    return [
        {"what": name, "median_ms": round(ms, 3), "ratio": round(ms / times[baseline], 4)} for name, ms in times.items()
    ]


def show(title: str, rows: list[Row], json_file: str | None) -> None:
    """Print the table; with `json_file` write the rows there too, or to the screen instead when it is '-'."""
    show_figures(title, rows, json_file, {})


def _print(name: str, value: object) -> None:
    """What lies deeper than two levels is in the JSON alone."""
    if not _is_deep(value):
        print(f"{name}: {value}")
        return
    assert isinstance(value, dict)
    for key, one in value.items():
        if not _is_deep(one):
            print(f"{name}.{key}: {one}")


def _is_deep(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(one, dict) for one in value.values())


def show_figures(title: str, rows: Sequence[Row], json_file: str | None, figures: Row) -> None:
    """The same with single figures, which stand beside the title in the JSON and under the table."""
    text = json.dumps({"benchmark": title, **figures, "rows": rows}, indent=1)
    if json_file == "-":
        print(text)
        return
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name, no_wrap=True, justify="left" if name in ("what", "unit", "target") else "right")
    for row in rows:
        table.add_row(*[str(value) for value in row.values()])
    table_console().print(table)
    for name, value in figures.items():
        _print(name, value)
    if json_file is not None:
        Path(json_file).write_text(text + "\n", encoding="utf-8")
