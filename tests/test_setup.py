"""The wrapper on machines that are not as it needs them: one line that says so and what to do, and nothing left."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "dirname", "df", "awk", "cmp", "cp", "du", "cut")
OLD = 'case "$2" in *platform*) echo 3.9.18;; *) exit 1;; esac'
NEW = 'case "$2" in *platform*) echo 3.14.2;; *) exit 1;; esac'
NO_PIP = 'case "$1" in -m) exit 1;; esac'
NO_NETWORK = 'case "$3" in install) echo "ERROR: no route to host" >&2; exit 1;; esac'


class Machine:
    """A folder with the wrapper, and a path on which only the named programs are."""

    def __init__(self, folder: Path) -> None:
        self.project, self.bin = folder / "project", folder / "bin"
        self.project.mkdir()
        self.bin.mkdir()
        for name in ("microgrid", "requirements.lock"):
            shutil.copy(ROOT / name, self.project)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def start(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.project / "microgrid", "--help"],
            env={"PATH": str(self.bin), "HOME": str(self.project)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def refusal(self, **environment: str) -> str:
        """The one line that says why."""
        result = self.start(**environment)
        assert (result.returncode, result.stdout) == (1, "")
        assert not (self.project / ".venv").exists()
        return result.stderr.splitlines()[-1]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(("python", "version"), [(OLD, "3.9.18"), (NEW, "3.14.2")])
def test_a_python_of_the_wrong_age(machine: Machine, python: str, version: str) -> None:
    machine.program("python3", python)
    assert machine.refusal() == (
        f"microgrid: Python {version} is not supported (TensorFlow needs 3.11, 3.12 or 3.13); "
        "install Python 3.13 and start again"
    )


def test_no_python(machine: Machine) -> None:
    assert machine.refusal() == "microgrid: no Python found; install Python 3.13 with pip and start again"


def test_a_usable_python_beside_one_that_is_too_new(machine: Machine) -> None:
    machine.program("python3", NEW)
    machine.program("python3.12", NO_PIP)
    assert "python3.12 has no pip; install it" in machine.refusal()


def test_no_pip(machine: Machine) -> None:
    machine.program("python3", NO_PIP)
    assert machine.refusal().endswith(
        "python3 has no pip; install it (Debian: apt install python3-pip) and start again"
    )


def test_no_network(machine: Machine) -> None:
    machine.program("python3", NO_NETWORK)
    assert machine.refusal() == ("microgrid: could not fetch uv with pip; check the network connection and start again")


def test_no_disk(machine: Machine) -> None:
    machine.program("python3", "exit 0")
    machine.program("df", "printf 'Filesystem 1024-blocks Used Available\\n/dev/x 9000000 8800000 200000 98%% /\\n'")
    assert "MB are free on this disk, 4000 MB are needed; free some space" in machine.refusal()


def test_unknown_parts(machine: Machine) -> None:
    assert machine.refusal(MICROGRID_PARTS="roof") == "microgrid: MICROGRID_PARTS is 'roof'; it must be all or building"


def test_first_use_says_how_long_and_how_much(machine: Machine) -> None:
    machine.program("python3", NO_NETWORK)
    assert "about 3 GB; one to three minutes" in machine.start().stderr
