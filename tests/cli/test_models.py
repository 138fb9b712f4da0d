"""`./microgrid models` in a process of its own, on the folder of a building that runs in this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from building_clients.architecture import initial_weights, model_hash
from building_clients.model_store import ModelStore
from tests.cli.test_command_line import microgrid, says

PER_DAY = 96


def running(home: Path, adopted: int) -> ModelStore:
    """The store that building B1 of the default scenario has open."""
    store = ModelStore(home / "buildings" / "B1", PER_DAY)
    for seed in range(1, adopted + 1):
        store.keep(initial_weights(PER_DAY, seed), seed / 8 if seed > 1 else None)
    return store


def rows(home: Path, *more: str) -> list[list[str]]:
    """Cells of the table."""
    done = microgrid("models", "--building", "B1", "--home", home, *more)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_a_building_without_a_model_is_told_how_to_get_one(tmp_path: Path) -> None:
    done = microgrid("models", "--building", "B1", "--home", tmp_path)
    assert done.returncode == 0
    assert "B1 keeps no model yet" in done.stdout
    assert "./microgrid train" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_list_and_the_way_back_and_forth(tmp_path: Path) -> None:
    store = running(tmp_path, 3)
    adopted = f"{store.read(3).adopted_at:%Y-%m-%d %H:%M:%S}"
    (newest, _, oldest) = rows(tmp_path)
    assert newest == ["3", adopted, model_hash(initial_weights(PER_DAY, 3))[:10], "0.3750", "yes"]
    assert (oldest[0], oldest[3:]) == ("1", ["not measured", ""])
    for arguments, version in ((("--rollback",), 2), (("--rollback",), 1), (("--use", "3"), 3)):
        listed = {row[0]: row[4] for row in rows(tmp_path, *arguments)}
        assert {number: words for number, words in listed.items() if words} == {str(version): "yes, chosen by hand"}
        assert store.version == version  # without a restart


def test_a_damaged_model_is_shown_as_such(tmp_path: Path) -> None:
    running(tmp_path, 2)
    file = tmp_path / "buildings" / "B1" / "models" / "version-2.npz"
    file.write_bytes(file.read_bytes()[:-1])
    newest, older = rows(tmp_path)
    assert newest == ["2", "damaged", "", "", ""]
    assert (older[0], older[4]) == ("1", "yes")
    done = microgrid("models", "--building", "B1", "--home", tmp_path, "--rollback")
    assert done.returncode == 1
    assert f"{file} cannot be used" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("microgrid: B1: no model older than version 1 is kept")


@pytest.mark.parametrize(
    ("arguments", "pieces"),
    [
        (("--building", "B9"), ("no building 'B9'", "B1, B2, B3, B4, B5")),
        (("--building", "B1", "--use", "7"), ("B1: no model version 7 is kept; there are: 1", "./microgrid models")),
        (("--building", "B1", "--rollback"), ("no model older than version 1 is kept", "./microgrid models")),
        (("--building", "B2", "--rollback"), ("B2: no sound model is kept", "./microgrid models")),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], pieces: tuple[str, ...]
) -> None:
    store = running(tmp_path, 1)
    done = microgrid("models", *arguments, "--home", tmp_path)
    says(done, *pieces)
    assert (len(done.stderr.splitlines()), done.stdout) == (1, "")
    assert not store.chosen


def test_two_wishes_at_once_are_wrong_usage(tmp_path: Path) -> None:
    done = microgrid("models", "--building", "B1", "--home", tmp_path, "--rollback", "--use", "1")
    assert done.returncode == 2
    assert "exclude each other" in done.stderr
