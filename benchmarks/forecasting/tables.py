"""Cells and tables of the report; a dash where there is no number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]


def number(value: float | None) -> str:
    """With four decimals."""
    return "-" if value is None else f"{value:.4f}"


def percent(value: float | None, decimals: int = 1) -> str:
    """A share as a signed percentage."""
    return "-" if value is None else f"{value:+.{decimals}%}"


def pair(values: Sequence[float | None]) -> str:
    """The nearest and the farthest horizon."""
    return f"{number(values[0])} / {number(values[-1])}"


def interval(one: dict[str, float | None]) -> str:
    """A difference with its interval, which is a dash where there is none."""
    ends = "-" if one["low"] is None else f"{percent(one['low'])} to {percent(one['high'])}"
    return f"{percent(one['mean'])} ({ends})"
