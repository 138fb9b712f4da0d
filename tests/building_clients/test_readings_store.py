"""The building's CSV: whole rows whatever happens, and pandas reads it as it is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building_clients.readings_store import ReadingsStore, StoreError
from simulation.reading import Reading

ROOT = Path(__file__).parents[2]
START = datetime(2026, 6, 1, tzinfo=UTC)


def reading(seq: int, soc: float | None = 0.5) -> Reading:
    return Reading(
        building_id="B1",
        seq=seq,
        timestamp=START + timedelta(minutes=seq),
        load_kw=1.25,
        pv_kw=3.5,
        battery_kw=0.5,
        soc=soc,
        grid_kw=-1.75,
        net_flow_kw=2.25,
    )


@pytest.fixture(scope="module")
def long_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadingsStore]:
    with ReadingsStore(tmp_path_factory.mktemp("long") / "readings", "B1") as store:
        for seq in range(400):
            store.append(reading(seq, None if seq % 3 else 0.25))
        yield store


def test_rows_read_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "readings" / "2026-06.csv"
    with ReadingsStore(path.parent, "B1") as store:
        for seq in range(300):
            store.append(reading(seq, None if seq % 2 else 0.5))
    with ReadingsStore(path.parent, "B1") as store:
        assert store.count == 300
        assert store.last() == reading(299, None)
        assert store.since(9, 5) == [reading(seq, None if seq % 2 else 0.5) for seq in range(10, 15)]
        assert store.since(299, 5) == []
        assert len(store.frame(20)) == 20
        assert store.verify() == 300
    frame = pd.read_csv(path, parse_dates=["timestamp"])
    assert frame["seq"].tolist() == list(range(300))
    assert frame["timestamp"].iloc[-1] == pd.Timestamp(START + timedelta(minutes=299))


def test_extend_equals_append(tmp_path: Path) -> None:
    rows = [reading(seq) for seq in range(50)]
    frame = pd.DataFrame([row.model_dump(exclude={"building_id"}) for row in rows])
    with ReadingsStore(tmp_path / "a", "B1") as one, ReadingsStore(tmp_path / "b", "B1") as other:
        for row in rows:
            one.append(row)
        other.extend(frame)
        assert one.last() == other.last()
        assert (tmp_path / "a" / "2026-06.csv").read_bytes() == (tmp_path / "b" / "2026-06.csv").read_bytes()


@given(steps=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 90)), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_what_is_remembered_is_what_the_files_hold(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    """Rows come and are asked for by turns, over the end of a month, of two qualities; pandas reads the truth."""
    folder = tmp_path_factory.mktemp("remembered")
    before_july = START + timedelta(days=30, minutes=-30)
    with ReadingsStore(folder / "readings", "B1") as store:
        for rows, asked in steps:
            for seq in range(store.count, store.count + rows):
                when, quality = before_july + timedelta(minutes=seq), "measured" if seq % 7 == 6 else "simulated"
                store.append(reading(seq).model_copy(update={"timestamp": when, "quality": quality}))
            found = store.frame(asked)
            files = sorted((folder / "readings").glob("*.csv"))
            truth = pd.concat([pd.read_csv(path) for path in files]).tail(asked) if files else pd.DataFrame()
            assert len(found) == len(truth)
            if len(truth):
                pd.testing.assert_frame_equal(
                    found.reset_index(drop=True).astype({"quality": "str"}),
                    truth.drop(columns="timestamp").reset_index(drop=True).astype({"quality": "str"}),
                )
                assert found.index.equals(pd.DatetimeIndex(pd.to_datetime(truth["timestamp"], utc=True)))


@pytest.mark.parametrize(
    "torn", [b"3", b"3,2026-06-01T00:03:00Z,1.2500,3.5", b"3,2026-06-01T00:03:00Z,1.25,3.5,0,0,0,0"]
)
def test_a_torn_last_row_is_cut_off_and_counted(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "readings" / "2026-06.csv"
    with ReadingsStore(path.parent, "B1") as store:
        for seq in range(3):
            store.append(reading(seq))
    with path.open("ab") as file:
        file.write(torn)
    with ReadingsStore(path.parent, "B1") as store:
        assert (store.count, store.repaired_rows) == (3, 1)
        store.append(reading(3))
        assert store.verify() == 4


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"time,load\n1,2\n", "line 1 is not 'seq,timestamp"),
        (b"{header}0,2026-06-01T00:00:00Z,much,0,0,,0,0,simulated\n", r"line 2 is damaged \(load_kw\)"),
        (b"{header}0,2026-06-01T00:00:00Z,1,0\n", r"line 2 is damaged \(4 columns, not 9\)"),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "readings" / "2026-06.csv"
    path.parent.mkdir()
    header = b"seq,timestamp,load_kw,pv_kw,battery_kw,soc,grid_kw,net_flow_kw,quality\n"
    path.write_bytes(content.replace(b"{header}", header))
    before = path.read_bytes()
    with pytest.raises(StoreError, match=expected):
        ReadingsStore(path.parent, "B1")
    assert path.read_bytes() == before


def test_verify_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "readings" / "2026-06.csv"
    with ReadingsStore(path.parent, "B1") as store:
        for seq in range(5):
            store.append(reading(seq))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"2,2026-06-01T00:02:00Z,x,0,0,,0,0,simulated\n", *lines[4:]]))
    with ReadingsStore(path.parent, "B1") as store, pytest.raises(StoreError, match="line 4 is damaged"):
        store.verify()


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (b"2,2026-06-01T00:02:00Z,x,0,0,,0,0,simulated\n", "load_kw"),
        (b"2,2026-06-01T00:02:00Z,inf,0,0,,0,0,simulated\n", "load_kw"),
        (b"2,2026-06-01T00:02:00Z,1,0,0,,0,0,guessed\n", "quality"),
        (b"7,2026-06-01T00:02:00Z,1,0,0,,0,0,simulated\n", "seq should be 2"),
        (b"2,2026-06-01T00:01:00Z,1,0,0,,0,0,simulated\n", "timestamp does not come after"),
        (b"2,2026-06-01T00:02:00Z,1\n", "3 columns, not 9"),
    ],
)
def test_whoever_reads_a_damaged_row_is_told(tmp_path: Path, row: bytes, cause: str) -> None:
    path = tmp_path / "readings" / "2026-06.csv"
    with ReadingsStore(path.parent, "B1") as store:
        for seq in range(5):
            store.append(reading(seq))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], row, *lines[4:]]))
    with ReadingsStore(path.parent, "B1") as store, pytest.raises(StoreError, match=rf"line 4 is damaged \({cause}"):
        store.frame()


@given(first=st.integers(-1, 420), limit=st.integers(1, 500))
@settings(max_examples=50, deadline=None)
def test_any_stretch_of_a_long_file_reads_back(long_store: ReadingsStore, first: int, limit: int) -> None:
    """Bisecting finds each row, wherever the blocks of the file end."""
    expected = list(range(first + 1, min(400, first + 1 + limit)))
    assert [row.seq for row in long_store.since(first, limit)] == expected
    assert long_store.frame(limit)["seq"].tolist() == list(range(max(0, 400 - limit), 400))


def test_only_one_process_writes(tmp_path: Path) -> None:
    with (
        ReadingsStore(tmp_path / "readings", "B1"),
        pytest.raises(StoreError, match="is building B1 running already"),
    ):
        ReadingsStore(tmp_path / "readings", "B1")


def test_a_gap_in_the_numbers_is_refused(tmp_path: Path) -> None:
    with ReadingsStore(tmp_path / "readings", "B1") as store, pytest.raises(StoreError, match="does not follow"):
        store.append(reading(7))


def test_a_full_disk_leaves_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes half of a row and then refuses, as a full disk does."""
    path = tmp_path / "readings" / "2026-06.csv"
    with ReadingsStore(path.parent, "B1") as store:
        store.append(reading(0))
        size, real = path.stat().st_size, os.write
        answers = iter([30, None])

        def full(file: int, data: memoryview) -> int:
            taken = next(answers)
            if taken is None:
                raise OSError(28, "No space left on device")
            return real(file, data[:taken])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StoreError, match=r"No space left on device.*free some disk space"):
            store.append(reading(1))
        monkeypatch.undo()
        assert path.stat().st_size == size
        store.append(reading(1))
        assert store.verify() == 2


def test_a_really_full_disk_leaves_whole_rows(tmp_path: Path) -> None:
    """The kernel refuses to let the file grow (RLIMIT_FSIZE) in the middle of a row."""
    folder = tmp_path / "readings"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cannot write (File too large); free some disk space" in done.stdout
    with ReadingsStore(folder, "B1") as store:
        assert store.count == store.verify() > 5
        store.append(reading(store.count))


FULL = """
import resource, sys; from pathlib import Path
from building_clients.readings_store import ReadingsStore, StoreError
from tests.building_clients.test_readings_store import reading
resource.setrlimit(resource.RLIMIT_FSIZE, (777, 777))
store = ReadingsStore(Path(sys.argv[1]), "B1")
try:
    while True: store.append(reading(store.count))
except StoreError as error:
    print(error)
"""


def monthly(folder: Path, days: int = 70) -> ReadingsStore:
    """A reading every six hours from 20 May on: three months, with a gap in time in the middle."""
    store = ReadingsStore(folder, "B1")
    start = datetime(2026, 5, 20, tzinfo=UTC)
    for seq in range(days * 4):
        moment = start + timedelta(hours=6 * seq, days=5 if seq >= 100 else 0)
        store.append(reading(seq).model_copy(update={"timestamp": moment}))
    return store


def test_each_month_has_a_file_and_reads_go_through_them(tmp_path: Path) -> None:
    with monthly(tmp_path / "readings") as store:
        names = sorted(path.name for path in store.folder.glob("*.csv"))
        assert names == ["2026-05.csv", "2026-06.csv", "2026-07.csv", "2026-08.csv"]
        for name in names:
            stamps = pd.read_csv(store.folder / name, parse_dates=["timestamp"])["timestamp"]
            assert set(stamps.dt.strftime("%Y-%m.csv")) == {name}
    with ReadingsStore(tmp_path / "readings", "B1") as store:
        assert store.count == 280
        assert [row.seq for row in store.since(30, 200)] == list(range(31, 231))
        assert store.since(-1, 3)[0].seq == 0
        assert store.frame(100)["seq"].tolist() == list(range(180, 280))
        assert len(store.frame()) == store.verify() == 280
        gaps = store.frame().index.to_series().diff().dropna()
        assert gaps.value_counts().to_dict() == {timedelta(hours=6): 278, timedelta(days=5, hours=6): 1}


def test_old_months_may_be_moved_away(tmp_path: Path) -> None:
    monthly(tmp_path / "readings").close()
    (tmp_path / "readings" / "2026-05.csv").rename(tmp_path / "2026-05.csv")
    with ReadingsStore(tmp_path / "readings", "B1") as store:
        assert store.count == 280
        assert store.since(-1, 2)[0].seq == 48
        assert store.verify() == 280 - 48
        store.append(reading(280).model_copy(update={"timestamp": datetime(2026, 9, 1, tzinfo=UTC)}))
    (tmp_path / "readings" / "2026-07.csv").unlink()
    with pytest.raises(
        StoreError, match=r"2026-08\.csv: starts with row \d+, but 2026-06\.csv ends with row \d+; restore"
    ):
        ReadingsStore(tmp_path / "readings", "B1")


def test_a_month_that_was_only_begun_is_taken_up(tmp_path: Path) -> None:
    """Killed between the first line and the first row of a new month; then a power cut that left zeros."""
    with ReadingsStore(tmp_path / "readings", "B1") as store:
        store.append(reading(0))
    header = (tmp_path / "readings" / "2026-06.csv").read_bytes().splitlines(keepends=True)[0]
    for torn, repaired in ((header, 0), (header[:9], 0), (header + b"1,2026-07-01T00:00", 1), (header + bytes(200), 1)):
        (tmp_path / "readings" / "2026-07.csv").write_bytes(torn)
        with ReadingsStore(tmp_path / "readings", "B1") as store:
            assert (store.count, store.repaired_rows, len(store.frame())) == (1, repaired, 1)
    with ReadingsStore(tmp_path / "readings", "B1") as store:
        store.append(reading(1).model_copy(update={"timestamp": datetime(2026, 7, 1, tzinfo=UTC)}))
        assert store.verify() == 2


def test_time_never_goes_back(tmp_path: Path) -> None:
    early = reading(1).model_copy(update={"timestamp": START})
    with ReadingsStore(tmp_path / "readings", "B1") as store:
        store.append(reading(0))
        with pytest.raises(StoreError, match="reading 1 of 2026-06-01 00:00 UTC does not follow row 0 of 2026-06-01"):
            store.append(early)
        frame = pd.DataFrame([early.model_dump(exclude={"building_id"})])
        with pytest.raises(StoreError, match=r"time of readings 1\.\.\. goes back"):
            store.extend(frame)


def test_an_empty_store_reads_as_empty(tmp_path: Path) -> None:
    with ReadingsStore(tmp_path / "readings", "B1") as store:
        assert (store.count, store.last(), store.since(-1, 9), len(store.frame()), store.verify()) == (
            0,
            None,
            [],
            0,
            0,
        )


def test_a_file_of_an_early_version_is_not_overlooked(tmp_path: Path) -> None:
    (tmp_path / "readings.csv").write_text("seq\n")
    with pytest.raises(StoreError, match=r"readings\.csv: one file for all months.*new --home"):
        ReadingsStore(tmp_path / "readings", "B1")


WRITER = """
import sys; from pathlib import Path
from building_clients.readings_store import ReadingsStore
from tests.building_clients.test_readings_store import reading
store = ReadingsStore(Path(sys.argv[1]).parent, "B1")
while True: store.append(reading(store.count))
"""


def test_sigkill_leaves_no_torn_or_repeated_row(tmp_path: Path) -> None:
    path = tmp_path / "readings" / "2026-06.csv"
    for _ in range(5):
        before = path.stat().st_size if path.exists() else 0
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT)
        deadline = time.monotonic() + 30
        while not path.exists() or path.stat().st_size < before + 20_000:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        with ReadingsStore(path.parent, "B1") as store:
            assert store.verify() == store.count
