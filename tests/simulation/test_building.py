"""Readings of simulated buildings: believable, repeatable, and the same live and back-filled."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from building_clients.reading_row import COLUMNS, format_reading, format_row
from cli.scenario import load_scenario
from simulation.building import BuildingSimulation
from simulation.reading import Reading
from simulation.settings import BuildingConfig, SiteConfig
from simulation.simulator import SimulatedBuilding

ROOT = Path(__file__).parents[2]
SITE = SiteConfig()
NOON = datetime(2026, 6, 17, 12, 0, tzinfo=UTC)
HOUSE = BuildingConfig(id="H", annual_load_kwh=4200, peak_solar_kw=9, battery_capacity_kwh=6, battery_min_soc=0.1)


def simulation(config: BuildingConfig = HOUSE, last: Reading | None = None) -> BuildingSimulation:
    return BuildingSimulation(config, SimulatedBuilding(config, SITE, 7), last)


def step(house: BuildingSimulation, moment: datetime, seq: int) -> Reading:
    reading = house.step(moment, seq)
    assert reading is not None
    return reading


def test_two_processes_give_the_same_bytes() -> None:
    """Hash randomisation, order of questions and process make no difference."""
    script = """
import hashlib; from tests.simulation.test_building import NOON, simulation
frame = simulation().readings_before(NOON, 3)
print(hashlib.sha256(frame.to_csv().encode()).hexdigest())
"""
    prints = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    simulation().readings_before(NOON + timedelta(days=9), 30)
    here = hashlib.sha256(simulation().readings_before(NOON, 3).to_csv().encode()).hexdigest()
    assert prints == [f"{here}\n".encode()] * 2


def test_neighbours_share_the_weather_but_not_every_cloud() -> None:
    other = HOUSE.model_copy(update={"id": "I", "annual_load_kwh": 9000})
    ours, theirs = (simulation(config).readings_before(NOON, 20) for config in (HOUSE, other))
    by_hour = [frame.set_index("timestamp")["pv_kw"].resample("1h").mean() for frame in (ours, theirs)]
    assert by_hour[0].corr(by_hour[1]) > 0.97
    assert 0.8 < ours["pv_kw"].corr(theirs["pv_kw"]) < 0.995
    assert ours["load_kw"].corr(theirs["load_kw"]) < 0.7


def test_months_are_computed_one_by_one() -> None:
    """Whatever the chunks, the rows are those of shorter stretches that end at the same time."""
    until = datetime(2026, 3, 3, 5, 30, tzinfo=UTC)
    chunks = list(simulation().history(until, 40))
    assert [len(chunk) for chunk in chunks] == [(9 * 24 + 18) * 60 + 30, 28 * 1440, (2 * 24 + 5) * 60 + 30]
    whole = pd.concat(chunks, ignore_index=True)
    assert whole["seq"].tolist() == list(range(40 * 1440))
    short = simulation().readings_before(until, 2)
    columns = ["timestamp", "load_kw", "pv_kw", "net_flow_kw", "quality"]
    pd.testing.assert_frame_equal(whole[columns].tail(2880).reset_index(drop=True), short[columns])


def test_the_planner_sets_the_battery() -> None:
    house = simulation()
    house.set_point_kw = 1.5
    assert step(house, NOON, 0).battery_kw == 1.5
    house.set_point_kw = -99.0
    assert step(house, NOON + timedelta(minutes=1), 1).battery_kw == -3.0
    house.set_point_kw = None
    reading = step(house, NOON + timedelta(minutes=2), 2)
    assert reading.battery_kw == pytest.approx(min(3.0, reading.net_flow_kw))


def test_live_rows_are_the_bytes_of_back_filled_rows() -> None:
    batch, live = simulation().readings_before(NOON, 2), simulation()
    for row in batch.to_dict("records"):
        time, *flows = (row[name] for name in COLUMNS[1:])
        expected = format_row(row["seq"], f"{time:%Y-%m-%dT%H:%M:%SZ}", *flows)
        assert format_reading(step(live, time.to_pydatetime(), row["seq"])) == expected


def test_every_row_balances() -> None:
    frame = simulation().readings_before(NOON, 7)
    balance = frame["load_kw"] - frame["pv_kw"] + frame["battery_kw"] - frame["grid_kw"]
    assert balance.abs().max() < 1e-9
    assert (frame["net_flow_kw"] + frame["load_kw"] - frame["pv_kw"]).abs().max() < 1e-9
    assert (frame["timestamp"].diff().dropna() == pd.Timedelta("1min")).all()


def test_a_restart_goes_on_with_the_battery_as_it_was() -> None:
    through = simulation()
    first = [step(through, NOON + timedelta(minutes=seq), seq) for seq in range(30)]
    resumed = simulation(HOUSE, first[-1])
    moment = NOON + timedelta(minutes=30)
    assert step(resumed, moment, 30).soc == pytest.approx(step(through, moment, 30).soc, abs=2e-5)


def test_the_demonstration_starts_with_something_to_trade() -> None:
    """In each of the first eight slots somebody has surplus after the battery and somebody has a deficit."""
    scenario = load_scenario(Path(__file__).parents[2] / "microgrid.toml")
    start, hours = scenario.clock.start, 2
    flows = []
    for config in scenario.building:
        house = BuildingSimulation(config, SimulatedBuilding(config, scenario.site, scenario.clock.seed))
        frame = house.readings_before(start + timedelta(hours=hours), 1).tail(hours * 60)
        flows.append(frame["grid_kw"].to_numpy().reshape(-1, scenario.clock.slot_minutes).mean(axis=1))
    grid = np.array(flows)
    assert ((grid < -0.05).any(axis=0) & (grid > 0.05).any(axis=0)).all(), grid.round(2)
