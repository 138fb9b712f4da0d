"""Recordings: what is wrong is named with its line, and what is played is what was measured."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulation.building import BuildingSimulation
from simulation.replay import (
    ReplayedBuilding,
    ReplayError,
    ReplayFile,
    assign_files,
    read_replay_file,
    read_replay_folder,
    replay_start,
)
from simulation.settings import (
    BuildingConfig,
    ClockConfig,
    HistoryConfig,
    ReplayConfig,
    ReplayOfBuilding,
    SiteConfig,
)

HEAD = "interval_start_local,load_kwh,pv_kwh"
FONTANA = Path(__file__).parents[3] / "shared" / "data" / "fontana"
REPLAY = ReplayConfig(timezone="Etc/GMT+8")


def write(path: Path, *rows: str, head: str = HEAD) -> Path:
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def hours(count: int, start: str = "2020-01-01T00:00:00", load: float = 2.0, pv: float = 0.5) -> list[str]:
    first = datetime.fromisoformat(start)
    return [f"{(first + timedelta(hours=i)).isoformat()},{load},{pv}" for i in range(count)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2020-01-01T00:00,1,0", "2020-01-01T01:00,much,0"], r"line 3: load_kwh = 'much' is not a number of kWh"),
        (["2020-01-01T00:00,1,0", "2020-01-01T01:00,1,-2"], r"line 3: pv_kwh = -2 must be .* 0 or more"),
        (["2020-01-01T00:00,1,nan"], r"line 2: pv_kwh = nan must be a number"),
        (["2020-01-01T00:00,1"], r"line 2: pv_kwh = '' is not a number"),
        (["noon,1,0"], r"line 2: 'noon' is not a time; write it as"),
        (["2020-01-01T00:00+01:00,1,0"], r"line 2: .* has an offset; times are local"),
        (["2020-01-01T00:00,1,0", "2020-01-01T00:00,1,0"], r"line 3: .* is there twice \(line 2\); remove one"),
        (["2020-01-01T01:00,1,0", "2020-01-01T00:00,1,0"], r"line 3: .* \(line 2\); sort by time"),
        (["2020-01-01T00:00,1,0", "", "2020-01-01T01:00,1,0", "2020-01-01T03:00,1,0"], r"line 5: .* after line 4, not"),
        (["2020-01-01T00:00,1,0", "2020-01-01T00:07,1,0"], r"intervals of 0:07:00 do not divide an hour"),
        (["2020-01-01T00:00,1,0"], r"1 rows; .* at least two"),
        ([], r"0 rows"),
    ],
)
def test_bad_rows_are_named_and_left_alone(tmp_path: Path, rows: list[str], words: str) -> None:
    path = write(tmp_path / "home.csv", *rows)
    before = path.read_bytes()
    with pytest.raises(ReplayError, match=words) as error:
        read_replay_file(path)
    assert str(error.value).startswith(str(path))
    assert path.read_bytes() == before


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "home.csv", head="interval_start_local,load_kwh")
    with pytest.raises(ReplayError, match="line 1: column pv_kwh is missing; the columns are"):
        read_replay_file(path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "home.csv").write_bytes(HEAD.encode() + b"\n\xff\xfe\x00,1,0\n")
    with pytest.raises(ReplayError, match=r"home\.csv: cannot be read as CSV in UTF-8"):
        read_replay_folder(tmp_path)


def test_folders_without_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="no such folder"):
        read_replay_folder(tmp_path / "nowhere")
    with pytest.raises(ReplayError, match=r"holds no \.csv file"):
        read_replay_folder(tmp_path)


def test_energy_is_spread_evenly_over_the_minutes(tmp_path: Path) -> None:
    """Half-hours of 1 kWh are 2 kW; the sum over the minutes is the sum of the file."""
    rows = ["2020-01-01T00:00,1,0.25", "2020-01-01T00:30,0.5,0", "2020-01-01T01:00,0,3"]
    home = ReplayedBuilding(read_replay_file(write(tmp_path / "a.csv", *rows)), ReplayOfBuilding(), REPLAY)
    start = datetime(2020, 1, 1, 8, tzinfo=UTC)
    minutes = [home.minute(start + timedelta(minutes=i)) for i in range(90)]
    assert minutes[0] == (2.0, 0.5)
    assert [sum(column) / 60 for column in zip(*minutes, strict=True)] == pytest.approx([1.5, 3.25])
    for outside in (start - timedelta(minutes=1), start + timedelta(minutes=90)):
        with pytest.raises(ReplayError, match=r"records 2020-01-01 08:00 to 2020-01-01 09:30 UTC"):
            home.minute(outside)


def test_backfill_equals_the_minutes_one_by_one(tmp_path: Path) -> None:
    rows = hours(48, load=1.2, pv=0.6)
    home = ReplayedBuilding(read_replay_file(write(tmp_path / "a.csv", *rows)), ReplayOfBuilding(solar=False), REPLAY)
    until = datetime(2020, 1, 2, 9, 30, tzinfo=UTC)
    frame = home.backfill(until, 1)
    assert len(frame) == 1440
    assert frame["pv_kw"].max() == 0
    row = frame.iloc[700]
    assert (row["load_kw"], row["pv_kw"]) == home.minute(row["timestamp"].to_pydatetime())
    assert len(home.backfill(until, 0)) == 0
    with pytest.raises(ReplayError, match="set an earlier"):
        home.backfill(until + timedelta(days=9), 1)
    with pytest.raises(ReplayError, match="records"):
        home.backfill(until, 5)


def recordings(folder: Path, count: int) -> list[ReplayFile]:
    return [read_replay_file(write(folder / f"building_{i}.csv", *hours(24 * 40))) for i in range(count)]


def test_files_are_dealt_out_in_order(tmp_path: Path) -> None:
    files = recordings(tmp_path, 3)
    buildings = [BuildingConfig(id=name) for name in "ABC"]
    buildings[0] = BuildingConfig(id="A", replay=ReplayOfBuilding(file="building_2.csv"))
    dealt = assign_files(files, buildings)
    assert {key: file.path.name for key, file in dealt.items()} == {
        "A": "building_2.csv",
        "B": "building_0.csv",
        "C": "building_1.csv",
    }
    with pytest.raises(ReplayError, match=r"no 'other\.csv'"):
        assign_files(files, [BuildingConfig(id="A", replay=ReplayOfBuilding(file="other.csv"))])
    with pytest.raises(ReplayError, match="3 recordings for 4 buildings; use --buildings 3"):
        assign_files(files, [BuildingConfig(id=name) for name in "WXYZ"])


def test_a_replay_starts_at_the_time_of_day_with_enough_history(tmp_path: Path) -> None:
    files = recordings(tmp_path, 1)
    start = replay_start(REPLAY, ClockConfig(), HistoryConfig(backfill_days=28), SiteConfig(), files)
    assert start == datetime(2020, 1, 29, 18, 30, tzinfo=UTC)  # 10:30 at UTC-8, 28 days after the first row
    with pytest.raises(ReplayError, match=r"need 60 days of history before the start \(history.backfill_days\)"):
        replay_start(REPLAY, ClockConfig(), HistoryConfig(backfill_days=60), SiteConfig(), files)


@pytest.fixture(params=["made up", *(["measured"] if FONTANA.is_dir() else [])])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A year of made-up homes everywhere; the measured ones, too, where they lie beside the project."""
    if request.param == "measured":
        return FONTANA
    first = datetime(2016, 8, 1)
    rows = [f"{(first + timedelta(hours=i)).isoformat()},{i % 7 / 3:.5f},{i % 5 / 7:.5f}" for i in range(24 * 365)]
    write(tmp_path / "building_1.csv", *rows)
    write(tmp_path / "tariff.csv", "2016-08-01,0.3", head="interval_start_local,price")
    return tmp_path


def test_every_kwh_of_a_file_arrives_in_its_minutes(folder: Path) -> None:
    """Against the sum of the file in plain Python."""
    first = read_replay_folder(folder)[0]
    with first.path.open() as file:
        rows = list(csv.DictReader(file))
    simulation = BuildingSimulation(BuildingConfig(id="H"), ReplayedBuilding(first, ReplayOfBuilding(), REPLAY))
    readings = simulation.readings_before(datetime(2017, 8, 1, 8, tzinfo=UTC), 365)
    assert readings["load_kw"].sum() / 60 == pytest.approx(sum(float(row["load_kwh"]) for row in rows), rel=1e-4)
    assert readings["pv_kw"].sum() / 60 == pytest.approx(sum(float(row["pv_kwh"]) for row in rows), rel=1e-4)
