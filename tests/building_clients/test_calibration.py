"""Corrections from the building's own past forecasts: what they recover and promise, and that none looks ahead."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from building_clients.adaptation import FIT_SLOTS, MIN_DAYS, adapt
from building_clients.calibration import (
    HALF_LIFE_DAYS,
    MIN_SAMPLES,
    Calibration,
    Raw,
    SeasonalModel,
    calibrated_on,
    calibration_of,
    conformal,
    past_ends,
)
from building_clients.slots import SlotMeans
from building_clients.windows import Series

DAYS, PER_DAY, INPUTS = 42, 24, 5


def past_inputs(seed: int = 1) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """Random inputs, one forecast an hour, and how old each is."""
    rng = np.random.default_rng(seed)
    count = DAYS * PER_DAY
    return rng, rng.normal(size=(count, PER_DAY, INPUTS)).astype(np.float32), np.arange(count, 0, -1) / PER_DAY


def raw(rng: np.random.Generator, odds: np.ndarray, deficit: np.ndarray) -> Raw:
    """Forecasts whose median is 0 and whose deficits are as given."""
    quantiles = np.broadcast_to([-1.0, 0.0, 1.0], (*odds.shape, 3))
    target = np.where(deficit, -1.0, 1.0) * rng.random(odds.shape)
    return Raw(quantiles, odds, np.zeros((*odds.shape, 1), np.float32), target)


def test_adaptation_finds_a_linear_error_under_heavy_noise() -> None:
    rng, inputs, age = past_inputs()
    truth = np.array([0.5, -0.3, 0.0, 0.2, 0.0])
    error = inputs @ truth + 0.3 * rng.standard_cauchy(inputs.shape[:2])
    shifts = adapt(inputs, error, age)[0].shifts(inputs)
    slope = (shifts * (inputs @ truth)).sum() / np.square(inputs @ truth).sum()
    assert 0.2 < slope < 0.5  # a ridge of one mean square at least halves what it finds
    assert np.corrcoef(shifts.ravel(), (inputs @ truth).ravel())[0, 1] > 0.98


def test_adaptation_of_errors_without_pattern_is_small() -> None:
    rng, inputs, age = past_inputs()
    error = rng.normal(size=inputs.shape[:2])
    shifts = adapt(inputs, error, age)[0].shifts(inputs)
    assert np.abs(error - shifts).mean() == pytest.approx(np.abs(error).mean(), rel=0.01)


def test_a_week_does_not_know_its_own_errors() -> None:
    rng, inputs, age = past_inputs()
    error = rng.normal(size=inputs.shape[:2])
    week = (age - age.min()) // 7 == 2
    changed = np.where(week[:, None], error + 1e-3 * inputs[:, :, 0], error)
    one, other = (adapt(inputs, values, age)[1] for values in (error, changed))
    moved = np.abs(one - other).max(axis=1)
    assert moved[week].max() < 0.5 * moved[~week].max()  # through the reweighting alone


def test_all_slots_of_a_group_are_adapted_not_only_those_fitted() -> None:
    _, inputs, age = past_inputs()
    coefficients = adapt(inputs, inputs[:, :, 0], age)[0].coefficients
    assert coefficients.shape == (PER_DAY, INPUTS)
    assert len(np.unique(coefficients[:, 0])) == 5 > FIT_SLOTS  # 0, 1, 2 to 4, 5 to 10, 11 to 23 h
    assert (coefficients[:, 0] > 0.4).all()


@given(seed=st.integers(0, 1000), count=st.integers(8, 60))
def test_interval_is_the_weighted_quantile_of_the_errors(seed: int, count: int) -> None:
    """Against the definition: the smallest error up to which at least a tenth of the weight lies."""
    rng = np.random.default_rng(seed)
    quantiles, target = rng.normal(size=(count, 2, 3)), rng.normal(size=(count, 2))
    age = rng.uniform(1, 40, count)
    found = conformal(quantiles, target, age)
    weight = 0.5 ** (age / HALF_LIFE_DAYS)
    for slot in range(2):
        errors = target[:, slot] - quantiles[:, slot, 0]
        reached = [e for e in sorted(errors) if weight[errors <= e].sum() >= 0.1 * weight.sum() * (1 - 1e-12)]
        assert found.low[slot] == pytest.approx(reached[0])


def test_recent_errors_count_most() -> None:
    rng, inputs, age = past_inputs()
    spread = np.where(age < 10, 2.0, 1.0)[:, None]
    target = spread * rng.normal(size=inputs.shape[:2])
    high = conformal(np.zeros((*target.shape, 3)), target, age).high.mean()
    assert high > 1.05 * np.quantile(target, 0.9)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_probabilities_come_to_say_what_happens(factor: float) -> None:
    rng, _, age = past_inputs()
    odds = rng.normal(0, 2, (len(age), PER_DAY))
    deficit = rng.random(odds.shape) < 1 / (1 + np.exp(-factor * odds))
    found = calibration_of(raw(rng, odds, deficit), age, adapts=False)
    assert (found.odds[1] > 0.02) == (factor > 1)
    assert (found.odds[1] < -0.02) == (factor < 1)
    fresh = rng.normal(0, 2, odds.shape)
    happened = rng.random(odds.shape) < 1 / (1 + np.exp(-factor * fresh))
    corrected = found.apply(raw(rng, fresh, happened))[1]
    before, after = (np.square(p - happened).mean() for p in (1 / (1 + np.exp(-fresh)), corrected))
    assert after <= before + 1e-5


@pytest.mark.parametrize(("odds", "share"), [(3.0, 0.05), (3.0, 0.3), (5.0, 0.0), (9.0, 0.1), (-6.0, 0.9)])
def test_odds_that_were_surely_wrong_are_put_right(odds: float, share: float) -> None:
    """After the correction the Brier score is near the least that a constant can have."""
    rng = np.random.default_rng(1)
    age = np.arange(1000) / PER_DAY
    given = odds + rng.uniform(-0.5, 0.5, (len(age), PER_DAY))
    past = raw(rng, given, rng.random(given.shape) < share)
    corrected = calibration_of(past, age, adapts=False).apply(past)[1]
    assert np.square(corrected - (past.target < 0)).mean() < share * (1 - share) + 0.02


def made_up_series(days: int, seed: int = 3) -> Series:
    rng = np.random.default_rng(seed)
    load, pv = 1 + rng.random((2, days * PER_DAY))
    return Series(SlotMeans(0, PER_DAY, load, pv, np.ones(len(load), dtype=bool)))


def same(one: Calibration, other: Calibration) -> bool:
    assert one.adaptation is not None
    assert other.adaptation is not None
    arrays = [
        (one.adaptation.coefficients, other.adaptation.coefficients),
        (one.interval.low, other.interval.low),
        (one.interval.high, other.interval.high),
        (one.odds, other.odds),
    ]
    return all(np.array_equal(left, right) for left, right in arrays)


def test_nothing_after_the_moment_goes_in() -> None:
    series, at = made_up_series(60), 50 * PER_DAY
    slots = series.slots
    later = np.arange(len(slots)) >= at
    other = Series(replace(slots, load_kw=np.where(later, 9.0, slots.load_kw)))
    earlier = Series(replace(slots, load_kw=np.where(np.roll(later, -1), 9.0, slots.load_kw)))
    known = calibrated_on(series, SeasonalModel(), at)
    assert same(known, calibrated_on(other, SeasonalModel(), at))
    assert not same(known, calibrated_on(earlier, SeasonalModel(), at))


@pytest.mark.parametrize(("hours", "corrected"), [(MIN_SAMPLES - 1, False), (MIN_SAMPLES, True)])
def test_the_forecasts_of_one_day_correct_nothing(hours: int, corrected: bool) -> None:
    series = made_up_series(5)
    found = calibrated_on(series, SeasonalModel(), 2 * PER_DAY + hours - 1)
    assert bool(found.interval.low.any()) == corrected


def test_what_was_filled_in_corrects_nothing() -> None:
    """A series with a filled gap: whatever was filled in, as a target, does not count."""
    series, gap = made_up_series(60), slice(40 * PER_DAY, 41 * PER_DAY)
    ends = past_ends(len(series.slots), PER_DAY)
    measured = np.ones(len(series.slots), dtype=bool)
    measured[gap] = False
    holed = Series(replace(series.slots, measured=measured))
    left = set(ends) - set(holed.sound(ends))
    assert left == set(range(39 * PER_DAY + 1, 41 * PER_DAY + 1))
    assert set(series.ends()) - set(holed.ends()) == left
    whole, found = (calibrated_on(one, SeasonalModel(), len(series.slots)) for one in (series, holed))
    assert not same(whole, found)


@pytest.mark.parametrize(("days", "adapted"), [(1, False), (MIN_DAYS, False), (MIN_DAYS + 3, True)])
def test_a_young_building_is_not_adapted(days: int, adapted: bool) -> None:
    series = made_up_series(days)
    found = calibrated_on(series, SeasonalModel(), len(series.slots))
    assert (found.adaptation is not None) == adapted
    assert calibrated_on(series, SeasonalModel(), len(series.slots), adapts=False).adaptation is None
