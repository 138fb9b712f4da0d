"""Each stage imports only earlier ones, and heavy imports happen only where training runs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ("simulation", "contracts", "building_clients", "fl_server", "dashboard", "cli")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_only_earlier_ones(stage: str) -> None:
    later = set(STAGES[STAGES.index(stage) + 1 :])
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / stage).rglob("*.py")
        for name in imported(path)
        if name in later
    ]
    assert wrong == []


LIGHT = (
    "cli.main",
    "dashboard.hub.server",
    "contracts.operator",
    "building_clients.client_app",
    "fl_server.server_app",
)


@pytest.mark.parametrize("module", LIGHT)
def test_no_tensorflow_outside_training(module: str) -> None:
    code = f"import {module}, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_gateway_needs_no_web3() -> None:
    """It starts in no time, and web3 raises Python's recursion limit so far that a request could overflow the stack."""
    code = "import contracts.chain, sys; sys.exit('web3' in sys.modules or sys.getrecursionlimit() > 1000)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_dashboard_needs_no_tensorflow() -> None:
    assert not [path for path in (ROOT / "dashboard").rglob("*.py") if "tensorflow" in set(imported(path))]


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'web3', 'pandas', 'flwr', 'streamlit', 'fastapi', 'pydantic'}"
    code = f"import cli.main, sys; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.stderr == ""
