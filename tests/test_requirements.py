"""requirements.lock is what pyproject.toml resolves to, with hashes and without addresses."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
RESOLVE = "pip compile pyproject.toml --all-extras --group dev --universal --no-annotate --no-header --quiet".split()
PIN = r"^[a-z0-9.-]+(?:\[[a-z,]+\])?==[^\s;\\]+"


def test_lock_has_hashes_and_no_address() -> None:
    text = LOCK.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    pins = re.findall(PIN, text, re.MULTILINE)
    assert len(pins) > 100
    assert text.count("--hash=sha256:") >= len(pins)


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[\[<>=; ]", line, maxsplit=1)[0] for line in wanted}
    text = LOCK.read_text(encoding="utf-8")
    assert sorted(name for name in names if not re.search(rf"^{name}(\[.*\])?==", text, re.MULTILINE)) == []


def test_lock_is_what_the_project_resolves_to(tmp_path: Path) -> None:
    """With the lock's versions as constraints, so that a later release changes nothing; needs the package index."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    if not Path(uv).exists():
        pytest.fail("no uv to check the lock with; run the tests through ./microgrid test")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [uv, *RESOLVE, "--constraint", str(LOCK)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode and re.search(r"(?i)connect|dns|network|timed out", done.stderr):
        assert not os.environ.get("CI"), done.stderr
        pytest.skip(f"the package index cannot be reached: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    resolved, locked = (set(re.findall(PIN, text, re.MULTILINE)) for text in (done.stdout, LOCK.read_text("utf-8")))
    assert resolved == locked, "export it again, see docs/development.md"
