"""Meter files of other people: what can be told is brought to UTC and kW, what cannot is refused by name."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.import_data import import_folder
from cli.main import app
from simulation.csv_text import ReplayError
from simulation.data_quality import examine, longest_run
from simulation.foreign_recording import Imported, read_foreign
from simulation.import_mapping import ImportMapping, load_mapping
from simulation.recording import Recording, read_recording

FONTANA = Path(__file__).parents[3] / "shared" / "data" / "fontana"
BERLIN = ZoneInfo("Europe/Berlin")
QUARTER = timedelta(minutes=15)


def write(path: Path, rows: Sequence[tuple[object, ...]], head: str = "time,load,pv", separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [head.replace(",", separator), *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def times(start: str, count: int, step: timedelta = QUARTER) -> list[str]:
    first = datetime.fromisoformat(start)
    return [(first + i * step).isoformat(sep=" ", timespec="minutes") for i in range(count)]


def read(path: Path, **mapping: object) -> Imported:
    keys = {"load_unit": "kWh", "solar": "pv", "solar_unit": "kWh", "timezone": "Europe/Berlin"} | mapping
    return read_foreign(path, load_mapping(None, keys), path.with_name("out.csv"))


def local_clock(start: datetime, count: int, step: timedelta) -> list[str]:
    """What a clock on the wall in Berlin shows, interval after interval, told by zoneinfo."""
    return [f"{(start + i * step).astimezone(BERLIN):%d.%m.%Y %H:%M}" for i in range(count)]


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)])
@pytest.mark.parametrize("minutes", [1, 15, 60])
def test_clock_changes_are_followed(tmp_path: Path, day: datetime, minutes: int) -> None:
    """A local day of 23 and one of 25 hours, in the German way of writing, against zoneinfo."""
    step = timedelta(minutes=minutes)
    count = int(timedelta(hours=30) / step)
    rows = [(text, f"0,{i % 7}", "0,5") for i, text in enumerate(local_clock(day, count, step))]
    path = write(tmp_path / "haus.csv", rows, "Zeit,Verbrauch (kWh),PV [kWh]", ";")
    mapping = ImportMapping(
        time="Zeit", time_format="%d.%m.%Y %H:%M", timezone="Europe/Berlin", load="Verbrauch (kWh)", solar="PV [kWh]",
        separator=";", decimal=",",
    )  # fmt: skip
    home = read_foreign(path, mapping, path).recording
    assert (home.start, home.interval) == (day, step)
    expected = [i % 7 / 10 * 60 / minutes for i in range(count)]
    np.testing.assert_allclose(home.load_kw, expected)


@pytest.mark.parametrize(
    ("unit", "value"), [("kWh", 0.5), ("Wh", 500), ("kW", 2), ("W", 2000), ("kWh counter", None), ("Wh counter", None)]
)
@pytest.mark.parametrize("label", ["start", "end"])
def test_all_units_mean_the_same(tmp_path: Path, unit: str, value: float | None, label: str) -> None:
    """Half a kWh in each quarter of an hour, written in six ways; a counter knows one interval less."""
    scale = 1000 if unit.startswith("W") else 1
    loads = [value if value is not None else (1000 + 0.5 * i) * scale for i in range(100)]
    rows = list(zip(times("2026-01-05 00:00", 100), loads, [0] * 100, strict=True))
    home = read(write(tmp_path / "a.csv", rows), load_unit=unit, label=label).recording
    known = home.load_kw[np.isfinite(home.load_kw)]
    np.testing.assert_allclose(known, 2.0)
    assert len(known) == (99 if value is None else 100)
    first = datetime(2026, 1, 4, 23, tzinfo=UTC)
    assert home.start == (first if label == "start" else first - QUARTER)
    assert np.isfinite(home.load_kw[0]) == (value is not None or label == "start")


def test_gaps_stay_gaps(tmp_path: Path) -> None:
    """Missing rows and empty cells; energy that is there is kept."""
    stamps = times("2026-01-05 00:00", 40)
    rows = [(stamp, 1, "" if i == 3 else 0.5) for i, stamp in enumerate(stamps) if not 10 <= i < 18]
    home = read(write(tmp_path / "a.csv", rows)).recording
    gap = np.isnan(home.load_kw) | np.isnan(home.pv_kw)
    assert np.flatnonzero(gap).tolist() == [3, *range(10, 18)]
    assert len(home.load_kw) == 40
    found = examine(home, None, None)
    assert (found.gap_share, found.longest_gap_h, found.night_solar_share) == (9 / 40, 2.0, None)


def test_offsets_in_the_file_count(tmp_path: Path) -> None:
    rows = [("2026-01-05T00:00:00+05:30", 1, 0), ("2026-01-05T00:30:00+05:30", 1, 0)]
    assert read(write(tmp_path / "a.csv", rows)).recording.start == datetime(2026, 1, 4, 18, 30, tzinfo=UTC)


def test_a_counter_says_nothing_about_a_gap_or_a_new_meter(tmp_path: Path) -> None:
    """Energy over several intervals must not be taken for that of one."""
    counts = [100 + 0.5 * i if i < 30 else 0.5 * (i - 30) for i in range(60)]
    rows = [(t, counts[i], 0) for i, t in enumerate(times("2026-01-05 00:00", 60)) if not 10 <= i < 15]
    home = read(write(tmp_path / "a.csv", rows), load_unit="kWh counter").recording
    assert np.flatnonzero(np.isnan(home.load_kw)).tolist() == [9, 10, 11, 12, 13, 14, 29, 59]
    np.testing.assert_allclose(home.load_kw[np.isfinite(home.load_kw)], 2.0)


def test_a_year_at_the_end_is_no_offset(tmp_path: Path) -> None:
    rows = [(f"{hour:02d}:00 05-01-2026", 1, 0) for hour in range(5)]
    home = read(write(tmp_path / "a.csv", rows), time_format="%H:%M %d-%m-%Y").recording
    assert home.start == datetime(2026, 1, 4, 23, tzinfo=UTC)
    zoned = [(f"05.01.2026 {hour:02d}:00 +0530", 1, 0) for hour in range(5)]
    home = read(write(tmp_path / "b.csv", zoned), time_format="%d.%m.%Y %H:%M %z").recording
    assert home.start == datetime(2026, 1, 4, 18, 30, tzinfo=UTC)


def test_the_impossible_is_taken_out_and_counted(tmp_path: Path) -> None:
    """A spike of 9 MW is no load; an inverter that takes a little at night makes nothing."""
    rows = [(t, 9000 if i == 5 else 2, -0.01 if i < 4 else 1) for i, t in enumerate(times("2026-01-05 00:00", 400))]
    home = read(write(tmp_path / "a.csv", rows), load_unit="kW", solar_unit="kW")
    assert (home.impossible, home.standby) == (1, 4)
    assert np.isnan(home.recording.load_kw[5])
    assert home.recording.pv_kw[:4].tolist() == [0, 0, 0, 0]


def hourly(count: int = 60, load: object = 1, start: str = "2026-01-05 00:00") -> list[tuple[object, ...]]:
    return [(t, load, 0) for t in times(start, count, timedelta(hours=1))]


@pytest.mark.parametrize(
    ("rows", "mapping", "words"),
    [
        (hourly(), {"load": "Last"}, "there is no column 'Last'; the file has 'time', 'load', 'pv'"),
        (hourly(), {"load_unit": None}, "unit of column 'load' is not known; say it with --load-unit: kWh, Wh"),
        (hourly(), {"timezone": None}, "the times have no offset; say in which zone they are"),
        (hourly(load="viel"), {}, "line 2: load = 'viel' is no number"),
        (hourly(load=-3), {}, "line 2: load = '-3' is below zero"),
        ([*hourly(), ("2026-01-07 11:00", 1, 0)], {}, "line 62: '2026-01-07 11:00' is there twice"),
        ([*hourly(), ("2026-01-05 07:00", 1, 0)], {}, "line 62: .* is before the row above it; sort"),
        ([*hourly(), ("2026-01-07 12:20", 1, 0)], {}, "line 62: '2026-01-07 11:20 UTC' is not a multiple of 1:00:00"),
        (
            [*hourly(5), *((t, 1, 0) for t in times("2026-01-05 05:00", 90))],
            {},
            "in another interval than 0:15:00",
        ),
        (
            [(t, 1, 0) for t in [*times("2026-01-05 00:00", 200), *times("2026-01-08 00:00", 24, timedelta(hours=1))]],
            {},
            "in another interval than 0:15:00; split the file",
        ),
        ([(t, 1, 0) for t in times("2026-01-05 00:00", 9, timedelta(minutes=7))], {}, "only whole minutes that divide"),
        ([(t, 1, 0) for t in times("2026-01-05 00:00", 9, timedelta(hours=2))], {}, "from 1 minute to 1 hour"),
        (hourly(load=612), {"load_unit": "kW"}, "612 kW on average, over --max-kw 100; is the column in W"),
        (hourly(load=400000), {"load_unit": "Wh"}, "400 kW on average.*is the column in Wh"),
        (hourly(load=2), {"load_unit": "W"}, "2.00 W on average, which is no building; is the column in kW"),
        ([(t, 5000 + i, 0) for i, (t, *_) in enumerate(hourly(99))], {"load_unit": "kWh"}, "a meter's running counter"),
        (hourly(start="2026-10-24 12:00"), {}, "clocks of Europe/Berlin were set back.*--timezone Etc/GMT-1"),
        (hourly(start="2026-03-28 12:00"), {}, "'2026-03-29 02:00' did not exist in Europe/Berlin.*Etc/GMT-1"),
        ([("gestern", 1, 0), ("heute", 1, 0)], {}, "line 2: 'gestern' is not a time; .*--time-format"),
        ([("2026-01-05T00:00Z", 1, 0), ("2026-01-05 01:00", 1, 0)], {}, "line 2: .* has an offset, other rows"),
        (hourly(1), {}, "1 rows; a recording needs at least two"),
    ],
)
def test_what_cannot_be_interpreted_is_refused(
    tmp_path: Path, rows: list[tuple[object, ...]], mapping: dict[str, object], words: str
) -> None:
    write(tmp_path / "in" / "a.csv", rows)
    keys = {"load_unit": "kWh", "solar": "pv", "solar_unit": "kWh", "timezone": "Europe/Berlin"} | mapping
    with pytest.raises(ReplayError, match=words):
        import_folder(tmp_path / "in", tmp_path / "out", load_mapping(None, keys))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"], "nothing is left behind"


def test_a_fault_in_one_file_keeps_all_from_being_written(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.csv", hourly())
    write(tmp_path / "in" / "b.csv", hourly(load="?"))
    mapping = load_mapping(None, {"load_unit": "kWh", "timezone": "UTC"})
    with pytest.raises(ReplayError, match=r"b\.csv"):
        import_folder(tmp_path / "in", tmp_path / "out", mapping)
    (tmp_path / "in" / "b.csv").unlink()
    import_folder(tmp_path / "in", tmp_path / "out", mapping)
    with pytest.raises(ReplayError, match="is not empty"):
        import_folder(tmp_path / "in", tmp_path / "out", mapping)


def test_a_mapping_file_and_options_over_it(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text('load = "A"\ntimezone = "UTC"\n')
    assert load_mapping(path, {"load": "B", "solar": None}) == ImportMapping(load="B", timezone="UTC")
    for text, words in (
        ('lod = "A"', "lod = 'A': Extra inputs.*the keys of a mapping are files, time"),
        ('timezone = "Mars"', "timezone = 'Mars': .*unknown time zone"),
        ("load =", "cannot be read as TOML"),
    ):
        path.write_text(text)
        with pytest.raises(ReplayError, match=words):
            load_mapping(path, {})


def damaged(load: np.ndarray, pv: np.ndarray) -> Recording:
    return Recording(Path("home.csv"), datetime(2026, 6, 1, tzinfo=UTC), timedelta(hours=1), load, pv)


def test_each_fault_is_found() -> None:
    """A good month, and what is done to it."""
    rng = np.random.default_rng(7)
    hour = np.arange(720) % 24
    load = rng.uniform(0.2, 1.5, 720)
    pv = np.clip(np.sin((hour - 3) / 16 * np.pi), 0, None) * 3
    good = examine(damaged(load, pv), 48.1, 11.6)
    assert good.verdict == "good"
    assert (good.zero_share, good.flat_share, good.outlier_share, good.night_solar_share) == (0, 0, 0, 0)
    assert good.load_kwh == pytest.approx(load.sum())
    zero = examine(damaged(np.where(np.arange(720) < 400, 0, load), pv), 48.1, 11.6)
    assert (zero.zero_share, zero.verdict) == (400 / 720, "poor")
    flat = examine(damaged(np.where(np.arange(720) < 72, 0.4, load), pv), 48.1, 11.6)
    assert (flat.flat_share, flat.verdict) == (0.1, "look")
    stuck = examine(damaged(load, np.where(np.arange(720) < 180, 1.2, pv)), None, None)
    assert (stuck.flat_share, stuck.verdict) == (0.25, "poor")
    spikes = examine(damaged(np.where(np.arange(720) % 100 == 0, 40.0, load), pv), 48.1, 11.6)
    assert (spikes.outlier_share, spikes.verdict) == (8 / 720, "look")
    shifted = examine(damaged(load, np.roll(pv, 12)), 48.1, 11.6)
    assert shifted.night_solar_share is not None
    assert shifted.night_solar_share > 0.9
    assert shifted.verdict == "poor"
    holes = examine(damaged(np.where(np.arange(720) % 4 == 0, np.nan, load), pv), None, None)
    assert (holes.gap_share, holes.longest_gap_h, holes.verdict) == (0.25, 1.0, "poor")
    assert longest_run(np.array([False, True, True, False, True])) == 2


def test_the_command_tells_the_quality_and_what_to_do_next(tmp_path: Path) -> None:
    rows = [(t, 0 if i < 300 else 1 + i % 3, i % 5) for i, (t, *_) in enumerate(hourly(500))]
    write(tmp_path / "in" / "house.csv", rows, "when,use_kwh,sun_kwh")
    options = ["--time", "when", "--load", "use_kwh", "--solar", "sun_kwh", "--timezone", "Etc/GMT-1"]
    done = CliRunner().invoke(app, ["import", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *options])
    assert done.exit_code == 0, done.output
    assert re.search(r"house +20\.8 +60 .*60\.0% .*poor", done.output)
    assert f"./microgrid up --replay {tmp_path / 'out'} --buildings 1" in done.output
    assert "night ?: give --latitude" in done.output
    written = read_recording(tmp_path / "out" / "house.csv", "UTC")
    assert written.start == datetime(2026, 1, 4, 23, tzinfo=UTC)
    assert written.load_kw.tolist() == [row[1] for row in rows]
    quality = json.loads((tmp_path / "out" / "quality.json").read_text())
    assert quality[0]["verdict"] == "poor"
    assert quality[0]["zero_share"] == 0.6


def test_measured_homes_come_through_unchanged(tmp_path: Path) -> None:
    """The recorded homes beside the project, or one made up: every kWh is there, and the corrupt home is found."""
    source = FONTANA
    if not FONTANA.is_dir():
        source = tmp_path / "made-up"
        rows = [(t, 1 + i % 5, i % 3) for i, (t, *_) in enumerate(hourly(500))]
        write(source / "building_12.csv", [(t, 0 if i < 300 else a, b) for i, (t, a, b) in enumerate(rows)],
              "interval_start_local,load_kwh,pv_kwh")  # fmt: skip
    mapping = ImportMapping(
        files="building_*.csv", time="interval_start_local", timezone="Etc/GMT+8", load="load_kwh", solar="pv_kwh"
    )
    verdicts = {one.building: one.verdict for one in import_folder(source, tmp_path / "out", mapping)}
    assert [name for name, verdict in verdicts.items() if verdict == "poor"] == ["building_12"]
    for name in verdicts:
        before = pd.read_csv(source / f"{name}.csv")
        after = pd.read_csv(tmp_path / "out" / f"{name}.csv")
        for column in ("load_kwh", "pv_kwh"):
            np.testing.assert_allclose(after[column], before[column], atol=1e-6)
