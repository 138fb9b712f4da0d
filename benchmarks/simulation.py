"""The simulated world: speed and memory of a year of minutes, live ticks, the peer, and how true the physics is."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._physics import HOMES, battery_error, clear_day_error, homes_check
from benchmarks._table import show_figures
from building_clients.readings_store import ReadingsStore
from cli.scenario import Scenario, load_scenario
from simulation.building import BuildingSimulation
from simulation.settings import BuildingConfig, SiteConfig
from simulation.simulator import SimulatedBuilding
from simulation.weather import weather

PROJECT = Path(__file__).parents[1]
END = datetime(2027, 1, 1, tzinfo=UTC)
DAYS = 365
PEER_DAYS = 28
LIVE_BUILDINGS, LIVE_MINUTES = 100, 1440
TWINS: Sequence[str] | None = None
"""Measured homes that get a simulated twin; None for all of the folder."""
PEER_PYTHON = "MICROGRID_CITYLEARN_PYTHON"
"""Environment variable: a Python that has CityLearn, when this one has not."""


def main(json_file: str | None) -> None:
    """Measure all and print it."""
    scenario = load_scenario(PROJECT / "microgrid.toml")
    rows = [*_batch(scenario), *_memory(), *_live(scenario), *_peer(scenario), *_physics()]
    by_name = {row["what"]: row["value"] for row in rows}
    figures: dict[str, Any] = {"building_steps_per_cpu_s": by_name["building_steps_per_cpu_s"]}
    if "times_citylearn" not in by_name:
        figures["citylearn"] = f"not installed; set {PEER_PYTHON} to a Python that has it"
    show_figures(f"simulation, {len(scenario.building)} buildings, {DAYS} days", rows, json_file, figures)


def _row(what: str, value: float, unit: str, target: str = "") -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "target": target}


def _simulations(scenario: Scenario, seed: int) -> list[BuildingSimulation]:
    return [BuildingSimulation(one, SimulatedBuilding(one, scenario.site, seed)) for one in scenario.building]


def _batch(scenario: Scenario) -> list[dict[str, Any]]:
    """Minutes of all buildings, vectorised: into memory month by month, then into CSV files."""
    steps, begin = 0, time.process_time()
    for chunks in zip(*[one.history(END, DAYS) for one in _simulations(scenario, 1)], strict=True):
        steps += sum(map(len, chunks))
    memory_s = time.process_time() - begin
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        stores = [ReadingsStore(Path(folder) / one.id, one.id) for one in scenario.building]
        for chunks in zip(*[one.history(END, DAYS) for one in _simulations(scenario, 2)], strict=True):
            for store, chunk in zip(stores, chunks, strict=True):
                store.extend(chunk)
        for store in stores:
            store.close()
    return [
        _row("building_steps_per_cpu_s", round(steps / memory_s), "minutes/s", ">= 200,000"),
        _row("backfill_to_csv_cpu_s", round(time.process_time() - begin, 2), "s", "< 30 for 5 buildings x 1 year"),
    ]


GROWTH = """
import resource, sys
from benchmarks.simulation import peak_mb
print(peak_mb(int(sys.argv[1])))
"""


def peak_mb(days: int) -> float:
    """Largest memory of this process after simulating one building for so many days [MB]"""
    house = BuildingConfig(id="H", peak_solar_kw=5, battery_capacity_kwh=5)
    for _ in BuildingSimulation(house, SimulatedBuilding(house, SiteConfig(), 7)).history(END, days):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _memory() -> list[dict[str, Any]]:
    """The same program for two months and for as long as the benchmark runs, twice."""
    peaks = []
    for days in (62, max(62, 2 * DAYS)):
        done = subprocess.run(
            [sys.executable, "-c", GROWTH, str(days)], cwd=PROJECT, check=True, capture_output=True, text=True
        )
        peaks.append(float(done.stdout))
    return [
        _row("peak_memory_2_months", round(peaks[0]), "MB"),
        _row(f"peak_memory_{max(62, 2 * DAYS)}_days", round(peaks[1]), "MB", "grows with the chunk only"),
    ]


def _live(scenario: Scenario) -> list[dict[str, Any]]:
    """A day of ticks of many buildings in one process, each written to its CSV; the new day at midnight included."""
    count = len(scenario.building)
    houses = [scenario.building[i % count].model_copy(update={"id": f"L{i}"}) for i in range(LIVE_BUILDINGS)]
    simulations = [BuildingSimulation(one, SimulatedBuilding(one, scenario.site, 3)) for one in houses]
    slowest, start, begin = 0.0, datetime(2026, 6, 17, 12, tzinfo=UTC), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        stores = [ReadingsStore(Path(folder) / one.id, one.id) for one in houses]
        for minute in range(LIVE_MINUTES):
            tick = time.process_time()
            for one, store in zip(simulations, stores, strict=True):
                reading = one.step(start + timedelta(minutes=minute), minute)
                assert reading is not None
                store.append(reading)
            slowest = max(slowest, time.process_time() - tick)
        total = time.process_time() - begin
        for store in stores:
            store.close()
    return [
        _row("live_tick_cpu_ms", round(1000 * total / LIVE_MINUTES / LIVE_BUILDINGS, 4), "ms", "< 1"),
        _row(f"slowest_tick_of_{LIVE_BUILDINGS}_buildings", round(slowest, 2), "s", "< 1 (speed 60)"),
    ]


def _peer(scenario: Scenario) -> list[dict[str, Any]]:
    """CityLearn's environment stepped over the same buildings, against this simulator over as many steps."""
    python = os.environ.get(PEER_PYTHON, sys.executable)
    if subprocess.run([python, "-c", "import citylearn"], capture_output=True, check=False).returncode:
        return []
    with tempfile.TemporaryDirectory() as folder:
        for number, one in enumerate(scenario.building):
            flows = SimulatedBuilding(one, scenario.site, 7).minutes(END - timedelta(days=PEER_DAYS), PEER_DAYS * 1440)
            for name, values in (("load", flows.load_kw), ("pv", flows.pv_kw)):
                np.save(Path(folder) / f"{name}_{number}.npy", values.reshape(-1, 60).mean(axis=1))
        program = [python, str(PROJECT / "benchmarks" / "_citylearn.py"), folder, str(len(scenario.building))]
        done = subprocess.run(program, check=True, capture_output=True, text=True)
    peer = json.loads(done.stdout.splitlines()[-1])
    theirs = peer["building_steps"] / peer["cpu_s"]
    weather.cache_clear()
    begin, steps = time.process_time(), 0
    for chunks in zip(*[one.history(END, max(DAYS, 60)) for one in _simulations(scenario, 4)], strict=True):
        steps += sum(map(len, chunks))
    ours = steps / (time.process_time() - begin)
    return [
        _row(f"citylearn_{peer['version']}_steps_per_cpu_s", round(theirs), "hours/s"),
        _row("times_citylearn", round(ours / theirs, 1), "1", ">= 20"),
    ]


def _physics() -> list[dict[str, Any]]:
    """Against pvlib, CityLearn's battery, and the measured homes where they lie beside the project."""
    house = BuildingConfig(id="H", peak_solar_kw=5, tilt_deg=35, azimuth_deg=200)
    pvlib_error = clear_day_error(SiteConfig(), date(2026, 6, 21), house)
    rows = [
        _row("clear_day_against_pvlib", round(pvlib_error, 6), "1", "< 0.01"),
        _row("battery_against_citylearn", round(battery_error(), 8), "1", "< 0.000001"),
    ]
    for one in homes_check(HOMES, TWINS) if HOMES.is_dir() else []:
        rows.append(_row(f"{one.home}_clear_day_r", round(one.clear_day_r, 3), "1", ">= 0.9"))
        rows.append(_row(f"{one.home}_yield_simulated_over_measured", round(one.yield_ratio, 3), "1", "0.9 to 1.1"))
    return rows
