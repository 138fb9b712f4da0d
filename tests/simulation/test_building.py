"""Readings of simulated buildings: believable, repeatable, and the same live and back-filled."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from building_clients.reading_row import COLUMNS, format_reading, format_row
from cli.scenario import load_scenario
from simulation.building import BuildingSimulation
from simulation.settings import BuildingConfig, SiteConfig
from simulation.simulator import SimulatedBuilding
from simulation.weather import weather_day

SITE = SiteConfig()
NOON = datetime(2026, 6, 17, 12, 0, tzinfo=UTC)
HOUSE = BuildingConfig(id="H", annual_load_kwh=4200, peak_solar_kw=9, battery_capacity_kwh=6)


def year(config: BuildingConfig) -> pd.DataFrame:
    return SimulatedBuilding(config, SITE, 7).backfill(datetime(2027, 1, 1, tzinfo=UTC), 365)


@pytest.mark.parametrize("profile", ["family_home", "office"])
def test_the_year_uses_the_configured_energy(profile: str) -> None:
    config = BuildingConfig.model_validate({"id": "H", "profile": profile, "annual_load_kwh": 10_000})
    assert year(config)["load_kw"].sum() / 60 == pytest.approx(10_000, rel=0.06)


def test_solar_follows_the_sun() -> None:
    """Nothing at night, most around solar noon, 800 to 1,300 kWh per kW and year at 48 degrees north."""
    frame = year(HOUSE)
    hour = frame["timestamp"].dt.hour
    assert frame["pv_kw"][hour.isin([22, 23, 0, 1])].max() == 0
    assert 800 < frame["pv_kw"].sum() / 60 / 9 < 1300
    assert np.argmax(frame.groupby(hour)["pv_kw"].mean().to_numpy()) in (10, 11, 12)
    assert frame["pv_kw"].max() <= 9


def test_neighbours_share_the_weather() -> None:
    assert weather_day(SITE, 7, NOON.date()) is weather_day(SITE, 7, NOON.date())
    other = HOUSE.model_copy(update={"id": "I", "annual_load_kwh": 9000})
    ours, theirs = (SimulatedBuilding(config, SITE, 7).backfill(NOON, 5) for config in (HOUSE, other))
    assert np.array_equal(ours["pv_kw"], theirs["pv_kw"])
    assert np.corrcoef(ours["load_kw"], theirs["load_kw"])[0, 1] < 0.9


def test_live_rows_are_the_bytes_of_back_filled_rows() -> None:
    batch = BuildingSimulation(HOUSE, SimulatedBuilding(HOUSE, SITE, 7)).readings_before(NOON, 2)
    live = BuildingSimulation(HOUSE, SimulatedBuilding(HOUSE, SITE, 7))
    for row in batch.to_dict("records"):
        time, *flows = (row[name] for name in COLUMNS[1:])
        expected = format_row(row["seq"], f"{time:%Y-%m-%dT%H:%M:%SZ}", *flows)
        assert format_reading(live.step(time.to_pydatetime(), row["seq"])) == expected


def test_every_row_balances() -> None:
    frame = BuildingSimulation(HOUSE, SimulatedBuilding(HOUSE, SITE, 7)).readings_before(NOON, 7)
    balance = frame["load_kw"] - frame["pv_kw"] + frame["battery_kw"] - frame["grid_kw"]
    assert balance.abs().max() < 1e-9
    assert (frame["net_flow_kw"] + frame["load_kw"] - frame["pv_kw"]).abs().max() < 1e-9
    assert (frame["timestamp"].diff().dropna() == pd.Timedelta("1min")).all()


def test_a_restart_goes_on_with_the_battery_as_it_was() -> None:
    through = BuildingSimulation(HOUSE, SimulatedBuilding(HOUSE, SITE, 7))
    first = [through.step(NOON + timedelta(minutes=seq), seq) for seq in range(30)]
    resumed = BuildingSimulation(HOUSE, SimulatedBuilding(HOUSE, SITE, 7), first[-1])
    moment = NOON + timedelta(minutes=30)
    assert resumed.step(moment, 30).soc == pytest.approx(through.step(moment, 30).soc, abs=2e-5)


def test_the_demonstration_starts_with_something_to_trade() -> None:
    """In each of the first eight slots somebody has surplus after the battery and somebody has a deficit."""
    scenario = load_scenario(Path(__file__).parents[2] / "microgrid.toml")
    start, hours = scenario.clock.start, 2
    flows = []
    for config in scenario.building:
        simulation = BuildingSimulation(config, SimulatedBuilding(config, scenario.site, scenario.clock.seed))
        frame = simulation.readings_before(start + timedelta(hours=hours), 1).tail(hours * 60)
        flows.append(frame["grid_kw"].to_numpy().reshape(-1, scenario.clock.slot_minutes).mean(axis=1))
    grid = np.array(flows)
    assert ((grid < -0.05).any(axis=0) & (grid > 0.05).any(axis=0)).all(), grid.round(2)
