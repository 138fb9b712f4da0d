"""The building's own CSV: append-only, whole rows at a time, readable by pandas and spreadsheets as it is."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import threading
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd

from building_clients.reading_row import COLUMNS, HEADER, TIME_FORMAT, format_reading, format_row, parse_row
from simulation.errors import MicrogridError
from simulation.reading import Reading

log = logging.getLogger(__name__)

BLOCK = 4096
"""Bytes that surely hold a whole row: the step of every search in the file."""
ROW_BYTES = 80
"""A little more than a typical row: how much to read for so many rows."""


class StoreError(MicrogridError):
    """The CSV cannot be used; the text names the file, the line and the fix. The file is left as it is."""


class ReadingsStore:
    """Rows are numbered by `seq` from 0 without gaps, so the last row tells how many there are.

    One process writes (a lock file sees to it); any thread of it may read. Opening reads the last row only;
    a fault further up is found by `verify`, or by whoever reads that row.
    """

    def __init__(self, path: Path, building_id: str) -> None:
        self.path = path
        self.building_id = building_id
        self.repaired_rows = 0
        """Torn last rows that were cut off when the store was opened [1]"""
        self.count = 0
        """Rows in the file [1]"""
        self._last: Reading | None = None
        self._lock = threading.Lock()
        self._descriptors: list[int] = []
        try:
            self._claim()
            self._file = self._open(path, os.O_APPEND)
            self._check_header()
            self._repair()
            self._read_last()
        except OSError as error:
            self.close()
            raise StoreError(f"{path}: cannot open ({error.strerror}); mend the folder or the disk") from error
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
        """Close the file and give up the lock."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def append(self, reading: Reading) -> None:
        """Write one reading. Raises StoreError when it is not the next one, or when the disk is full."""
        if reading.seq != self.count:
            raise StoreError(f"{self.path}: reading {reading.seq} does not follow row {self.count - 1}")
        self._write(format_reading(reading), 1)
        self._last = reading

    def extend(self, frame: pd.DataFrame) -> None:
        """Write many readings given as the columns of the file, in order from the next `seq`."""
        numbers = frame["seq"].tolist()
        if numbers != list(range(self.count, self.count + len(frame))):
            raise StoreError(f"{self.path}: readings {numbers[0]}... do not follow row {self.count - 1} one by one")
        if not numbers:
            return
        columns = [frame[name].tolist() for name in COLUMNS if name not in ("seq", "timestamp")]
        times = frame["timestamp"].dt.strftime(TIME_FORMAT).tolist()
        rows = [format_row(*row) for row in zip(numbers, times, *columns, strict=True)]
        self._write(b"".join(rows), len(rows))
        self._read_last()

    def last(self) -> Reading | None:
        """The newest reading."""
        return self._last

    def since(self, seq: int, limit: int) -> list[Reading]:
        """At most `limit` readings after row `seq` (-1 for all), oldest first. Raises StoreError for a damaged row."""
        wanted = min(limit, self.count - seq - 1)
        if wanted <= 0:
            return []
        offset = self._offset_of(seq + 1)
        lines = self._lines(offset, wanted)
        readings: list[Reading] = []
        for number, line in enumerate(lines, start=seq + 1):
            readings.append(self._parse(line, offset, number))
            offset += len(line) + 1
        return readings

    def frame(self, last_minutes: int | None = None) -> pd.DataFrame:
        """The last rows (default: all) with the timestamp (UTC) as index; powers in kW, `soc` in [0, 1] or NaN.

        Raises StoreError for a damaged row.
        """
        count = self.count
        first = 0 if last_minutes is None else max(0, count - last_minutes)
        text = self._text_from(len(HEADER) if first == 0 else self._offset_of(first)) if first < count else b""
        try:
            frame = _read_csv(text)
        except ValueError:
            frame = None
        if frame is None or not _is_sound(frame, first):
            self._name_the_fault()
            raise StoreError(f"{self.path}: damaged; restore the file from a backup, or move it away to start anew")
        return frame.set_index("timestamp")

    def verify(self) -> int:
        """Read every row; returns how many. Raises StoreError naming the first line that is wrong."""
        return len(self.frame())

    # ---- opening

    def _open(self, path: Path, flags: int = 0) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
        self._descriptors.append(descriptor)
        return descriptor

    def _claim(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        guard = self._open(self.path.with_suffix(".lock"))
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"{self.path}: another process writes to it; is building {self.building_id} running already?"
            ) from error

    def _check_header(self) -> None:
        found = os.pread(self._file, len(HEADER), 0)
        if found == HEADER:
            return
        if not HEADER.startswith(found):
            raise StoreError(
                f"{self.path}: line 1 is not {HEADER.decode().strip()!r}; "
                "move the file away to start anew, or restore it"
            )
        os.ftruncate(self._file, 0)
        self._write(HEADER, 0)

    def _repair(self) -> None:
        """Cut off a last row without its end of line: a write that a kill or a power cut tore."""
        size = end = self._size()
        newline = -1
        while newline < 0:
            start = max(0, end - BLOCK)
            newline = os.pread(self._file, end - start, start).rfind(b"\n")
            end = start if newline < 0 else start + newline + 1
        if end < size:
            os.ftruncate(self._file, end)
            self.repaired_rows = 1
            log.warning("%s: the last row was torn and is cut off (%d bytes)", self.path, size - end)

    def _read_last(self) -> None:
        size = self._size()
        if size == len(HEADER):
            return
        tail = os.pread(self._file, BLOCK, max(len(HEADER), size - BLOCK))
        line = tail[:-1].rsplit(b"\n", 1)[-1]
        self._last = self._parse(line, size - len(line) - 1)
        self.count = self._last.seq + 1

    # ---- writing and searching

    def _write(self, data: bytes, count: int) -> None:
        """All bytes in as few writes as the system allows; what does not fit is taken back."""
        with self._lock:
            before = self._size()
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError as error:
                os.ftruncate(self._file, before)
                raise StoreError(f"{self.path}: cannot write ({error.strerror}); free some disk space") from error
            self.count += count

    def _size(self) -> int:
        return os.fstat(self._file).st_size

    def _offset_of(self, seq: int) -> int:
        """Where row `seq` starts [bytes]: the file is sorted by `seq`, so bisect it."""
        low, high = len(HEADER), self._size()
        while high - low > BLOCK:
            middle = (low + high) // 2
            start = middle + os.pread(self._file, BLOCK, middle).find(b"\n") + 1
            if start < high and self._seq_at(start) <= seq:
                low = start
            else:
                high = middle
        for line in os.pread(self._file, high - low + BLOCK, low).split(b"\n"):
            if self._seq_of(line, low) >= seq:
                break
            low += len(line) + 1
        return low

    def _seq_at(self, offset: int) -> int:
        return self._seq_of(os.pread(self._file, BLOCK, offset), offset)

    def _seq_of(self, line: bytes, offset: int) -> int:
        digits = line.split(b",", 1)[0]
        if not digits.isdigit():
            raise self._damaged(line.split(b"\n", 1)[0], offset, "seq")
        return int(digits)

    def _lines(self, offset: int, count: int) -> list[bytes]:
        span = count * ROW_BYTES
        while (text := os.pread(self._file, span, offset)).count(b"\n") < count and offset + span < self._size():
            span *= 2
        return text.split(b"\n")[:-1][:count]

    def _text_from(self, offset: int) -> bytes:
        """Whole rows from `offset` to the end."""
        text = os.pread(self._file, self._size() - offset, offset)
        return text[: text.rfind(b"\n") + 1]

    def _parse(self, line: bytes, offset: int, seq: int | None = None) -> Reading:
        try:
            reading = parse_row(self.building_id, line)
        except ValueError as error:
            raise self._damaged(line, offset, str(error)) from error
        if seq is not None and reading.seq != seq:
            raise self._damaged(line, offset, f"seq should be {seq}")
        return reading

    def _name_the_fault(self) -> None:
        """Read row by row and raise StoreError at the first that is wrong."""
        offset, before = len(HEADER), None
        for seq, line in enumerate(self._text_from(offset).split(b"\n")[:-1]):
            reading = self._parse(line, offset, seq)
            if before is not None and reading.timestamp <= before:
                raise self._damaged(line, offset, "timestamp does not come after the line before")
            offset, before = offset + len(line) + 1, reading.timestamp

    def _damaged(self, line: bytes, offset: int, cause: str) -> StoreError:
        number = os.pread(self._file, offset, 0).count(b"\n") + 1
        return StoreError(
            f"{self.path}: line {number} is damaged ({cause}): {line[:80].decode(errors='replace')!r}; "
            "restore the file from a backup, or move it away to start anew"
        )


def _read_csv(text: bytes) -> pd.DataFrame:
    kinds: dict[str, str] = {"seq": "int64"} | dict.fromkeys(COLUMNS[2:], "float64")
    frame = pd.read_csv(io.BytesIO(HEADER + text), dtype=kinds, index_col=False)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
    return frame


def _is_sound(frame: pd.DataFrame, first: int) -> bool:
    """`seq` counts from `first`, time goes on, and every value but `soc` is a finite number."""
    numbered = np.array_equal(frame["seq"].to_numpy(), np.arange(first, first + len(frame)))
    values = frame[[name for name in COLUMNS[2:] if name != "soc"]].to_numpy()
    return (
        numbered
        and bool(np.isfinite(values).all())
        and bool((frame["timestamp"].diff().iloc[1:] > pd.Timedelta(0)).all())
    )
