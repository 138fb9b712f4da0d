"""Slot means against sums done by hand; gaps, and what is missing is named."""

import numpy as np
import pandas as pd
import pytest

from building_clients.slots import TrainError, to_slots
from simulation.clock import slot_index
from tests.building_clients.synthetic import PER_DAY, SLOT_MINUTES, START, readings


def test_a_slot_is_the_mean_of_its_minutes() -> None:
    frame = readings(2)
    slots = to_slots(frame, SLOT_MINUTES)
    for name in ("load_kw", "pv_kw"):
        by_hand = frame[name].to_numpy().reshape(-1, SLOT_MINUTES).mean(axis=1)
        np.testing.assert_allclose(getattr(slots, name), by_hand, rtol=1e-12)
    np.testing.assert_allclose(slots.net_kw, slots.pv_kw - slots.load_kw)
    assert slots.first_slot == slot_index(START, SLOT_MINUTES)


def test_an_unfinished_slot_is_left_out() -> None:
    assert len(to_slots(readings(2).iloc[:-1], SLOT_MINUTES)) == 2 * PER_DAY - 1


def test_a_running_slot_counts_from_the_share_on_that_is_asked_for() -> None:
    for minutes, slots in ((7, 0), (8, 1), (14, 1)):
        frame = readings(2).iloc[: 1440 + minutes]
        found = to_slots(frame, SLOT_MINUTES, 0.5)
        assert len(found) == PER_DAY + slots
        if slots:
            assert found.load_kw[-1] == pytest.approx(frame["load_kw"].iloc[1440:].mean())


def test_an_hourly_grid_is_as_good() -> None:
    slots = to_slots(readings(2), 60)
    assert (slots.per_day, len(slots), slots.days) == (24, 48, 2.0)


def test_a_gap_is_filled_from_the_day_before() -> None:
    frame = readings(3)
    gap = slice((PER_DAY + 5) * SLOT_MINUTES, (PER_DAY + 9) * SLOT_MINUTES)
    slots = to_slots(frame.drop(frame.index[gap]), SLOT_MINUTES)
    np.testing.assert_array_equal(slots.load_kw[PER_DAY + 5 : PER_DAY + 9], slots.load_kw[5:9])
    assert len(slots) == 3 * PER_DAY
    assert np.flatnonzero(~slots.measured).tolist() == list(range(PER_DAY + 5, PER_DAY + 9))


def test_missing_values_do_not_spoil_their_slot() -> None:
    frame = readings(2)
    frame.iloc[3, 0] = np.nan
    slots = to_slots(frame, SLOT_MINUTES)
    assert slots.load_kw[0] == pytest.approx(np.nanmean(frame["load_kw"].iloc[:SLOT_MINUTES]))


def test_a_hole_of_weeks_ends_the_history() -> None:
    old, new = readings(30).iloc[: 5 * 1440], readings(30).iloc[25 * 1440 :]
    slots = to_slots(pd.concat([old, new]), SLOT_MINUTES)
    assert (len(slots), slots.first_slot) == (5 * PER_DAY, slot_index(START, SLOT_MINUTES) + 25 * PER_DAY)


@pytest.mark.parametrize("name", ["load_kw", "pv_kw"])
def test_a_hole_in_one_column_ends_it_too(name: str) -> None:
    frame = readings(30)
    frame.loc[frame.index[5 * 1440 : 25 * 1440], name] = np.nan
    assert to_slots(frame, SLOT_MINUTES).first_slot == slot_index(START, SLOT_MINUTES) + 25 * PER_DAY


def test_history_begins_with_the_first_number() -> None:
    frame = readings(5)
    frame.iloc[:1440] = np.nan
    slots = to_slots(frame, SLOT_MINUTES)
    assert (slots.first_slot, slots.days) == (slot_index(START, SLOT_MINUTES) + PER_DAY, 4.0)


def known_until(day: int) -> pd.DataFrame:
    frame = readings(12)
    frame.loc[frame.index[day * 1440 :], "pv_kw"] = np.nan
    return frame


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (readings(0), "no reading yet"),
        (readings(0.5), "48 slots of history; at least 96"),
        (readings(4) * np.nan, "holds no number; check"),
        (readings(12).assign(pv_kw=np.nan), "holds no number; check"),
        (known_until(2), r"holds no number in the last 10 days"),
    ],
)
def test_what_is_missing_is_named(frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(TrainError, match=words):
        to_slots(frame, SLOT_MINUTES)


def test_a_part_knows_where_it_begins() -> None:
    slots = to_slots(readings(3), SLOT_MINUTES)
    part = slots.part(PER_DAY, 2 * PER_DAY)
    assert (part.first_slot, len(part)) == (slots.first_slot + PER_DAY, PER_DAY)
    np.testing.assert_array_equal(slots.part(-PER_DAY, len(slots)).load_kw, slots.load_kw[-PER_DAY:])
