"""The scenario reads back what it wrote and names what is wrong with a bad one."""

from pathlib import Path

import pytest

from cli.scenario import ScenarioError, dump_scenario, load_scenario

ROOT = Path(__file__).parents[2]
MINIMAL = '[[building]]\nid = "B1"\n'


def load(folder: Path, text: str) -> None:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    load_scenario(path)


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL + "peak_solar_kwp = 3\n", r"my\.toml: unknown key building\[B1\]\.peak_solar_kwp; remove it"),
        (MINIMAL + "[weather]\n", r"my\.toml: unknown key weather"),
        (
            MINIMAL + "battery_capacity_kwh = -1\n",
            r"building\[B1\]\.battery_capacity_kwh = -1: .*greater than or equal",
        ),
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


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no such scenario; copy microgrid\.toml"):
        load_scenario(tmp_path / "none.toml")
