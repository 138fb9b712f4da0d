"""Start of the command line, against a Python that does nothing and one that imports what the product imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks._table import against, measure, show

PROJECT = Path(__file__).parents[1]
REPEATS = 7
SIDES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "./microgrid --help": [str(PROJECT / "microgrid"), "--help"],
    "./microgrid config show": [str(PROJECT / "microgrid"), "config", "show"],
    "import web3, pandas, flwr": [sys.executable, "-c", "import web3, pandas, flwr"],
}


def _runner(command: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)


def main(json_file: str | None) -> None:
    """Print the medians."""
    times = measure({name: _runner(command) for name, command in SIDES.items()}, REPEATS)
    show(f"start-up, {REPEATS} runs each", against(times, "python -c pass"), json_file)
