"""The building's own CSV: append-only, whole rows at a time, readable by pandas and spreadsheets as it is."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import pandas as pd
from pydantic import ValidationError

from simulation.errors import MicrogridError
from simulation.reading import Reading

log = logging.getLogger(__name__)

COLUMNS = ("seq", "timestamp", "load_kw", "pv_kw", "battery_kw", "soc", "grid_kw", "net_flow_kw")
HEADER = (",".join(COLUMNS) + "\n").encode()
ROW_GUESS = 72
"""Bytes of a typical row: how far to look back for the last ones."""


class StoreError(MicrogridError):
    """The CSV cannot be used; the text names the file, the line and the fix. The file is left as it is."""


class ReadingsStore:
    """Rows are numbered by `seq` from 0 without gaps, so the last row tells how many there are.

    One process writes (a lock file sees to it); any thread of it may read.
    """

    def __init__(self, path: Path, building_id: str) -> None:
        self.path = path
        self.building_id = building_id
        self.repaired_rows = 0
        """Torn last rows that were cut off when the store was opened [1]"""
        self._lock = threading.Lock()
        self._guard = self._claim()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._check_header()
            self._repair()
            last = self._last_line()
            self._last = None if last is None else self._parse(last)
        except BaseException:
            self.close()
            raise
        self.count = 0 if self._last is None else self._last.seq + 1
        """Rows in the file [1]"""

    def __enter__(self) -> ReadingsStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give up the lock."""
        os.close(self._file)
        os.close(self._guard)

    def append(self, reading: Reading) -> None:
        """Write one reading. Raises StoreError when it is not the next one, or when the disk is full."""
        if reading.seq != self.count:
            raise StoreError(f"{self.path}: reading {reading.seq} does not follow row {self.count - 1}")
        self._write([_row(reading)], 1)
        self._last = reading

    def extend(self, frame: pd.DataFrame) -> None:
        """Write many readings given as the columns of the file, in order from the next `seq`."""
        if len(frame) == 0:
            return
        if int(frame["seq"].iloc[0]) != self.count:
            raise StoreError(f"{self.path}: reading {frame['seq'].iloc[0]} does not follow row {self.count - 1}")
        columns = [frame[name].tolist() for name in COLUMNS if name not in ("seq", "timestamp")]
        times = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").tolist()
        rows = [_format(*row) for row in zip(frame["seq"].tolist(), times, *columns, strict=True)]
        self._write(rows, len(rows))
        last = self._last_line()
        assert last is not None
        self._last = self._parse(last)

    def last(self) -> Reading | None:
        """The newest reading."""
        return self._last

    def since(self, seq: int, limit: int) -> list[Reading]:
        """At most `limit` readings after row `seq` (-1 for all), oldest first."""
        wanted = min(limit, self.count - seq - 1)
        if wanted <= 0:
            return []
        lines = self._lines_from(seq + 1)
        return [self._parse(line) for line in lines[:wanted]]

    def frame(self, last_minutes: int | None = None) -> pd.DataFrame:
        """The last rows (default: all) with the timestamp (UTC) as index; powers in kW, `soc` in [0, 1] or NaN."""
        first = 0 if last_minutes is None else max(0, self.count - last_minutes)
        text = b"\n".join(self._lines_from(first))
        kinds: dict[str, str] = {"seq": "int64"} | dict.fromkeys(COLUMNS[2:], "float64")
        frame = pd.read_csv(io.BytesIO(HEADER + text), dtype=kinds)
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="%Y-%m-%dT%H:%M:%SZ")
        return frame.set_index("timestamp")

    def verify(self) -> int:
        """Read every row; returns how many. Raises StoreError naming the first line that is wrong."""
        for number, line in enumerate(self._lines_from(0)):
            if self._parse(line, number + 2).seq != number:
                raise StoreError(f"{self.path}: line {number + 2}: seq should be {number}; restore a backup of it")
        return self.count

    # ---- the file

    def _claim(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        guard = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(guard)
            raise StoreError(
                f"{self.path}: another process writes to it; is building {self.building_id} running already?"
            ) from error
        return guard

    def _check_header(self) -> None:
        found = os.pread(self._file, len(HEADER), 0)
        if found == HEADER:
            return
        if HEADER.startswith(found):
            os.ftruncate(self._file, 0)
            os.write(self._file, HEADER)
            return
        raise StoreError(
            f"{self.path}: line 1 is not {HEADER.decode().strip()!r}; move the file away to start anew, or restore it"
        )

    def _repair(self) -> None:
        """Cut off a last row without its end of line: a write that a power cut tore."""
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, 4096, max(0, size - 4096))
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(self._file, size - torn)
            self.repaired_rows = 1
            log.warning("%s: the last row was torn and is cut off (%d bytes)", self.path, torn)

    def _write(self, rows: Iterable[bytes], count: int) -> None:
        """All rows in as few writes as the system allows; what does not fit is taken back."""
        with self._lock:
            before = os.fstat(self._file).st_size
            data = memoryview(b"".join(rows))
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError as error:
                os.ftruncate(self._file, before)
                raise StoreError(f"{self.path}: cannot write ({error.strerror}); free some disk space") from error
            self.count += count

    def _last_line(self) -> bytes | None:
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, 4096, max(len(HEADER), size - 4096)).rstrip(b"\n")
        return tail.rsplit(b"\n", 1)[-1] if tail else None

    def _lines_from(self, seq: int) -> list[bytes]:
        """Complete rows from `seq` on; looks back from the end, doubling until the row is inside."""
        size = os.fstat(self._file).st_size
        span = (self.count - seq + 1) * ROW_GUESS
        while True:
            start = max(len(HEADER), size - span)
            lines = os.pread(self._file, size - start, start).split(b"\n")[:-1]
            lines = lines if start == len(HEADER) else lines[1:]
            if start == len(HEADER) or (lines and _seq_of(lines[0]) <= seq):
                break
            span *= 2
        return lines[seq - _seq_of(lines[0]) :] if lines else []

    def _parse(self, line: bytes, number: int | None = None) -> Reading:
        fields = line.decode(errors="replace").split(",")
        try:
            values = dict(zip(COLUMNS, fields, strict=True))
            soc = values.pop("soc") or None
            return Reading.model_validate({"building_id": self.building_id, "soc": soc, **values})
        except (ValueError, ValidationError) as error:
            place = f"line {number}" if number else "the last line"
            cause = str(error.errors()[0]["loc"][0]) if isinstance(error, ValidationError) else "number of columns"
            raise StoreError(
                f"{self.path}: {place} is damaged ({cause}): {line[:80].decode(errors='replace')!r}; "
                "restore the file from a backup, or move it away to start anew"
            ) from error


def _seq_of(line: bytes) -> int:
    return int(line.split(b",", 1)[0])


def _row(reading: Reading) -> bytes:
    return _format(
        reading.seq,
        f"{reading.timestamp:%Y-%m-%dT%H:%M:%SZ}",
        reading.load_kw,
        reading.pv_kw,
        reading.battery_kw,
        reading.soc,
        reading.grid_kw,
        reading.net_flow_kw,
    )


def _format(
    seq: int, time: str, load: float, pv: float, battery: float, soc: float | None, grid: float, net: float
) -> bytes:
    charge = "" if soc is None or soc != soc else f"{soc:.5f}"
    return f"{seq},{time},{load:.4f},{pv:.4f},{battery:.4f},{charge},{grid:.4f},{net:.4f}\n".encode()
