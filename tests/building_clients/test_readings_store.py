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
    with ReadingsStore(tmp_path_factory.mktemp("long") / "readings.csv", "B1") as store:
        for seq in range(400):
            store.append(reading(seq, None if seq % 3 else 0.25))
        yield store


def test_rows_read_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    with ReadingsStore(path, "B1") as store:
        for seq in range(300):
            store.append(reading(seq, None if seq % 2 else 0.5))
    with ReadingsStore(path, "B1") as store:
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
    with ReadingsStore(tmp_path / "a.csv", "B1") as one, ReadingsStore(tmp_path / "b.csv", "B1") as other:
        for row in rows:
            one.append(row)
        other.extend(frame)
        assert one.last() == other.last()
        assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(
    "torn", [b"3", b"3,2026-06-01T00:03:00Z,1.2500,3.5", b"3,2026-06-01T00:03:00Z,1.25,3.5,0,0,0,0"]
)
def test_a_torn_last_row_is_cut_off_and_counted(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "readings.csv"
    with ReadingsStore(path, "B1") as store:
        for seq in range(3):
            store.append(reading(seq))
    with path.open("ab") as file:
        file.write(torn)
    with ReadingsStore(path, "B1") as store:
        assert (store.count, store.repaired_rows) == (3, 1)
        store.append(reading(3))
        assert store.verify() == 4


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"time,load\n1,2\n", "line 1 is not 'seq,timestamp"),
        (b"{header}0,2026-06-01T00:00:00Z,much,0,0,,0,0\n", r"line 2 is damaged \(load_kw\)"),
        (b"{header}0,2026-06-01T00:00:00Z,1,0\n", r"line 2 is damaged \(4 columns, not 8\)"),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "readings.csv"
    header = b"seq,timestamp,load_kw,pv_kw,battery_kw,soc,grid_kw,net_flow_kw\n"
    path.write_bytes(content.replace(b"{header}", header))
    before = path.read_bytes()
    with pytest.raises(StoreError, match=expected):
        ReadingsStore(path, "B1")
    assert path.read_bytes() == before


def test_verify_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    with ReadingsStore(path, "B1") as store:
        for seq in range(5):
            store.append(reading(seq))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"2,2026-06-01T00:02:00Z,x,0,0,,0,0\n", *lines[4:]]))
    with ReadingsStore(path, "B1") as store, pytest.raises(StoreError, match="line 4 is damaged"):
        store.verify()


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (b"2,2026-06-01T00:02:00Z,x,0,0,,0,0\n", "load_kw"),
        (b"2,2026-06-01T00:02:00Z,inf,0,0,,0,0\n", "load_kw"),
        (b"7,2026-06-01T00:02:00Z,1,0,0,,0,0\n", "seq should be 2"),
        (b"2,2026-06-01T00:01:00Z,1,0,0,,0,0\n", "timestamp does not come after"),
        (b"2,2026-06-01T00:02:00Z,1\n", "3 columns, not 8"),
    ],
)
def test_whoever_reads_a_damaged_row_is_told(tmp_path: Path, row: bytes, cause: str) -> None:
    path = tmp_path / "readings.csv"
    with ReadingsStore(path, "B1") as store:
        for seq in range(5):
            store.append(reading(seq))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], row, *lines[4:]]))
    with ReadingsStore(path, "B1") as store, pytest.raises(StoreError, match=rf"line 4 is damaged \({cause}"):
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
        ReadingsStore(tmp_path / "readings.csv", "B1"),
        pytest.raises(StoreError, match="is building B1 running already"),
    ):
        ReadingsStore(tmp_path / "readings.csv", "B1")


def test_a_gap_in_the_numbers_is_refused(tmp_path: Path) -> None:
    with ReadingsStore(tmp_path / "readings.csv", "B1") as store, pytest.raises(StoreError, match="does not follow"):
        store.append(reading(7))


def test_a_full_disk_leaves_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes half of a row and then refuses, as a full disk does."""
    path = tmp_path / "readings.csv"
    with ReadingsStore(path, "B1") as store:
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


WRITER = """
import sys; from pathlib import Path
from building_clients.readings_store import ReadingsStore
from tests.building_clients.test_readings_store import reading
store = ReadingsStore(Path(sys.argv[1]), "B1")
while True: store.append(reading(store.count))
"""


def test_sigkill_leaves_no_torn_or_repeated_row(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    for _ in range(5):
        before = path.stat().st_size if path.exists() else 0
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT)
        deadline = time.monotonic() + 30
        while not path.exists() or path.stat().st_size < before + 20_000:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        with ReadingsStore(path, "B1") as store:
            assert store.verify() == store.count
