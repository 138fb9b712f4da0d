"""Scores against other programs, brute force and cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from benchmarks.forecasting.membership import _advantage
from benchmarks.forecasting.metrics import Outcome, auc, calibration_error, over_homes, paired_difference, scores, skill

PROBABILITIES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.9, 1.0]), min_size=2, max_size=40)


@given(PROBABILITIES)
@settings(max_examples=100, deadline=None)
def test_auc_is_that_of_scipy(numbers: list[float]) -> None:
    probability = np.array(numbers)
    truth = np.array([index % 2 == 0 for index in range(len(numbers))])
    statistic = mannwhitneyu(probability[truth], probability[~truth]).statistic
    assert auc(probability, truth) == pytest.approx(statistic / (truth.sum() * (~truth).sum()))


def test_auc_of_one_class_is_not_a_number() -> None:
    assert np.isnan(auc(np.array([0.1, 0.9]), np.array([True, True])))


@given(PROBABILITIES)
@settings(max_examples=100, deadline=None)
def test_calibration_error_is_that_of_its_definition(numbers: list[float]) -> None:
    probability = np.array(numbers)
    truth = np.arange(len(numbers)) % 3 == 0
    wanted = 0.0
    for low in range(10):
        inside = [i for i, p in enumerate(numbers) if low <= p * 10 < low + 1 or (low == 9 and p == 1.0)]
        if inside:
            gap = np.mean([probability[i] for i in inside]) - np.mean([truth[i] for i in inside])
            wanted += len(inside) / len(numbers) * abs(gap)
    assert calibration_error(probability, truth) == pytest.approx(wanted)


def test_scores_of_a_case_worked_by_hand() -> None:
    quantiles = np.array([[[-2.0, -1.0, 1.0]], [[0.0, 1.0, 2.0]]])
    outcome = Outcome(quantiles, np.array([[0.8], [0.1]]), np.array([[-1.5], [3.0]]))
    found = {name: float(value[0]) for name, value in scores(outcome).items()}
    assert found["mae_kw"] == pytest.approx((0.5 + 2) / 2)
    assert found["rmse_kw"] == pytest.approx(np.sqrt((0.25 + 4) / 2))
    assert (found["coverage"], found["width_kw"], found["auc"]) == (0.5, 2.5, 1.0)
    assert found["brier"] == pytest.approx((0.04 + 0.01) / 2)
    # 0.1*0.5, 0.5*0.5, 0.1*2.5 of the first sample; 0.1*3, 0.5*2, 0.9*1 of the second.
    assert found["pinball_kw"] == pytest.approx(np.mean([0.05, 0.25, 0.25, 0.3, 1.0, 0.9]))


def test_a_home_without_a_score_is_left_out_of_its_mean() -> None:
    constant = skill(np.array([0.0, 0.5]), np.array([0.0, 1.0]))
    assert np.isnan(constant[0])
    assert constant[1] == 0.5
    table = np.array([[np.nan, np.nan, 1.0], [np.nan, 0.2, 3.0]])
    for median in (False, True):
        assert over_homes(table, median).tolist() == pytest.approx([np.nan, 0.2, 2.0], nan_ok=True)


def alike(homes: list[np.ndarray]) -> list[np.ndarray]:
    return [np.arange(len(home)) for home in homes]


def bounds(found: dict[str, float | None]) -> tuple[float, float]:
    low, high = found["low"], found["high"]
    assert low is not None
    assert high is not None
    return low, high


def test_a_paired_difference_sees_what_is_real_and_not_what_is_not() -> None:
    rng = np.random.default_rng(1)
    theirs = [rng.gamma(2, 0.3, 24 * 7 * 12) for _ in range(5)]
    better = paired_difference([home * 0.97 for home in theirs], theirs, alike(theirs), 24)
    assert better["mean"] == pytest.approx(-0.03)
    assert better["low"] == pytest.approx(-0.03)
    noise = paired_difference([rng.permutation(home) for home in theirs], theirs, alike(theirs), 24)
    low, high = bounds(noise)
    assert low < 0 < high


def test_a_short_home_does_not_take_the_interval_away() -> None:
    rng = np.random.default_rng(4)
    theirs = [rng.gamma(2, 0.3, 24 * 7 * weeks) for weeks in (12, 12, 1)]
    ours = [rng.permutation(home) for home in theirs]
    found = paired_difference(ours, theirs, [np.arange(len(home)) + 24 * 7 * 5 for home in theirs], 24)
    assert found["mean"] == pytest.approx(sum(map(np.mean, ours)) / sum(map(np.mean, theirs)) - 1)
    low, high = bounds(found)
    assert low < -0.005 < 0.005 < high


def test_a_week_is_the_same_week_in_all_homes() -> None:
    """What one home loses in a week the other gains in it: no draw of weeks changes the sum."""
    gain = np.repeat(np.random.default_rng(5).uniform(-0.5, 0.5, 13), 24 * 7)[24 * 3 : -24 * 4]
    slots = np.arange(len(gain)) + 24 * 3
    whole = np.ones(len(gain))
    same = paired_difference([whole + gain, whole - gain], [whole, whole], [slots, slots], 24)
    assert (same["low"], same["high"]) == pytest.approx((0, 0), abs=1e-12)
    apart = paired_difference([whole + gain, whole - gain], [whole, whole], [slots, slots + 24 * 7], 24)
    low, high = bounds(apart)
    assert low < -0.01 < 0.01 < high


def test_under_four_weeks_there_is_no_interval() -> None:
    errors = [np.ones(24 * 27), np.ones(24 * 20)]
    found = paired_difference([home * 0.9 for home in errors], errors, alike(errors), 24)
    assert found == {"mean": pytest.approx(-0.1), "low": None, "high": None}


def test_the_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(2), 0
    for _ in range(100):
        theirs = [rng.gamma(2, 0.5, 24 * 7 * 20) for _ in range(3)]
        ours = [rng.gamma(2, 0.5, 24 * 7 * 20) * 0.95 for _ in range(3)]
        found = paired_difference(ours, theirs, alike(ours), 24)
        low, high = bounds(found)
        hits += low <= -0.05 <= high
    assert 85 <= hits <= 99


def test_the_attack_finds_a_model_that_remembers_and_none_that_does_not() -> None:
    rng = np.random.default_rng(3)
    seen, unseen = ([rng.normal(mean, 0.1, 200) for _ in range(4)] for mean in (0.5, 1.0))
    assert _advantage(seen[:2], unseen[:2], seen[2:], unseen[2:]) > 0.9
    alike = [rng.normal(1.0, 0.1, 200) for _ in range(4)]
    assert abs(_advantage(alike[:2], unseen[:2], alike[2:], unseen[2:])) < 0.15
