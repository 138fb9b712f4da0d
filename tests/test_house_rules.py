"""What never enters the project: registry addresses, machine paths, keys, prints, catch-all modules."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REGISTRIES = re.compile(
    r"(?i)(pypi|pythonhosted|npmjs|registry\.npm|deb\.debian)\.(org|com)|/simp" r"le/|\"resol" r"ved\":"
)
KEYS = re.compile(r"BEGIN [A-Z ]*PRIVATE" r" KEY|(?i:private_key|privkey)\s*=\s*[\"']0x[0-9a-f]{64}")


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing tells what is committed")
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.splitlines() if (ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    here = Path(__file__)
    binary = {".png", ".ico", ".woff2"}
    return [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in tracked()
        if path.suffix not in binary and path != here
    ]


def test_no_registry_address_machine_path_or_key() -> None:
    places = [f"{folder}/" for folder in (ROOT, Path.home()) if folder != Path("/")]
    for name, text in texts():
        assert not REGISTRIES.search(text), f"{name} names a package registry"
        assert not KEYS.search(text), f"{name} holds a key"
        assert not any(place in text for place in places), f"{name} names a path of this machine"


def test_no_lock_file_with_addresses_and_no_data() -> None:
    names = {path.name for path in tracked()}
    assert not names & {"uv.lock", "pylock.toml", "package-lock.json", "poetry.lock", ".env"}
    assert not [path for path in tracked() if path.suffix in {".csv", ".key", ".sqlite3", ".npz"}]


def test_no_print_outside_the_command_line() -> None:
    for path in tracked():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] not in {"cli", "tests", "benchmarks"}:
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], path


def test_no_catch_all_module() -> None:
    assert not [path for path in tracked() if path.stem in {"utils", "util", "common", "helpers", "misc"}]
