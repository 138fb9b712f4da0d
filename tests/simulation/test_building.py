"""Readings of simulated buildings: believable, repeatable, and the same live and back-filled."""

import hashlib
import math
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


class Fixed:
    """A control that wants the same power all the time, and notes what it is told."""

    def __init__(self, wanted_kw: float) -> None:
        self.wanted_kw = wanted_kw
        self.asked: list[tuple[datetime, float]] = []
        self.told: list[tuple[datetime, float]] = []

    def set_point_kw(self, moment: datetime, net_flow_kw: float) -> float:
        self.asked.append((moment, net_flow_kw))
        return self.wanted_kw

    def delivered(self, moment: datetime, grid_kw: float) -> None:
        self.told.append((moment, grid_kw))


def test_without_a_control_the_battery_keeps_the_sun_in_the_house() -> None:
    reading = step(simulation(), NOON, 0)
    assert reading.battery_kw == pytest.approx(min(3.0, reading.net_flow_kw))


@pytest.mark.parametrize(("wanted_kw", "possible_kw"), [(1.5, 1.5), (-99.0, -3.0), (math.inf, 3.0), (-math.inf, -3.0)])
def test_a_control_is_followed_as_far_as_the_battery_can(wanted_kw: float, possible_kw: float) -> None:
    house, control = simulation(), Fixed(wanted_kw)
    assert house.follow(control)
    assert step(house, NOON, 0).battery_kw == possible_kw


def test_a_control_is_told_what_the_meter_saw() -> None:
    house, control = simulation(), Fixed(0.5)
    house.follow(control)
    readings = [step(house, NOON + timedelta(minutes=seq), seq) for seq in range(5)]
    assert control.asked == [(reading.timestamp, reading.net_flow_kw) for reading in readings]
    assert [moment for moment, _ in control.told] == [reading.timestamp for reading in readings]
    assert [kw for _, kw in control.told] == pytest.approx([reading.grid_kw for reading in readings])


def test_a_house_without_a_battery_tells_its_control_what_passes_the_meter() -> None:
    house, control = simulation(HOUSE.model_copy(update={"battery_capacity_kwh": 0.0})), Fixed(5.0)
    assert house.battery is None
    house.follow(control)
    reading = step(house, NOON, 0)
    assert (reading.battery_kw, reading.grid_kw) == (0.0, -reading.net_flow_kw)
    assert [kw for _, kw in control.told] == pytest.approx([reading.grid_kw])


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
