"""Which homes of a folder take part in an evaluation, and why the others do not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.forecasting.homes import (
    MIN_DAYS,
    TRAIN_SHARE,
    VALIDATION_SHARE,
    EvaluationError,
    Home,
    has_all_parts,
    home_of,
)
from simulation.errors import MicrogridError
from simulation.recording import read_recording
from simulation.replay import recordings_in


@dataclass(frozen=True)
class Chosen:
    """The homes of an evaluation."""

    homes: list[Home]
    """Those that are trained on and scored."""
    left_out: dict[str, str]
    """Why a home is not, by its name."""


def homes_in(folder: Path, wanted: Sequence[str] | None, zone: str) -> Chosen:
    """The homes of a folder in the documented format; `wanted` are names or numbers.

    Raises ReplayError or EvaluationError when fewer than two can be used, or when they do not go together.
    """
    homes, left_out = [], {}
    for file in files_of(wanted, recordings_in(folder)):
        try:
            homes.append(home_of(read_recording(file, zone)))
        except MicrogridError as error:
            left_out[file.stem] = str(error).removeprefix(f"{file}: ")
    _check(homes, left_out)
    usable, late = _without_the_future(homes)
    left_out |= late
    _check(usable, left_out)
    return Chosen(usable, left_out)


def files_of(wanted: Sequence[str] | None, files: Sequence[Path]) -> list[Path]:
    """The wanted files in their order, all by default. Raises EvaluationError."""
    if wanted is None:
        return list(files)
    names = {file.stem: file for file in files}
    found: dict[Path, str] = {}
    for one in wanted:
        file = _file_of(one, names)
        if file in found:
            raise EvaluationError(f"--homes {found[file]},{one}: both are {file.stem}; give each home once")
        found[file] = one
    return list(found)


def _file_of(wanted: str, files: dict[str, Path]) -> Path:
    """By the name of the file, or by the number at its end: `3` and `03` find building_03 and home3."""
    if wanted in files:
        return files[wanted]
    numbered = [name for name in files if wanted.isdecimal() and _number(name) == int(wanted)]
    if not numbered:
        raise EvaluationError(f"--homes {wanted}: no such home; there are {', '.join(files)}")
    if len(numbered) > 1:
        raise EvaluationError(f"--homes {wanted}: could be {' or '.join(numbered)}; give the name")
    return files[numbered[0]]


def _number(name: str) -> int | None:
    digits = re.search(r"[0-9]+$", name)
    return int(digits[0]) if digits else None


def _without_the_future(homes: Sequence[Home]) -> tuple[list[Home], dict[str, str]]:
    """No home learns from the time after any test part has begun: all would know that time's weather from it."""
    earliest = min(homes, key=_test_begins)
    cut = [home.learning_until(_test_begins(earliest) - home.slots.first_slot) for home in homes]
    usable = [home for home in cut if _learns_enough(home)]
    return usable, {home.name: _too_late(home, earliest) for home in cut if not _learns_enough(home)}


def _test_begins(home: Home) -> int:
    return home.slots.first_slot + home.test_start


def _learns_enough(home: Home) -> bool:
    least = int(MIN_DAYS * (TRAIN_SHARE + VALIDATION_SHARE)) * home.slots.per_day
    return home.learns_until is None or (home.learns_until >= least and has_all_parts(home))


def _too_late(home: Home, earliest: Home) -> str:
    begins = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=_test_begins(earliest) / earliest.slots.per_day)
    return (
        f"{home.learn_stop / home.slots.per_day:.0f} days before {begins:%Y-%m-%d}, when the test part of "
        f"{earliest.name} begins, are too few to learn from; evaluate homes of such different dates apart (--homes)"
    )


def _check(homes: Sequence[Home], left_out: dict[str, str]) -> None:
    if len(homes) < 2:
        reasons = "".join(f"; {name}: {reason}" for name, reason in left_out.items())
        raise EvaluationError(f"an evaluation needs at least two homes to learn from each other{reasons}")
    if len({home.slots.per_day for home in homes}) > 1:
        lengths = ", ".join(f"{home.name}: {24 * 60 // home.slots.per_day} min" for home in homes)
        raise EvaluationError(f"the homes need slots of different length ({lengths}); evaluate them apart")
    if all(home.quality.verdict == "poor" for home in homes):
        raise EvaluationError("no home's data is good enough to train on; see ./microgrid import for what is wrong")
