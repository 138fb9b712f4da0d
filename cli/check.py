"""`./microgrid test`: the checks that a person runs are the checks that CI runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from building_clients.lean_memory import multiply_in_one_thread

PROJECT = Path(__file__).parents[1]
STATIC = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy", "."),
)
SIDE_BY_SIDE = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder")
"""The whole suite runs in several processes, each file in one; what is picked by hand runs in the terminal's own."""


def run_checks(pytest_arguments: Sequence[str]) -> int:
    """All static checks, then pytest; the first failure's exit code, or 0."""
    for command in STATIC:
        print(f"== {' '.join(command)}", flush=True)
        code = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, check=False).returncode
        if code:
            return code
    print("== pytest", flush=True)
    multiply_in_one_thread()  # as buildings do; and there are as many tests as cores already
    arguments = pytest_arguments or SIDE_BY_SIDE
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=PROJECT, check=False).returncode
