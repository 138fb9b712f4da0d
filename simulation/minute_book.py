"""Samples of a live meter gathered into minutes, and kept on disk until the minute is a row of the readings."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from simulation.clock import MINUTE
from simulation.errors import MicrogridError
from simulation.files import write_atomically
from simulation.settings import Quantity

LATE = timedelta(minutes=5)


class MeterSpoolError(MicrogridError):
    """Samples cannot be kept on disk."""


@dataclass
class Minute:
    """What is known of one minute so far."""

    sums: dict[Quantity, float] = field(default_factory=dict)
    """Quantity -> sum of its samples."""
    counts: dict[Quantity, int] = field(default_factory=dict)
    """Quantity -> number of its samples."""
    late: bool = False
    """Whether a sample came more than five minutes after the minute."""

    def add(self, values: Mapping[Quantity, float], late: bool) -> None:
        """One more sample."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        self.late |= late

    def means(self) -> dict[Quantity, float]:
        """Quantity -> mean of its samples."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}


class MinuteBook:
    """Thread-safe. Every sample is in the spool file before `add` returns, so a kill loses none that was accepted."""

    def __init__(self, spool: Path, first: datetime) -> None:
        self.dropped = 0
        """Samples that came after their minute had been recorded [1]"""
        self.newest: datetime | None = None
        """Minute of the newest sample, in community time."""
        self._spool = spool
        self._first = first
        self._minutes: dict[datetime, Minute] = {}
        self._lines = 0
        self._lock = threading.Lock()
        self._load()

    def add(self, moment: datetime, values: Mapping[Quantity, float], arrived: datetime) -> bool:
        """Keep a sample; both times in community time. False when its minute is recorded already."""
        minute = moment.replace(second=0, microsecond=0)
        late = arrived - minute > MINUTE + LATE
        with self._lock:
            if minute < self._first:
                self.dropped += 1
                return False
            self._append({"minute": minute.isoformat(), "values": dict(values), "late": late})
            self._enter(minute, values, late)
        return True

    def take(self, minute: datetime) -> Minute | None:
        """What is known of `minute`; everything before it is recorded by now and may be forgotten."""
        with self._lock:
            self._first = max(self._first, minute)
            self._minutes = {start: known for start, known in self._minutes.items() if start >= minute}
            if self._lines > 100 + 2 * sum(sum(one.counts.values()) for one in self._minutes.values()):
                self._rewrite()
            return self._minutes.get(minute)

    def _enter(self, minute: datetime, values: Mapping[Quantity, float], late: bool) -> None:
        self._minutes.setdefault(minute, Minute()).add(values, late)
        self.newest = minute if self.newest is None else max(self.newest, minute)

    def _append(self, line: dict[str, object]) -> None:
        try:
            with open(
                os.open(self._spool, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8"
            ) as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise self._refused(error) from error
        self._lines += 1

    def _load(self) -> None:
        """Samples of the last run; a line that a kill tore is left out."""
        if not self._spool.exists():
            return
        for text in self._spool.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            minute = datetime.fromisoformat(line["minute"])
            if minute >= self._first:
                self._enter(minute, line["values"], line["late"])
        self._rewrite()

    def _rewrite(self) -> None:
        """One line for each minute and sample that is still needed; means stay the same."""
        lines = [
            {"minute": start.isoformat(), "values": one.means(), "late": one.late}
            for start, one in sorted(self._minutes.items())
            for _ in range(max(one.counts.values()))
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        try:
            write_atomically(self._spool, text.encode(), 0o600)
        except OSError as error:
            raise self._refused(error) from error
        self._lines = len(lines)

    def _refused(self, error: OSError) -> MeterSpoolError:
        return MeterSpoolError(f"{self._spool}: cannot write ({error.strerror}); free some disk space")
