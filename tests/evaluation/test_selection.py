"""Which homes take part: found by name or number, left out with the reason, none learning from another's future."""

from pathlib import Path

import pytest

from benchmarks.forecasting.homes import EvaluationError
from benchmarks.forecasting.selection import Chosen, files_of, homes_in
from tests.evaluation.made_up import spoil, write_homes

FILES = [Path(f"{name}.csv") for name in ("building_01", "building_02", "home3", "west_4", "east_4")]


@pytest.mark.parametrize(
    ("wanted", "name"), [("2", "building_02"), ("02", "building_02"), ("building_02", "building_02"), ("3", "home3")]
)
def test_a_home_is_found_by_name_and_by_number(wanted: str, name: str) -> None:
    assert [file.stem for file in files_of([wanted], FILES)] == [name]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["9"], "--homes 9: no such home; there are building_01, building_02, home3"),
        (["4"], "--homes 4: could be west_4 or east_4; give the name"),
        (["1", "building_01"], "--homes 1,building_01: both are building_01; give each home once"),
    ],
)
def test_what_names_no_home_or_one_twice_is_refused(wanted: list[str], words: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        files_of(wanted, FILES)
    assert words in str(caught.value)


def test_an_unusable_home_is_left_out_with_the_reason(tmp_path: Path) -> None:
    folder = write_homes(tmp_path / "homes", 5, 70)
    spoil(folder / "building_03.csv", range(70 * 24), 2)
    (folder / "building_04.csv").write_text("")
    spoil(folder / "building_05.csv", range(30 * 24, 70 * 24))
    found = homes_in(folder, None, "UTC")
    assert [home.name for home in found.homes] == ["building_01", "building_02"]
    reasons = found.left_out
    assert reasons["building_03"].startswith("no day without a gap (0% of load_kwh, 100% of pv_kwh missing)")
    assert reasons["building_04"].startswith("is empty")
    assert reasons["building_05"].startswith("70 days, 43% of them measured, are too few")
    with pytest.raises(EvaluationError, match=r"at least two homes .*; building_03: no day .*; building_05: 70 days"):
        homes_in(folder, ["1", "3", "5"], "UTC")


def shifted(tmp_path: Path, start: str) -> Chosen:
    """Two homes of 200 days; the second begins at `start`."""
    folder = write_homes(tmp_path / "homes", 1, 200)
    later = write_homes(tmp_path / "later", 2, 200, start=start)
    (later / "building_02.csv").rename(folder / "building_02.csv")
    return homes_in(folder, None, "UTC")


def test_homes_of_equal_dates_keep_their_parts(tmp_path: Path) -> None:
    for home in shifted(tmp_path, "2026-01-01").homes:
        assert (home.train_stop, home.learn_stop, home.test_start) == (140 * 24, 160 * 24 - 1, 160 * 24 - 1)


def test_no_home_learns_from_the_time_of_anothers_test(tmp_path: Path) -> None:
    """The second begins 40 days later: 120 of its days are before the first one's test part."""
    first, second = shifted(tmp_path, "2026-02-10").homes
    begins = first.slots.first_slot + first.test_start
    for part in (second.training, second.validation):
        assert second.slots.first_slot + part.max() + 24 <= begins
    assert (second.learn_stop, second.test_start) == (120 * 24 - 1, 160 * 24 - 1)
    assert second.train_stop == pytest.approx(105 * 24, abs=1)
    assert second.observed.max() + 24 == second.test_start
    assert first.learn_stop == first.test_start


def test_a_home_with_too_little_before_anothers_test_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"building_02: 9 days before 2026-06-09, .* of building_01 begins"):
        shifted(tmp_path, "2026-06-01")
