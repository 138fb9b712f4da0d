"""What the model sees, against sums done by hand; above all: nothing looks ahead."""

import numpy as np
import pandas as pd
import pytest

from building_clients.windows import ALPHA, WINDOW, TrainError, newest, past_of, scale_of, to_series, to_windows
from simulation.clock import slot_index
from tests.building_clients.synthetic import PER_DAY, SLOT_MINUTES, START, readings


def test_a_slot_is_the_mean_of_its_minutes() -> None:
    frame = readings(2)
    series = to_series(frame, SLOT_MINUTES)
    by_hand = frame["net_flow_kw"].to_numpy().reshape(-1, SLOT_MINUTES).mean(axis=1)
    np.testing.assert_allclose(series.net_kw, by_hand, rtol=1e-12)
    assert series.first_slot == slot_index(START, SLOT_MINUTES)


def test_an_unfinished_slot_is_left_out() -> None:
    assert len(to_series(readings(2).iloc[:-1], SLOT_MINUTES).net_kw) == 2 * PER_DAY - 1


def test_the_base_is_the_weighted_mean_of_earlier_days() -> None:
    series = to_series(readings(6), SLOT_MINUTES)
    for slot in (PER_DAY, 3 * PER_DAY + 7, 6 * PER_DAY - 1, 6 * PER_DAY + 40):
        earlier = series.net_kw[slot % PER_DAY : slot : PER_DAY]
        weights = ALPHA * (1 - ALPHA) ** np.arange(len(earlier))[::-1]
        weights[0] /= ALPHA
        assert weights.sum() == pytest.approx(1)
        assert series.base_kw[slot] == pytest.approx(weights @ earlier)
        assert series.deficit_share[slot] == pytest.approx(weights @ (earlier < 0))


def test_no_sample_knows_what_comes_after_it() -> None:
    frame = readings(8)
    known = 5 * PER_DAY
    changed = frame.copy()
    changed.iloc[known * SLOT_MINUTES :] = 99.0
    before, after = (to_windows(to_series(data, SLOT_MINUTES), scale_kw=2.0) for data in (frame, changed))
    samples = known - PER_DAY + 1  # the first ends after one day; the last of these ends exactly at `known`
    for name in ("past", "base", "deficit_logit"):
        np.testing.assert_array_equal(getattr(before, name)[:samples], getattr(after, name)[:samples])
        assert (getattr(before, name)[samples] != getattr(after, name)[samples]).any() or name != "past"
    assert (before.target[samples - 1] != after.target[samples - 1]).all()


def test_a_window_and_its_target_touch() -> None:
    series = to_series(readings(4), SLOT_MINUTES)
    windows = to_windows(series, scale_kw=1.0)
    net = windows.past[..., 0] + windows.past[..., 1]
    np.testing.assert_allclose(net[10], series.net_kw[PER_DAY + 10 - WINDOW : PER_DAY + 10], atol=1e-5)
    np.testing.assert_allclose(windows.target[10], series.net_kw[PER_DAY + 10 : 2 * PER_DAY + 10], atol=1e-5)


def test_the_newest_sample_is_the_next_of_the_series() -> None:
    frame = readings(6)
    now = newest(to_series(frame.iloc[: 5 * 1440], SLOT_MINUTES), 1.5)
    later = to_windows(to_series(frame, SLOT_MINUTES), 1.5)
    for name in ("past", "base", "deficit_logit"):
        np.testing.assert_allclose(getattr(now, name)[0], getattr(later, name)[-1], rtol=1e-6)


def test_the_scale_knows_only_what_training_sees() -> None:
    frame = readings(10)
    scale = scale_of(to_series(frame, SLOT_MINUTES))
    windows = to_windows(to_series(frame, SLOT_MINUTES), scale)
    training = len(windows) - int(0.2 * len(windows)) - PER_DAY
    last_trained_slot = PER_DAY + training - 1 + PER_DAY
    frame.iloc[last_trained_slot * SLOT_MINUTES :] *= 50
    assert scale_of(to_series(frame, SLOT_MINUTES)) == scale


def test_a_flat_building_has_a_scale() -> None:
    frame = readings(4)
    frame["net_flow_kw"] = -1.0
    assert scale_of(to_series(frame, SLOT_MINUTES)) > 0


def test_time_is_on_two_circles() -> None:
    past = past_of(to_series(readings(9), SLOT_MINUTES), 1.0)
    np.testing.assert_allclose(past[:, 2] ** 2 + past[:, 3] ** 2, 1, rtol=1e-5)
    np.testing.assert_allclose(past[:, 4] ** 2 + past[:, 5] ** 2, 1, rtol=1e-5)
    np.testing.assert_allclose(past[0, 2:4], past[PER_DAY, 2:4], atol=1e-5)
    np.testing.assert_allclose(past[0, 4:], past[7 * PER_DAY, 4:], atol=1e-5)


def test_a_gap_is_filled_from_the_day_before() -> None:
    frame = readings(3)
    gap = slice((PER_DAY + 5) * SLOT_MINUTES, (PER_DAY + 9) * SLOT_MINUTES)
    series = to_series(frame.drop(frame.index[gap]), SLOT_MINUTES)
    np.testing.assert_array_equal(series.net_kw[PER_DAY + 5 : PER_DAY + 9], series.net_kw[5:9])
    assert len(series.net_kw) == 3 * PER_DAY


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (readings(0), "no reading yet"),
        (readings(0.5), "48 slots of history; at least 96"),
        (readings(4) * np.nan, "no numbers"),
    ],
)
def test_what_is_missing_is_named(frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(TrainError, match=words):
        to_series(frame, SLOT_MINUTES)


def test_two_days_are_too_few_to_train() -> None:
    with pytest.raises(TrainError, match=r"2\.0 days of history; training needs at least 3"):
        to_windows(to_series(readings(2), SLOT_MINUTES), 1.0)
