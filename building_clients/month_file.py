"""One calendar month of a building's readings: a CSV of whole rows, sorted by `seq`, that is only ever added to."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from building_clients.reading_row import HEADER, parse_row
from simulation.errors import MicrogridError
from simulation.reading import Reading

log = logging.getLogger(__name__)

BLOCK = 4096
"""Bytes that surely hold a whole row: the step of every search in the file."""
ROW_BYTES = 96
"""A little more than a typical row: how much to read for so many rows."""


class StoreError(MicrogridError):
    """The CSV cannot be used; the text names the file, the line and the fix. The file is left as it is."""


class MonthFile:
    """Opening reads the first and the last row only; rows between are found by bisecting."""

    def __init__(self, path: Path, building_id: str) -> None:
        self.path = path
        self.building_id = building_id
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._check_header()
            self.repaired = self._repair()
            """Whether a torn last row was cut off when the file was opened."""
            self.first_seq = self._read_first()
            """`seq` of the first row; None while there is none."""
            self.last = self._read_last()
            """The newest reading; None while there is none."""
        except (OSError, StoreError):
            os.close(self._file)
            raise

    def close(self) -> None:
        """Give the file back to the system."""
        os.close(self._file)

    def append(self, rows: bytes, last: Reading) -> None:
        """Add whole rows, the last of which is `last`. Raises StoreError when the disk is full, and takes all back."""
        self._write(rows)
        if self.first_seq is None:
            self.first_seq = int(rows.split(b",", 1)[0])
        self.last = last

    def readings(self, seq: int, limit: int) -> list[Reading]:
        """At most `limit` readings from row `seq` on. Raises StoreError for a damaged row."""
        offset = self.offset_of(seq)
        found: list[Reading] = []
        for number, line in enumerate(self._lines(offset, limit), start=seq):
            found.append(self._parse(line, offset, number))
            offset += len(line) + 1
        return found

    def text_from(self, seq: int) -> bytes:
        """Whole rows from `seq` to the end, as they are in the file."""
        offset = len(HEADER) if seq == self.first_seq else self.offset_of(seq)
        text = os.pread(self._file, self._size() - offset, offset)
        return text[: text.rfind(b"\n") + 1]

    def name_the_fault(self, seq: int) -> None:
        """Read row by row, the first being `seq`, and raise StoreError at the first that is wrong."""
        offset, before = len(HEADER), None
        for number, line in enumerate(self.text_from(seq).split(b"\n")[:-1], start=seq):
            reading = self._parse(line, offset, number)
            if before is not None and reading.timestamp <= before:
                raise self._damaged(line, offset, "timestamp does not come after the line before")
            offset, before = offset + len(line) + 1, reading.timestamp

    def offset_of(self, seq: int) -> int:
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

    # ---- opening

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
        self._write(HEADER)

    def _repair(self) -> bool:
        """Cut off a last row without its end of line, or zeros: a write that a kill or a power cut tore."""
        size = end = self._size()
        newline = -1
        while newline < 0:
            start = max(0, end - BLOCK)
            newline = os.pread(self._file, end - start, start).rfind(b"\n")
            end = start if newline < 0 else start + newline + 1
        if end == size:
            return False
        os.ftruncate(self._file, end)
        log.warning("%s: the last row was torn and is cut off (%d bytes)", self.path, size - end)
        return True

    def _read_first(self) -> int | None:
        return self._seq_at(len(HEADER)) if self._size() > len(HEADER) else None

    def _read_last(self) -> Reading | None:
        size = self._size()
        if size == len(HEADER):
            return None
        tail = os.pread(self._file, BLOCK, max(len(HEADER), size - BLOCK))
        line = tail[:-1].rsplit(b"\n", 1)[-1]
        return self._parse(line, size - len(line) - 1)

    # ---- bytes and rows

    def _write(self, data: bytes) -> None:
        """All bytes in as few writes as the system allows; what does not fit is taken back."""
        before = self._size()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            os.ftruncate(self._file, before)
            raise StoreError(f"{self.path}: cannot write ({error.strerror}); free some disk space") from error

    def _size(self) -> int:
        return os.fstat(self._file).st_size

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

    def _parse(self, line: bytes, offset: int, seq: int | None = None) -> Reading:
        try:
            reading = parse_row(self.building_id, line)
        except ValueError as error:
            raise self._damaged(line, offset, str(error)) from error
        if seq is not None and reading.seq != seq:
            raise self._damaged(line, offset, f"seq should be {seq}")
        return reading

    def _damaged(self, line: bytes, offset: int, cause: str) -> StoreError:
        number = os.pread(self._file, offset, 0).count(b"\n") + 1
        return StoreError(
            f"{self.path}: line {number} is damaged ({cause}): {line[:80].decode(errors='replace')!r}; "
            "restore the file from a backup, or move it away to start anew"
        )
