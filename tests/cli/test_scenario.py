"""The scenario reads back what it wrote and names what is wrong with a bad one."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.scenario import Scenario, ScenarioError, dump_scenario, load_scenario, parse_scenario

ROOT = Path(__file__).parents[2]
MINIMAL = '[[building]]\nid = "B1"\n'


def load(folder: Path, text: str) -> Scenario:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path)


def test_default_has_five_unequal_buildings() -> None:
    buildings = load_scenario(ROOT / "microgrid.toml").building
    assert [building.id for building in buildings] == ["B1", "B2", "B3", "B4", "B5"]
    assert len({building.profile for building in buildings}) == 5
    assert any(building.peak_solar_kw == 0 for building in buildings)
    assert any(building.battery_capacity_kwh == 0 for building in buildings)


def test_written_scenario_reads_back_equal(tmp_path: Path) -> None:
    scenario = load_scenario(ROOT / "microgrid.toml")
    path = tmp_path / "copy.toml"
    path.write_text(dump_scenario(scenario), encoding="utf-8")
    assert load_scenario(path) == scenario


METER = 'meter = { broker = "mqtt://127.0.0.1", topic = "t" }\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL + "peak_solar_kwp = 3\n", r"my\.toml: unknown key building\[B1\]\.peak_solar_kwp; remove it"),
        (MINIMAL + "[weather]\n", r"my\.toml: unknown key weather"),
        (
            MINIMAL + "battery_capacity_kwh = -1\n",
            r"building\[B1\]\.battery_capacity_kwh = -1: .*greater than or equal",
        ),
        (
            MINIMAL + "battery_round_trip_efficiency = 1.1\n",
            r"round_trip_efficiency = 1\.1: .*less than or equal",
        ),
        (MINIMAL + "battery_standing_loss = 1\n", "battery_standing_loss = 1: .*less than 1"),
        (
            MINIMAL + "battery_min_soc = 0.9\nbattery_max_soc = 0.2\n",
            r"building\[B1\]: battery_min_soc = 0\.9 must be below battery_max_soc = 0\.2",
        ),
        (
            MINIMAL + "battery_capacity_kwh = 5\nbattery_min_soc = 0.6\n",
            r"building\[B1\]: battery_initial_soc = 0\.5 must lie between",
        ),
        (MINIMAL + "tilt_deg = -10\n", "tilt_deg = -10: .*greater than or equal to 0"),
        (MINIMAL + "tilt_deg = 120\n", "tilt_deg = 120: .*less than or equal to 90"),
        (MINIMAL + "azimuth_deg = 360\n", "azimuth_deg = 360: .*less than 360"),
        (MINIMAL + "inverter_kw = 0\n", "inverter_kw = 0: .*greater than 0"),
        (MINIMAL + "solar_losses = 1\n", "solar_losses = 1: .*less than 1"),
        (MINIMAL + "annual_load_kwh = nan\n", "annual_load_kwh = nan: .*finite"),
        (MINIMAL + "battery_power_kw = 3\n", r"unknown key building\[B1\]\.battery_power_kw"),
        (MINIMAL + "[site]\nclear_sky_index = 1.2\n", r"site\.clear_sky_index = 1\.2: .*less than or equal to 1"),
        (MINIMAL + METER, "building B1 has a live meter, which needs clock.speed = 1"),
        (MINIMAL + METER + '[clock]\nspeed = 1\n[replay]\ndirectory = "x"\n', "has a live meter and cannot replay"),
        (MINIMAL + METER.replace("mqtt:", "http:"), r"building\[B1\]\.meter\.broker = .*pattern"),
        (MINIMAL + METER.replace("}", ", fields = { power = { path = 'p' } } }"), r"meter\.fields.*load.*solar"),
        (MINIMAL + '[[building]]\nid = "b1"\n', "two buildings are called 'b1'"),
        (MINIMAL + "[clock]\nslot_minutes = 7\n", "slot_minutes = 7 must divide 60"),
        (MINIMAL + "[clock]\nstart = 2026-06-17T10:30:00\n", r"clock\.start = .*timezone"),
        (MINIMAL + "[market]\nretail_per_kwh = 0.05\n", "feed_in_per_kwh = 0.08 must be below"),
        (MINIMAL + '[site]\ntimezone = "Mars/Base"\n', "unknown time zone 'Mars/Base'"),
        ("[[building]\n", r"my\.toml: not valid TOML: .*line 1"),
        ("", "building"),
    ],
)
def test_bad_scenarios_are_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ScenarioError, match=expected):
        load(tmp_path, text)


def test_a_real_site_starts_now(tmp_path: Path) -> None:
    scenario = load(tmp_path, MINIMAL + METER + '[clock]\nstart = "now"\nspeed = 1\n')
    assert abs(scenario.clock.start - datetime.now(UTC)) < timedelta(seconds=5)
    assert parse_scenario(tomllib.loads(dump_scenario(scenario)), "again") == scenario


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no such scenario; copy microgrid\.toml"):
        load_scenario(tmp_path / "none.toml")
