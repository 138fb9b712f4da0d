"""The building's own CSV files, one a month: append-only, readable by pandas and spreadsheets as they are."""

from __future__ import annotations

import fcntl
import io
import os
import re
import threading
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd

from building_clients.month_file import MonthFile, StoreError
from building_clients.reading_row import COLUMNS, HEADER, TIME_FORMAT, format_reading, format_row, parse_row
from simulation.reading import QUALITY, Reading

__all__ = ["ReadingsStore", "StoreError"]

MONTH = "%Y-%m"
REMEMBERED = 64 * 1440
"""No more of the newest rows than this stay in memory, at 60 bytes each [1]"""
FLOWS = [name for name in COLUMNS if name not in ("seq", "timestamp", "soc", "quality")]


class ReadingsStore:
    """Rows are numbered by `seq` from 0 without gaps, through all months; a gap in time stays a gap.

    One process writes (a lock file sees to it); any thread of it may read. Opening reads the ends of the files only;
    a fault in between is found by `verify`, or by whoever reads that row. The oldest months may be moved away.
    """

    def __init__(self, folder: Path, building_id: str) -> None:
        self.folder = folder
        self.building_id = building_id
        self._months: list[MonthFile] = []
        self._lock = threading.Lock()
        self._guard = -1
        self._reading = threading.Lock()
        self._recent = pd.DataFrame()
        try:
            self._guard = self._claim()
            self._open_months()
        except OSError as error:
            self.close()
            raise StoreError(f"{folder}: cannot open ({error.strerror}); mend the folder or the disk") from error
        except StoreError:
            self.close()
            raise

    def __enter__(self) -> ReadingsStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and give up the lock."""
        while self._months:
            self._months.pop().close()
        if self._guard >= 0:
            os.close(self._guard)
            self._guard = -1

    @property
    def count(self) -> int:
        """`seq` of the next row: how many rows were ever written [1]"""
        last = self.last()
        return 0 if last is None else last.seq + 1

    @property
    def repaired_rows(self) -> int:
        """Torn last rows that were cut off when the store was opened [1]"""
        return sum(month.repaired for month in self._months)

    def last(self) -> Reading | None:
        """The newest reading."""
        return next((month.last for month in reversed(self._months) if month.last is not None), None)

    def append(self, reading: Reading) -> None:
        """Write one reading. Raises StoreError when it is not the next one, or when the disk is full."""
        last = self.last()
        if reading.seq != self.count or (last is not None and reading.timestamp <= last.timestamp):
            raise StoreError(
                f"{self.folder}: reading {reading.seq} of {reading.timestamp:%Y-%m-%d %H:%M} UTC does not follow "
                f"row {self.count - 1}{f' of {last.timestamp:%Y-%m-%d %H:%M} UTC' if last else ''}"
            )
        with self._lock:
            self._month(f"{reading.timestamp:{MONTH}}").append(format_reading(reading), reading)

    def extend(self, frame: pd.DataFrame) -> None:
        """Write many readings given as the columns of the file, in order from the next `seq`."""
        numbers = frame["seq"].tolist()
        if numbers != list(range(self.count, self.count + len(frame))):
            raise StoreError(f"{self.folder}: readings {numbers[0]}... do not follow row {self.count - 1} one by one")
        times, last = frame["timestamp"], self.last()
        rising = times.is_monotonic_increasing and times.is_unique
        if len(frame) and not (rising and (last is None or times.iloc[0] > last.timestamp)):
            raise StoreError(f"{self.folder}: the time of readings {numbers[0]}... goes back")
        for name, part in frame.groupby(times.dt.strftime(MONTH), sort=True):
            rows = _format(part)
            newest = parse_row(self.building_id, rows[rows.rfind(b"\n", 0, -1) + 1 : -1])
            with self._lock:
                self._month(str(name)).append(rows, newest)

    def since(self, seq: int, limit: int) -> list[Reading]:
        """At most `limit` readings after row `seq` (-1 for all), oldest first. Raises StoreError for a damaged row."""
        found: list[Reading] = []
        for month, first, stop in self._parts(seq + 1):
            wanted = min(limit - len(found), stop - first)
            if wanted > 0:
                found += month.readings(first, wanted)
        return found

    def frame(self, last_rows: int | None = None) -> pd.DataFrame:
        """The last rows (default: all) with the timestamp (UTC) as index; powers in kW, `soc` in [0, 1] or NaN.

        Raises StoreError for a damaged row. The newest weeks are remembered once read; after that only new rows are.
        """
        if last_rows is None or last_rows > REMEMBERED:
            return self._read(0 if last_rows is None else self.count - last_rows)
        with self._reading:
            wanted = max(last_rows, len(self._recent))
            self._recent = self._continued(self._recent, self.count - wanted)
            return self._recent.iloc[max(0, len(self._recent) - last_rows) :]

    def _continued(self, known: pd.DataFrame, first: int) -> pd.DataFrame:
        """Rows from `first` on, as far as they are still there; those that are known are not read again."""
        parts = self._parts(first)
        first = parts[0][1] if parts else first
        if known.empty or known["seq"].iloc[0] > first:
            return self._read(first)
        known, next_seq = known.iloc[first - known["seq"].iloc[0] :], known["seq"].iloc[-1] + 1
        return known if next_seq == self.count else _joined(known, self._read(next_seq))

    def _read(self, first: int) -> pd.DataFrame:
        parts = self._parts(first)
        try:
            frame = _read_csv(b"".join(month.text_from(first) for month, first, _ in parts))
        except ValueError:
            frame = None
        if frame is None or not _is_sound(frame, parts[0][1] if parts else 0):
            for month, _, _ in parts:
                month.name_the_fault(month.first_seq or 0)
            raise StoreError(f"{self.folder}: damaged; restore the files from a backup, or move them away")
        return frame.set_index("timestamp")

    def verify(self) -> int:
        """Read every row; returns how many. Raises StoreError naming the first line that is wrong."""
        return len(self.frame())

    def _parts(self, first: int) -> list[tuple[MonthFile, int, int]]:
        """(month, first row, row after the last) of everything from row `first` on."""
        with self._lock:
            known = [(month, month.first_seq, month.last.seq + 1) for month in self._months if month.last is not None]
        return [(month, max(first, start or 0), stop) for month, start, stop in known if stop > first]

    def _claim(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        guard = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(guard)
            raise StoreError(
                f"{self.folder}: another process writes to it; is building {self.building_id} running already?"
            ) from error
        return guard

    def _open_months(self) -> None:
        before_months = self.folder.with_name(f"{self.folder.name}.csv")
        if before_months.exists():
            raise StoreError(
                f"{before_months}: one file for all months, as an early version wrote it; use a new --home"
            )
        for path in sorted(self.folder.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].csv")):
            self._months.append(MonthFile(path, self.building_id))
        with_rows = [month for month in self._months if month.last is not None]
        for before, after in pairwise(with_rows):
            assert before.last is not None
            if after.first_seq != before.last.seq + 1:
                raise StoreError(
                    f"{after.path}: starts with row {after.first_seq}, but {before.path.name} ends with row "
                    f"{before.last.seq}; restore what is missing between them, or move the older months away"
                )

    def _month(self, name: str) -> MonthFile:
        """The file that takes new rows, made when a month begins."""
        path = self.folder / f"{name}.csv"
        if not self._months or self._months[-1].path != path:
            self._months.append(MonthFile(path, self.building_id))
        return self._months[-1]


def _format(frame: pd.DataFrame) -> bytes:
    columns = [frame[name].tolist() for name in COLUMNS if name != "timestamp"]
    times = frame["timestamp"].dt.strftime(TIME_FORMAT).tolist()
    return b"".join(map(format_row, columns[0], times, *columns[1:]))


def _read_csv(text: bytes) -> pd.DataFrame:
    kinds: dict[str, str] = {"seq": "int64", "quality": "category", "soc": "float64"} | dict.fromkeys(FLOWS, "float64")
    frame = pd.read_csv(io.BytesIO(HEADER + text), dtype=kinds, index_col=False)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
    return frame


def _joined(known: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both, one after the other; `quality` stays categories."""
    names = known["quality"].cat.categories.union(new["quality"].cat.categories)
    return pd.concat([part.assign(quality=part["quality"].cat.set_categories(names)) for part in (known, new)])


def _is_sound(frame: pd.DataFrame, first: int) -> bool:
    """`seq` counts from `first`, time goes on, and every value but `soc` is a finite number."""
    return (
        np.array_equal(frame["seq"].to_numpy(), np.arange(first, first + len(frame)))
        and bool(np.isfinite(frame[FLOWS].to_numpy()).all())
        and bool((frame["timestamp"].diff().iloc[1:] > pd.Timedelta(0)).all())
        and not bool(frame["quality"].isna().any())
        and all(re.match(QUALITY, str(name)) for name in frame["quality"].cat.categories)
    )
