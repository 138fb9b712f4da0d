"""Forecasts of the back-test never know what comes, and carry a building's own corrections."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.backtest.forecasts import Epoch, perfect, walked
from benchmarks.forecasting.baselines import Persistence, SeasonalMean
from building_clients.calibration import calibrated_on, forecast_samples
from building_clients.slots import SlotMeans
from building_clients.windows import Series

DAY, DAYS = 24, 70


def series(seed: int = 3, changed_from: int | None = None) -> Series:
    """Seventy days of hours; from `changed_from` on everything is different."""
    rng = np.random.default_rng(seed)
    hour = np.arange(DAYS * DAY) % DAY
    pv = np.maximum(0, np.sin((hour - 6) / 12 * np.pi)) * rng.uniform(0.2, 1, DAYS).repeat(DAY) * 4
    load = 0.5 + np.exp(-((hour - 19) ** 2) / 6) + rng.exponential(0.2, len(hour))
    if changed_from is not None:
        load[changed_from:] = load[changed_from:] * 3 + 1
        pv[changed_from:] = 0
    return Series(SlotMeans(0, DAY, load, pv, np.ones(len(hour), dtype=bool)))


EPOCHS = [Epoch(0, SeasonalMean()), Epoch(40 * DAY, Persistence())]


@pytest.mark.parametrize("now", [30 * DAY, 45 * DAY + 7, 60 * DAY])
def test_the_future_changes_nothing(now: int) -> None:
    one, other = walked(series(), EPOCHS, True), walked(series(changed_from=now), EPOCHS, True)
    assert one[: now + 1] == pytest.approx(other[: now + 1])
    assert not np.allclose(one[now + 1 :], other[now + 1 :])


def test_quantiles_are_in_order_and_all_are_there() -> None:
    found = walked(series(), EPOCHS, True)
    assert found.shape == (DAYS * DAY, DAY, 3)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=2) >= -1e-9).all()


def test_in_the_first_day_the_newest_value_stands_for_all() -> None:
    home = series()
    found = walked(home, EPOCHS, True)
    for slot in (1, 5, 23):
        assert found[slot] == pytest.approx(np.full((DAY, 3), home.net_kw[slot - 1]))


def test_an_epoch_forecasts_as_a_building_does_at_that_moment() -> None:
    """The live code, at the start of a day."""
    home, at = series(), 55 * DAY
    predictor = SeasonalMean()
    live = forecast_samples(predictor, home.batch(np.array([at])), calibrated_on(home, predictor, at))[0]
    found = walked(home, [Epoch(0, predictor)], True)[at]
    assert found == pytest.approx(live[0] * home.scale_kw[at], abs=1e-6)


def test_intervals_are_right_about_as_often_as_they_say() -> None:
    home = series()
    found = walked(home, [Epoch(0, SeasonalMean())], False)[30 * DAY : -DAY, 0]
    came = home.net_kw[30 * DAY : -DAY]
    assert ((found[:, 0] <= came) & (came <= found[:, 2])).mean() == pytest.approx(0.8, abs=0.07)


def test_perfect_foresight_is_what_came() -> None:
    home = series()
    found = perfect(home)
    assert found[100, 5] == pytest.approx(home.net_kw[105])
    assert found[-1, 0] == pytest.approx(home.net_kw[-1])
    assert found[-1, 1] == pytest.approx(home.net_kw[-DAY])
