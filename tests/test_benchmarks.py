"""Every benchmark runs and writes what it prints."""

import json
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import _table

ALL = {path.stem for path in (Path(__file__).parents[1] / "benchmarks").glob("[a-z]*.py")}
NAMES = sorted(ALL - {"savings"})  # it needs recorded homes: tests/backtest/test_savings.py


SLOW = {"federation"}
SMALL = {
    "REPEATS": 1,
    "MINUTES": 60 * 1440,
    "DAYS": 40,
    "LIVE_BUILDINGS": 3,
    "LIVE_MINUTES": 30,
    "BUILDINGS": 2,
    "ROUNDS": 1,
    "VIRTUAL": (2,),
    "TURNS": 1,
    "MEMBERS": 100,
    "SLOTS": 2,
    "AGENT_SLOTS": 1,
    "TWINS": ("building_01",),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NAMES])
def test_it_writes_its_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module(f"benchmarks.{name}")
    for size, small in SMALL.items():
        if hasattr(module, size):
            monkeypatch.setattr(module, size, small)
    module.main(str(tmp_path / "out.json"))
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert len(rows) >= 2
    assert all(row["value"] >= 0 if "value" in row else row["median_ms"] > 0 and row["ratio"] > 0 for row in rows)


def test_sides_are_run_by_turns_and_the_first_turn_does_not_count() -> None:
    order: list[str] = []
    times = _table.measure({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3
    assert set(times) == {"a", "b"}
    assert _table.against({"a": 2.0, "b": 3.0}, "a")[1] == {"what": "b", "median_ms": 3.0, "ratio": 1.5}
