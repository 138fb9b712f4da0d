"""Python programs that do not fit into the project's environment, each in one of its own under `.tools`."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools"


def tool_program(name: str, requirement: str) -> Path:
    """The program `name` of an exact version; without the package index the test skips by name, and fails in CI."""
    folder = TOOLS / name
    program, done = folder / "bin" / name, folder / ".installed"
    wanted = f"{requirement} for Python {platform.python_version()}"
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return program
    shutil.rmtree(folder, ignore_errors=True)
    failure = _install(folder, requirement)
    if failure:
        words = f"{requirement} cannot be installed here, {name} did not run: {failure[-400:]}"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    done.write_text(wanted, encoding="utf-8")
    return program


def private_environment(name: str) -> dict[str, str]:
    """Environment variables with a home of the tool's own, and its programs (solvers, forge) in the path first."""
    home = TOOLS / name / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {**os.environ, "HOME": str(home), "PATH": f"{TOOLS / name / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def _install(folder: Path, requirement: str) -> str:
    """Empty if it worked, else what uv said. Wheels only: a test machine has no compiler."""
    found = shutil.which("uv") or str(TOOLS / "bin" / "uv")
    if not Path(found).exists():
        return "no uv; run the tests through ./microgrid test"
    python = str(folder / "bin" / "python")
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--only-binary", ":all:", "--python", python, requirement],
    ):
        # In the project's folder, so that its `exclude-newer` holds here too.
        done = subprocess.run([found, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip() or "uv failed"
    return ""
