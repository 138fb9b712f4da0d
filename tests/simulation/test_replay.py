"""Recordings: what is wrong is named with its line, and what is played is what was measured."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from simulation.building import BuildingSimulation
from simulation.csv_text import ReplayError
from simulation.recording import Recording, read_recording, write_recording
from simulation.replay import ReplayedBuilding, assign_files, recordings_in, replay_start
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
ZONE = "Etc/GMT+8"
REPLAY = ReplayConfig(timezone=ZONE)


def write(path: Path, *rows: str, head: str = HEAD) -> Path:
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def hours(count: int, start: str = "2020-01-01T00:00:00", load: float = 2.0, pv: float = 0.5) -> list[str]:
    first = datetime.fromisoformat(start)
    return [f"{(first + timedelta(hours=i)).isoformat()},{load},{pv}" for i in range(count)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2020-01-01T00:00,1,0", "2020-01-01T01:00,much,0"], r"line 3: load_kwh = 'much' must be a number of kWh"),
        (["2020-01-01T00:00,1,0", "2020-01-01T01:00,1,-2"], r"line 3: pv_kwh = '-2' must be .* 0 or more"),
        (["2020-01-01T00:00,1,nan"], r"line 2: pv_kwh = 'nan' must be a number"),
        (["2020-01-01T00:00,1"], r"line 2 has 2 cells, the first line has 3"),
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
        read_recording(path, ZONE)
    assert str(error.value).startswith(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("interval_start_local,load_kwh", r"line 1: column pv_kwh is missing; the columns are"),
        (f"{HEAD},load_kwh", r"line 1: column load_kwh is there twice; remove or rename one"),
        (f"{HEAD},interval_start_local", r"line 1: column interval_start_local is there twice"),
        ("", r"home\.csv: is empty; the first line names the columns interval_start_local, load_kwh, pv_kwh"),
    ],
)
def test_a_missing_or_doubled_column_is_named(tmp_path: Path, head: str, words: str) -> None:
    path = write(tmp_path / "home.csv", head=head)
    with pytest.raises(ReplayError, match=words):
        read_recording(path, ZONE)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "home.csv").write_bytes(HEAD.encode() + b"\n\xff\xfe\x00,1,0\n")
    with pytest.raises(ReplayError, match=r"home\.csv: cannot be read as CSV in UTF-8"):
        read_recording(tmp_path / "home.csv", ZONE)


def test_a_zone_whose_clocks_change_needs_a_file_that_follows(tmp_path: Path) -> None:
    path = write(tmp_path / "home.csv", *hours(24 * 40, "2020-03-01T00:00:00"))
    with pytest.raises(ReplayError, match=r"2020-03-30: the clocks of Europe/Berlin have changed.*Etc/GMT-1"):
        read_recording(path, "Europe/Berlin")
    assert read_recording(path, "Etc/GMT-1").start == datetime(2020, 2, 29, 23, tzinfo=UTC)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    """Times in UTC, a gap as empty cells."""
    load = np.array([1.0, np.nan, 0.25])
    quarter = timedelta(minutes=15)
    written = Recording(tmp_path / "home.csv", datetime(2020, 1, 1, 8, tzinfo=UTC), quarter, load, load * 2)
    write_recording(written)
    assert written.path.read_text().splitlines() == [
        "interval_start_utc,load_kwh,pv_kwh",
        "2020-01-01T08:00:00Z,0.25,0.5",
        "2020-01-01T08:15:00Z,,",
        "2020-01-01T08:30:00Z,0.0625,0.125",
    ]
    read = read_recording(written.path, ZONE)
    assert (read.start, read.interval) == (written.start, quarter)
    np.testing.assert_allclose(read.load_kw, load)
    np.testing.assert_allclose(read.pv_kw, load * 2)


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    """Live and back-filled: no row is made up, the numbers go on."""
    rows = [*hours(30), "2020-01-02T06:00:00,,", *hours(30, "2020-01-02T07:00:00")]
    recording = read_recording(write(tmp_path / "a.csv", *rows), ZONE)
    source = ReplayedBuilding(recording, ReplayOfBuilding())
    house = BuildingConfig(id="H", battery_capacity_kwh=4)
    gap = datetime(2020, 1, 2, 14, tzinfo=UTC)
    history = BuildingSimulation(house, source).readings_before(gap + timedelta(hours=20), 1)
    assert history["seq"].tolist() == list(range(23 * 60))
    steps = history["timestamp"].diff().dropna()
    assert steps.value_counts().to_dict() == {timedelta(minutes=1): 23 * 60 - 2, timedelta(minutes=61): 1}
    live = BuildingSimulation(house, source)
    assert live.step(gap, 0) is None
    reading = live.step(gap + timedelta(hours=1), 0)
    assert reading is not None
    assert reading.quality == "recorded+spread"


def test_folders_without_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="no such folder"):
        recordings_in(tmp_path / "nowhere")
    with pytest.raises(ReplayError, match=r"holds no \.csv file"):
        recordings_in(tmp_path)


@pytest.mark.parametrize("half", ["2020-01-02T06:00:00,1,", "2020-01-02T06:00:00,,1"])
def test_half_a_reading_is_a_gap_live_too(tmp_path: Path, half: str) -> None:
    rows = [*hours(30), half, *hours(2, "2020-01-02T07:00:00")]
    source = ReplayedBuilding(read_recording(write(tmp_path / "a.csv", *rows), ZONE), ReplayOfBuilding())
    assert BuildingSimulation(BuildingConfig(id="H"), source).step(datetime(2020, 1, 2, 14, tzinfo=UTC), 0) is None


def test_energy_is_spread_evenly_over_the_minutes(tmp_path: Path) -> None:
    """Half-hours of 1 kWh are 2 kW; the sum over the minutes is the sum of the file."""
    rows = ["2020-01-01T00:00,1,0.25", "2020-01-01T00:30,0.5,0", "2020-01-01T01:00,0,3"]
    home = ReplayedBuilding(read_recording(write(tmp_path / "a.csv", *rows), ZONE), ReplayOfBuilding())
    start = datetime(2020, 1, 1, 8, tzinfo=UTC)
    flows = home.minutes(start, 90)
    assert (flows.load_kw[0], flows.pv_kw[0]) == (2.0, 0.5)
    assert (flows.load_kw.sum() / 60, flows.pv_kw.sum() / 60) == pytest.approx((1.5, 3.25))
    assert [home.minutes(start + timedelta(minutes=i), 1).load_kw[0] for i in range(90)] == flows.load_kw.tolist()
    assert home.minutes(start, 0).load_kw.size == 0
    for outside, count in ((start - timedelta(minutes=1), 1), (start + timedelta(minutes=90), 1), (start, 91)):
        with pytest.raises(ReplayError, match=r"records 2020-01-01 08:00 to 2020-01-01 09:30 UTC.*set an earlier"):
            home.minutes(outside, count)


def test_a_pure_consumer_can_be_made_of_a_home(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path / "a.csv", *hours(48)), ZONE)
    assert ReplayedBuilding(recording, ReplayOfBuilding(solar=False)).minutes(recording.start, 99).pv_kw.max() == 0


def files_in(folder: Path, count: int) -> list[Path]:
    return [write(folder / f"building_{i}.csv", *hours(24 * 40)) for i in range(count)]


def test_files_are_dealt_out_in_order(tmp_path: Path) -> None:
    files = files_in(tmp_path, 3)
    buildings = [BuildingConfig(id=name) for name in "ABC"]
    buildings[0] = BuildingConfig(id="A", replay=ReplayOfBuilding(file="building_2.csv"))
    dealt = assign_files(files, buildings)
    assert {key: file.name for key, file in dealt.items()} == {
        "A": "building_2.csv",
        "B": "building_0.csv",
        "C": "building_1.csv",
    }
    with pytest.raises(ReplayError, match=r"no 'other\.csv'"):
        assign_files(files, [BuildingConfig(id="A", replay=ReplayOfBuilding(file="other.csv"))])
    with pytest.raises(ReplayError, match="3 recordings for 4 buildings; use --buildings 3"):
        assign_files(files, [BuildingConfig(id=name) for name in "WXYZ"])


def test_a_replay_starts_at_the_time_of_day_with_enough_history(tmp_path: Path) -> None:
    files = {"A": read_recording(files_in(tmp_path, 1)[0], ZONE)}
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
    first = recordings_in(folder)[0]
    with first.open() as file:
        rows = list(csv.DictReader(file))
    simulation = BuildingSimulation(
        BuildingConfig(id="H"), ReplayedBuilding(read_recording(first, ZONE), ReplayOfBuilding())
    )
    readings = simulation.readings_before(datetime(2017, 8, 1, 8, tzinfo=UTC), 365)
    assert readings["load_kw"].sum() / 60 == pytest.approx(sum(float(row["load_kwh"]) for row in rows), rel=1e-4)
    assert readings["pv_kw"].sum() / 60 == pytest.approx(sum(float(row["pv_kwh"]) for row in rows), rel=1e-4)
