"""`./microgrid simulate`: figures that add up, a picture with axes, files that a building could have written."""

import re
import struct
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from building_clients.readings_store import ReadingsStore
from cli.main import app
from cli.scenario import ScenarioError
from simulation.energy import EnergyTotals, energy_of
from simulation.plot import PlotError, draw_readings
from simulation.settings import BuildingConfig, SiteConfig
from simulation.simulator import SimulatedBuilding
from tests.simulation.test_building import HOUSE, NOON, simulation

SCENARIO = Path(__file__).parents[2] / "microgrid.toml"


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["simulate", "--scenario", str(SCENARIO), *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def size_of(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_a_week_is_drawn(tmp_path: Path) -> None:
    output = run("--days", 7, "--plot", tmp_path / "out.png")
    assert f"wrote {tmp_path / 'out.png'}" in output
    assert "B1 Linden home" in output
    assert "B2" not in output
    assert size_of((tmp_path / "out.png").read_bytes()) > (1000, 600)


@pytest.mark.parametrize("config", [HOUSE, BuildingConfig(id="F", profile="flat")])
def test_every_axis_has_its_unit(tmp_path: Path, config: BuildingConfig) -> None:
    """In an SVG the words can be read."""
    readings = simulation(config).readings_before(NOON, 2)
    draw_readings(readings, "Some house", "Europe/Berlin", tmp_path / "out.svg")
    words = re.findall(r"<!-- (.*?) -->", (tmp_path / "out.svg").read_text())
    for label in ("Some house", "load, solar [kW]", "battery [kW]", "grid [kW]", "time (Europe/Berlin)", "import"):
        assert label in words
    assert ("state of charge [%]" in words) == (config is HOUSE)
    assert ("no battery" in words) == (config is not HOUSE)


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    readings = simulation().readings_before(NOON, 1)
    with pytest.raises(PlotError, match=r"out\.xyz: cannot be written"):
        draw_readings(readings, "", "UTC", tmp_path / "out.xyz")
    with pytest.raises(PlotError, match="cannot be written"):
        draw_readings(readings, "", "UTC", tmp_path / "nowhere" / "out.png")


def test_files_are_those_of_a_building(tmp_path: Path) -> None:
    output = run("--days", 50, "--out", tmp_path / "data", "--building", "B1", "--start", "2026-01-20")
    with ReadingsStore(tmp_path / "data" / "B1" / "readings", "B1") as store:
        frame = store.frame()
        assert store.verify() == 50 * 1440
    assert frame.index[0] == pd.Timestamp("2026-01-19 23:00", tz="UTC")
    assert sorted(path.name for path in (tmp_path / "data" / "B1" / "readings").glob("*.csv")) == [
        "2026-01.csv",
        "2026-02.csv",
        "2026-03.csv",
    ]
    told = re.search(r"B1 Linden home +([\d.,]+)", output)
    assert told is not None
    assert float(told[1].replace(",", "")) == pytest.approx(frame["load_kw"].sum() / 60, abs=0.06)


def test_without_options_all_buildings_are_told() -> None:
    output = run("--days", 1)
    assert [name for name in ("B1", "B2", "B3", "B4", "B5") if name not in output] == []
    assert "2026-06-17 00:00" in output


def test_too_long_a_picture_and_an_unknown_building() -> None:
    with pytest.raises(ScenarioError, match="a picture shows at most 400 days; use --out"):
        run("--days", 5000, "--plot", "out.png")
    with pytest.raises(ScenarioError, match="no building 'B99'"):
        run("--building", "B99")


def test_energy_adds_up() -> None:
    """Import less export is load less solar plus what the battery took; two halves are the whole."""
    readings = simulation().readings_before(NOON, 10)
    total = energy_of(readings)
    balance = total.load_kwh - total.pv_kwh + total.charged_kwh - total.discharged_kwh
    assert total.import_kwh - total.export_kwh == pytest.approx(balance, abs=1e-6)
    halves = energy_of(readings.iloc[:5000]) + energy_of(readings.iloc[5000:])
    assert vars(halves) == pytest.approx(vars(total))
    assert total.self_sufficiency == pytest.approx(1 - total.import_kwh / total.load_kwh)
    assert EnergyTotals().self_sufficiency is None
    assert EnergyTotals().self_consumption is None
    assert energy_of(readings.iloc[:0]) == EnergyTotals()


def test_the_source_and_the_readings_agree() -> None:
    flows = SimulatedBuilding(HOUSE, SiteConfig(), 7).minutes(NOON - timedelta(days=1), 1440)
    readings = simulation().readings_before(NOON, 1)
    assert readings["load_kw"].to_numpy() == pytest.approx(flows.load_kw, abs=5e-5)
