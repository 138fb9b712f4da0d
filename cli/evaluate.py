"""`./microgrid evaluate`: how well forecasters do on a folder of homes, as tables, JSON and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.forecasting.evaluation import PARTS, Wanted, evaluate, jobs
from benchmarks.forecasting.homes import EvaluationError
from benchmarks.forecasting.learning import Plan
from benchmarks.forecasting.report import create_folder, markdown, write_report
from benchmarks.forecasting.selection import homes_in
from building_clients.settings import LearningConfig
from cli.tables import table_console
from simulation.settings import known_timezone


@dataclass(frozen=True)
class EvaluateOptions:
    """What `evaluate` is asked for."""

    data: Path
    """Folder with one CSV per home."""
    homes: str | None
    """Names or numbers, with commas and ranges; all by default."""
    rounds: int
    """Federated rounds [1]"""
    out: Path
    """Where the report goes."""
    without: str
    """Parts to leave out, with commas."""
    timezone: str
    """Zone of times without offset."""
    seed: int
    """Seed of first weights and batch order."""


def run_evaluation(options: EvaluateOptions) -> None:
    """Train and score everything; prints the report. Raises EvaluationError or ReplayError before training."""
    chosen = homes_in(options.data, wanted_homes(options.homes), _timezone(options.timezone))
    config = LearningConfig(rounds=options.rounds, local_steps=ROUND_STEPS, seed=options.seed)
    wanted = Wanted(Plan(config), _parts(options.without))
    create_folder(options.out)
    print("".join(f"left out: {name}: {reason}\n" for name, reason in chosen.left_out.items()), end="")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=table_console()) as progress:
        task = progress.add_task("arms", total=jobs(chosen.homes, wanted))
        record = evaluate(chosen, wanted, lambda part: progress.update(task, advance=1, description=part))
        progress.update(task, completed=jobs(chosen.homes, wanted), description="done")
    files = write_report(record, options.out)
    print(markdown(record))
    print("\n".join(f"wrote {file}" for file in files))


def _timezone(name: str) -> str:
    try:
        return known_timezone(name)
    except ValueError as error:
        raise EvaluationError(f"--timezone: {error}") from error


ROUND_STEPS = 94
"""Gradient steps of a home in a round: about one pass over three months of hours, by sixteens [1]"""


def wanted_homes(text: str | None) -> list[str] | None:
    """`1-3,building_07` as 1, 2, 3, building_07; None for all. Raises EvaluationError."""
    if text is None:
        return None
    found: list[str] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            found += _range(int(first), int(last))
        elif part.strip():
            found.append(part.strip())
    if not found or len(set(found)) < len(found):
        raise EvaluationError(f"--homes {text!r}: give names or numbers once each, such as 1-3,7")
    return found


def _range(first: int, last: int) -> list[str]:
    if last < first:
        raise EvaluationError(f"--homes {first}-{last}: the range runs backwards; write {last}-{first}")
    return [str(number) for number in range(first, last + 1)]


def _parts(text: str) -> tuple[str, ...]:
    parts: Sequence[str] = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise EvaluationError(f"--without {unknown[0]}: no such part; there are {', '.join(PARTS)}")
    return tuple(parts)
