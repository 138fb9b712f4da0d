"""Sun, clouds and temperature: against pvlib, against what was asked for, and without seams."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from simulation.clouds import clear_sky_index, clouds_over
from simulation.randomness import smooth_noise
from simulation.settings import BuildingConfig, SiteConfig
from simulation.solar import pv_kw
from simulation.weather import Weather, mean_temperature_c, weather

SITE = SiteConfig()
CLEAR = SiteConfig(clear_sky_index=1.0)
HOUSE = BuildingConfig(id="H", peak_solar_kw=5.0, tilt_deg=35, azimuth_deg=200)
SUMMER = date(2026, 6, 21)


def index_of(sky: Weather, seed: int = 7, place: str = "H") -> np.ndarray:
    return clear_sky_index(seed, place, sky.clouds)


@pytest.mark.parametrize("wanted", [0.5, 0.7, 0.9, 1.0])
def test_the_climate_is_as_cloudy_as_asked(wanted: float) -> None:
    """Ten years' irradiance over clear-sky irradiance; the sun is the same in all, so it is asked for once."""
    first = weather(SITE.model_copy(update={"clear_sky_index": wanted}), 0, date(2026, 1, 1), 365)
    skies = [replace(first, clouds=clouds_over(seed, first.minutes, wanted)) for seed in range(10)]
    assert np.array_equal(index_of(skies[0], 0), index_of(first, 0))
    ratios = [(sky.clear_ghi * index_of(sky, seed)).sum() / sky.clear_ghi.sum() for seed, sky in enumerate(skies)]
    assert np.mean(ratios) == pytest.approx(wanted, abs=0.03)
    assert np.std(ratios) < 0.03


def test_clouds_have_structure_over_days_and_minutes() -> None:
    """Minutes are bright or dull, seldom between; days resemble the day before; single clouds come and go."""
    sky = weather(SITE, 3, date(2026, 1, 1), 365)
    index = index_of(sky, 3)
    assert ((index > 0.95) | (index < 0.65)).mean() > 0.85
    assert index.max() < 1.1
    assert index.min() >= 0.0999
    daily = pd.Series(index.reshape(-1, 1440).mean(axis=1))
    assert 0.2 < daily.autocorr(1) < 0.7
    assert abs(daily.autocorr(10)) < 0.2
    assert daily.std() > 0.12
    minutes = pd.Series(index)
    assert 0.85 < minutes.autocorr(1) < 0.995
    assert minutes.autocorr(1) > minutes.autocorr(15) > minutes.autocorr(240) > minutes.autocorr(3 * 1440)


def test_neighbours_stand_under_the_same_sky_with_local_differences() -> None:
    sky = weather(SITE, 7, date(2026, 5, 1), 30)
    here, there = index_of(sky, 7, "H"), index_of(sky, 7, "I")
    assert 0.75 < np.corrcoef(here, there)[0, 1] < 0.99
    hourly = [values.reshape(-1, 60).mean(axis=1) for values in (here, there)]
    assert np.corrcoef(hourly[0], hourly[1])[0, 1] > 0.95


def test_nothing_jumps_at_midnight() -> None:
    """The step over UTC midnight is like any other step, in temperature and in the clouds' slow field."""
    sky = weather(SITE, 7, date(2026, 1, 1), 200)
    for values in (sky.temp_air_c, sky.clouds.pressure):
        steps = np.abs(np.diff(values))
        assert steps[1439::1440].max() <= np.quantile(steps, 0.9999)


def test_any_stretch_gives_the_same_minutes() -> None:
    long, short = weather(SITE, 7, date(2026, 3, 1), 40), weather(SITE, 7, date(2026, 3, 20), 2)
    cut = slice(19 * 1440, 21 * 1440)
    for name in ("minutes", "zenith_deg", "clear_ghi", "temp_air_c"):
        np.testing.assert_allclose(getattr(long, name)[cut], getattr(short, name), rtol=1e-12)
    np.testing.assert_array_equal(index_of(long)[cut], index_of(short))


def test_noise_has_unit_variance_everywhere_between_its_knots() -> None:
    minutes = np.arange(0, 60 * 40_000)
    noise = smooth_noise(7, "test", minutes, 60).reshape(-1, 60)
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=0.03)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.03)


def test_temperature_follows_the_climate() -> None:
    """Munich: about 9 degrees in the mean, July warmer than January by twice the swing, warmest in the afternoon."""
    sky = weather(SITE, 7, date(2026, 1, 1), 365)
    series = pd.Series(sky.temp_air_c, sky.times)
    assert series.mean() == pytest.approx(mean_temperature_c(SITE), abs=1.0)
    monthly = series.groupby(sky.times.month).mean()
    assert monthly[7] - monthly[1] == pytest.approx(2 * 0.2 * 48.14, abs=4)
    hours = series.groupby(sky.times.hour).mean()
    assert hours.idxmax() in (14, 15)
    assert 6 < hours.max() - hours.min() < 11
    given = SITE.model_copy(update={"mean_temperature_c": 25.0, "yearly_swing_c": 2.0})
    assert weather(given, 7, date(2026, 1, 1), 365).temp_air_c.mean() == pytest.approx(25, abs=1)


def test_the_southern_hemisphere_is_upside_down() -> None:
    sydney = SiteConfig(latitude=-33.9, longitude=151.2, altitude_m=20, timezone="Australia/Sydney")
    june, december = (weather(sydney, 7, date(2026, month, 1), 28) for month in (6, 12))
    assert december.temp_air_c.mean() > june.temp_air_c.mean() + 8
    assert december.clear_ghi.sum() > 1.8 * june.clear_ghi.sum()
    north = BuildingConfig(id="H", peak_solar_kw=5.0, azimuth_deg=0)
    assert pv_kw(north, 7, june).sum() > pv_kw(north.model_copy(update={"azimuth_deg": 180.0}), 7, june).sum()


def test_solar_is_clipped_at_the_inverter_and_zero_at_night() -> None:
    sky = weather(CLEAR, 7, SUMMER, 1)
    small = pv_kw(HOUSE.model_copy(update={"inverter_kw": 3.0}), 7, sky)
    large = pv_kw(HOUSE.model_copy(update={"inverter_kw": 9.0}), 7, sky)
    assert small.max() == pytest.approx(3.0)
    assert (small == small.max()).sum() > 120
    assert 3.5 < large.max() < 5
    assert large[sky.zenith_deg > 91].max() == 0
    assert pv_kw(HOUSE.model_copy(update={"solar_losses": 0.0}), 7, sky).sum() > large.sum()


def test_a_year_of_solar_is_as_the_textbooks_say() -> None:
    """1,000 to 1,250 kWh per kW and year in Munich at 30 degrees south, most of it around solar noon."""
    house = BuildingConfig(id="H", peak_solar_kw=1.0)
    sky = weather(SITE, 7, date(2026, 1, 1), 365)
    power = pv_kw(house, 7, sky)
    assert 1000 < power.sum() / 60 < 1250
    by_hour = pd.Series(power, sky.times).groupby(sky.times.hour).mean()
    assert by_hour.idxmax() in (10, 11, 12)
    day = slice(167 * 1440, 168 * 1440)  # 17 June: the sun is highest at 11:14 UTC at 11.58 degrees east
    highest = sky.times[day][int(np.argmin(sky.zenith_deg[day]))]
    assert abs(highest - datetime(2026, 6, 17, 11, 14, tzinfo=UTC)) < timedelta(minutes=3)
