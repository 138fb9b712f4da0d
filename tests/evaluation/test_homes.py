"""Homes are cut by time alone, and what was not measured is not scored."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.forecasting.homes import EvaluationError, Home, homes_in
from tests.evaluation.made_up import write_homes


def spoil(path: Path, rows: range) -> None:
    """Remove the load of these rows."""
    lines = path.read_text().splitlines()
    for row in rows:
        time, _, pv = lines[1 + row].split(",")
        lines[1 + row] = f"{time},,{pv}"
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_homes(tmp_path / "homes", 2, 100)


def one(folder: Path, wanted: str = "1") -> Home:
    return homes_in(folder, [wanted], "UTC")[0]


def test_no_target_of_one_part_is_in_another(folder: Path) -> None:
    home = one(folder)
    day = home.slots.per_day
    assert home.training.max() + day <= home.train_stop <= home.validation.min()
    assert home.validation.max() + day <= home.test_start <= home.test.min()
    assert home.train_stop == pytest.approx(0.7 * len(home.slots), abs=1)
    assert home.test_start == pytest.approx(0.8 * len(home.slots), abs=1)


def test_a_home_is_found_by_name_and_by_number(folder: Path) -> None:
    assert one(folder, "2").name == one(folder, "building_02").name == one(folder, "02").name == "building_02"
    with pytest.raises(EvaluationError, match=r"--homes 9: no such home; there are building_01, building_02"):
        one(folder, "9")


def test_a_gap_is_neither_trained_nor_scored(folder: Path) -> None:
    whole = one(folder)
    spoil(folder / "building_01.csv", range(2000, 2030))
    home = one(folder)
    lost = set(whole.ends.tolist()) - set(home.ends.tolist())
    assert lost == set(range(2000 - 23, 2030 + 1))
    assert not home.measured[2000:2030].any()
    assert np.isfinite(home.slots.load_kw).all()


def test_a_beginning_with_gaps_is_cut_off(folder: Path) -> None:
    spoil(folder / "building_01.csv", range(30))
    home = one(folder)
    assert (len(home.slots), home.slots.first_slot) == (2400 - 30, one(folder, "2").slots.first_slot + 30)


def test_too_little_is_refused_by_name(tmp_path: Path) -> None:
    short = write_homes(tmp_path / "short", 1, 40)
    with pytest.raises(EvaluationError, match=r"building_01.csv: 40 days, 100% of them measured, are too few"):
        homes_in(short, None, "UTC")
    empty = write_homes(tmp_path / "empty", 1, 100)
    spoil(empty / "building_01.csv", range(0, 2400, 20))
    with pytest.raises(EvaluationError, match=r"building_01.csv: no day without a gap"):
        homes_in(empty, None, "UTC")
