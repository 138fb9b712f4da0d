"""What the model sees, against sums done by hand; above all: nothing looks ahead."""

import numpy as np
import pytest

from building_clients.slots import TrainError, to_slots
from building_clients.windows import CONTEXT, FEATURES, MIN_SCALE_KW, WINDOW, Series
from tests.building_clients.synthetic import PER_DAY, SLOT_MINUTES, readings

KNOWN = ("past", "context", "base", "deficit_logit", "scale_kw")


def series(days: float) -> Series:
    return Series(to_slots(readings(days), SLOT_MINUTES))


@pytest.mark.parametrize("slot_minutes", [15, 60])
def test_no_sample_knows_what_comes_after_it(slot_minutes: int) -> None:
    frame = readings(20)
    day = 24 * 60 // slot_minutes
    known = 17 * day + 5
    changed = frame.copy()
    changed.iloc[known * slot_minutes :] = 50.0
    before, after = (Series(to_slots(data, slot_minutes)) for data in (frame, changed))
    ends = np.arange(day, known + 1)
    one, other = before.batch(ends), after.batch(ends)
    for name in KNOWN:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    late, changed_late = before.batch(np.array([known + 1])), after.batch(np.array([known + 1]))
    assert (late.past != changed_late.past).any()
    assert (one.target[-1] != other.target[-1]).all()


def test_a_window_and_its_target_touch() -> None:
    whole = series(5)
    batch = whole.batch(np.array([2 * PER_DAY + 10]))
    load_off, pv_off, load_base, pv_base = (batch.past[0, :, column] for column in range(4))
    net_kw = (pv_off + pv_base - load_off - load_base) * batch.scale_kw[0]
    end = 2 * PER_DAY + 10
    np.testing.assert_allclose(net_kw, whole.net_kw[end - WINDOW : end], atol=1e-5)
    np.testing.assert_allclose(batch.target[0] * batch.scale_kw[0], whole.net_kw[end : end + PER_DAY], atol=1e-5)


def test_the_newest_sample_is_the_next_of_the_series() -> None:
    frame = readings(20)
    now = Series(to_slots(frame.iloc[: 19 * 1440], SLOT_MINUTES)).newest()
    later = Series(to_slots(frame, SLOT_MINUTES)).batch(np.array([19 * PER_DAY]))
    for name in KNOWN:
        np.testing.assert_allclose(getattr(now, name), getattr(later, name), rtol=1e-6)
    assert now.target.shape == (1, 0)
    assert later.target.shape == (1, PER_DAY)


def test_a_batch_is_its_samples() -> None:
    whole = series(9)
    ends = whole.ends()[[5, 300, 17]]
    together = whole.batch(ends)
    for row, end in enumerate(ends):
        alone = whole.batch(np.array([end]))
        for name in (*KNOWN, "target"):
            np.testing.assert_array_equal(getattr(together, name)[row], getattr(alone, name)[0])
    assert together.past.shape == (3, WINDOW, FEATURES)
    assert together.context.shape == (3, PER_DAY, CONTEXT)


def test_the_scale_is_the_spread_of_the_weeks_before() -> None:
    whole = series(40)
    end = 35 * PER_DAY + 3
    assert whole.scale_kw[end] == pytest.approx(np.std(whole.net_kw[end - 28 * PER_DAY : end]))
    assert whole.scale_kw[5 * PER_DAY] == pytest.approx(np.std(whole.net_kw[: 5 * PER_DAY]))


def test_ten_times_the_house_looks_the_same() -> None:
    frame = readings(9)
    small, large = (Series(to_slots(frame * factor, SLOT_MINUTES)) for factor in (1, 10))
    one, other = small.batch(small.ends()[::50]), large.batch(large.ends()[::50])
    for name in ("past", "context", "base", "deficit_logit", "target"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=2e-5)


def test_a_flat_building_has_a_scale() -> None:
    frame = readings(4) * 0 + 1
    assert Series(to_slots(frame, SLOT_MINUTES)).scale_kw.min() == pytest.approx(MIN_SCALE_KW)


def test_time_is_on_two_circles() -> None:
    whole = series(10)
    circles = whole.batch(np.array([PER_DAY, 2 * PER_DAY, 8 * PER_DAY])).past[:, 0, 5:]
    np.testing.assert_allclose(circles[:, 0] ** 2 + circles[:, 1] ** 2, 1, rtol=1e-5)
    np.testing.assert_allclose(circles[:, 2] ** 2 + circles[:, 3] ** 2, 1, rtol=1e-5)
    np.testing.assert_allclose(circles[0, :2], circles[1, :2], atol=1e-5)
    np.testing.assert_allclose(circles[0], circles[2], atol=1e-5)


def test_two_days_are_too_few_to_train() -> None:
    with pytest.raises(TrainError, match=r"2\.0 days of history; training needs at least 3"):
        series(2).ends()
