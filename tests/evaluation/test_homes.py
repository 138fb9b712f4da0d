"""Homes are cut by time alone, and what was not measured is not scored."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecasting.arms import steps_of
from benchmarks.forecasting.homes import EvaluationError, Home, home_of, slot_minutes_of
from simulation.recording import read_recording
from tests.evaluation.made_up import spoil, write_homes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_homes(tmp_path / "homes", 2, 100)


def one(folder: Path, number: int = 1) -> Home:
    return home_of(read_recording(folder / f"building_{number:02}.csv", "UTC"))


def test_no_target_of_one_part_is_in_another(folder: Path) -> None:
    home = one(folder)
    day = home.slots.per_day
    assert home.training.max() + day <= home.train_stop <= home.validation.min()
    assert home.validation.max() + day <= home.test_start <= home.test.min()
    assert home.train_stop == pytest.approx(0.7 * len(home.slots), abs=1)
    assert home.test_start == pytest.approx(0.8 * len(home.slots), abs=1)


def test_a_gap_is_neither_trained_nor_scored(folder: Path) -> None:
    whole = one(folder)
    spoil(folder / "building_01.csv", range(2000, 2030))
    home = one(folder)
    lost = set(whole.ends.tolist()) - set(home.ends.tolist())
    assert lost == set(range(2000 - 23, 2030 + 1))
    assert not home.slots.measured[2000:2030].any()
    assert np.isfinite(home.slots.load_kw).all()


def test_a_beginning_with_gaps_is_cut_off(folder: Path) -> None:
    spoil(folder / "building_01.csv", range(30))
    home = one(folder)
    assert (len(home.slots), home.slots.first_slot) == (2400 - 30, one(folder, 2).slots.first_slot + 30)


def test_too_little_is_refused_by_name(tmp_path: Path) -> None:
    short = write_homes(tmp_path / "short", 1, 40)
    with pytest.raises(EvaluationError, match=r"building_01.csv: 40 days, 100% of them measured, are too few"):
        one(short)


@pytest.mark.parametrize(
    ("rows", "column", "words"),
    [
        (range(0, 2400, 24), 1, r"no day without a gap \(4% of load_kwh, 0% of pv_kwh missing\)"),
        (range(2400), 2, r"no day without a gap \(0% of load_kwh, 100% of pv_kwh missing\)"),
    ],
)
def test_no_whole_day_is_refused_with_what_is_missing(folder: Path, rows: range, column: int, words: str) -> None:
    spoil(folder / "building_01.csv", rows, column)
    with pytest.raises(EvaluationError, match=words):
        one(folder)


@pytest.mark.parametrize(
    ("interval", "slot"),
    [(1, 15), (2, 20), (3, 15), (4, 20), (5, 15), (6, 30), (10, 20), (12, 60), (15, 15), (30, 30), (60, 60)],
)
def test_slots_hold_whole_intervals(interval: int, slot: int) -> None:
    assert slot_minutes_of(interval) == slot


def test_ten_minutes_are_read_as_twenty(tmp_path: Path) -> None:
    home = one(write_homes(tmp_path / "homes", 1, 62, 10))
    assert home.slots.per_day == 72
    assert steps_of(home).tolist() == [2, 8, 17, 35, 71]
    power = pd.read_csv(tmp_path / "homes" / "building_01.csv")["load_kwh"].to_numpy() * 6
    np.testing.assert_allclose(home.slots.load_kw, power.reshape(-1, 2).mean(axis=1))


def test_hours_of_two_are_too_long(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"building_01.csv: intervals of 120 minutes are too long"):
        one(write_homes(tmp_path / "homes", 1, 70, 120))
