"""Learning together: a gradient step, a round on real processes, memory, and many virtual buildings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks._live_federation import LiveRun, live_run
from benchmarks._table import Row, measure, show_figures
from benchmarks._training_step import step_times
from benchmarks._virtual_federation import VirtualRun, virtual_run
from benchmarks.inference import made_up, minutes_of
from building_clients.architecture import initial_weights
from building_clients.calibration import calibrated_on, forecast_samples
from building_clients.forecaster import Forecaster
from building_clients.inference import OnnxModel
from building_clients.learner import FORECAST_DAYS
from building_clients.windows import Series
from cli.tables import table_console

BUILDINGS = 5
ROUNDS = 24
VIRTUAL = (100, 1000)
HORIZON, SLOT_MINUTES = 96, 15
MINUTE = timedelta(minutes=1)
REPEATS = 31


@dataclass(frozen=True)
class Figures:
    """All that was measured."""

    steps: dict[str, float]
    """Wall time of a gradient step by side [ms]"""
    forecast_ms: dict[str, float]
    """One forecast by how much is ready: `serving` (newest window, network, correction), `from readings` [ms]"""
    live: LiveRun
    """A run on real processes."""
    virtual: list[VirtualRun]
    """Runs of virtual buildings."""


def main(json_file: str | None) -> None:
    """Measure everything, with progress, and print the table."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=table_console()) as progress:
        task = progress.add_task("a gradient step")
        found = _measured(lambda text: progress.update(task, description=text))
    show_figures(f"federation, {BUILDINGS} buildings, {ROUNDS} rounds", _rows(found), json_file, _figures(found))


def _measured(tick: Callable[[str], None]) -> Figures:
    steps, forecast_ms = step_times(), _forecast_ms()
    live = live_run(BUILDINGS, ROUNDS, lambda text: tick(f"{BUILDINGS} buildings: {text}"))
    virtual = [virtual_run(count, lambda text, n=count: tick(f"{n} virtual buildings: {text}")) for count in VIRTUAL]  # type: ignore[misc]  # mypy does not see the default of a lambda
    return Figures(steps, forecast_ms, live, virtual)


def _forecast_ms() -> dict[str, float]:
    weights, slots = initial_weights(HORIZON, 7), made_up(FORECAST_DAYS)
    series, model = Series(slots), OnnxModel(weights, HORIZON)
    calibration = calibrated_on(series, model, len(slots))
    forecaster, readings = Forecaster("B1", SLOT_MINUTES), minutes_of(slots, SLOT_MINUTES)
    forecaster.use(weights)
    work: dict[str, Callable[[], object]] = {
        "serving": lambda: forecast_samples(model, series.newest(), calibration),
        "from readings": lambda: forecaster.forecast(readings, readings.index[-1] + MINUTE, len(slots), 1),
    }
    return measure(work, REPEATS)


def _figures(found: Figures) -> dict[str, Any]:
    ours = found.steps["ours"]
    return {
        "train_step_ms": round(ours, 3),
        "fit_step_ms": round(found.steps["keras fit"], 3),
        "speedup_vs_fit": round(found.steps["keras fit"] / ours, 3),
        "round_overhead_s": round(found.live.overhead_s, 2),
        "forecast_ms": round(found.forecast_ms["serving"], 3),
        "forecast_from_readings_ms": round(found.forecast_ms["from readings"], 3),
        "idle_memory_mb": round(found.live.idle_mb, 1),
        "trained_memory_mb": round(found.live.trained_mb, 1),
        "supernode_memory_mb": round(found.live.supernode_mb, 1),
        f"rounds_{ROUNDS}_s": round(found.live.seconds, 1),
        "virtual": {
            str(one.buildings): {
                "round_s": round(one.round_s, 1),
                "peak_memory_mb": round(one.peak_mb),
                "trained": one.trained,
            }
            for one in found.virtual
        },
    }


def _rows(found: Figures) -> list[Row]:
    ours, live = found.steps["ours"], found.live
    rows = [_row(f"gradient step, {name}", ms, "ms") for name, ms in found.steps.items()]
    rows += [
        _row("keras fit over ours", found.steps["keras fit"] / ours, "times", ">= 2"),
        _row("one forecast, serving", found.forecast_ms["serving"], "ms", "< 1"),
        _row(f"one forecast, from {FORECAST_DAYS} days of readings", found.forecast_ms["from readings"], "ms"),
        _row(f"{ROUNDS} rounds, start and release included", live.seconds, "s", "< 120"),
        _row("a round, median", live.round_s, "s"),
        _row("the first round", live.first_round_s, "s"),
        _row("a round less its slowest training, median", live.overhead_s, "s", "<= 8, aim 4"),
        _row("building's process, idle", live.idle_mb, "MB", "< 250"),
        _row("building's process, trained", live.trained_mb, "MB"),
        _row("its SuperNode, idle", live.supernode_mb, "MB"),
    ]
    for one in found.virtual:
        rows += [
            _row(f"{one.buildings} virtual buildings, that trained", one.trained, "1", f"{one.buildings}"),
            _row(f"{one.buildings} virtual buildings, a round", one.round_s, "s"),
            _row(f"{one.buildings} virtual buildings, peak of all processes", one.peak_mb, "MB", "flat"),
        ]
    return rows


def _row(what: str, value: float, unit: str, target: str = "") -> Row:
    return {"what": what, "value": round(value, 3), "unit": unit, "target": target}
