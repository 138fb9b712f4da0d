"""Electric load of five kinds of building: a daily shape, season, heating and cooling, and appliances by chance."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import pandas as pd

from simulation.load_profiles import PROFILES, LoadProfile
from simulation.randomness import generator, smooth_noise
from simulation.settings import BuildingConfig, SiteConfig
from simulation.weather import (
    AIR_C,
    AIR_MASS_C,
    COLDEST_DAY,
    DAILY_SWING_C,
    MINUTES_PER_DAY,
    UNIX_DAY,
    WARMEST_HOUR,
    Weather,
    usual_temperature_c,
)

HOURS_PER_YEAR = 8766
HEATING_BELOW_C = 15.0
"""Temperature below which people heat [degrees C]"""
COOLING_ABOVE_C = 22.0
"""Temperature above which people cool [degrees C]"""
DURATION_SPREAD = 0.8
"""Standard deviation of the logarithm of an appliance's running time [1]"""


def load_kw(config: BuildingConfig, site: SiteConfig, seed: int, weather: Weather) -> np.ndarray:
    """Load in each minute; shape (n,) [kW]

    In a usual year it adds up to `annual_load_kwh`; a cold or a hot year, and chance, move it by some per cent.
    """
    profile = PROFILES[config.profile]
    mean_kw = config.annual_load_kwh / HOURS_PER_YEAR
    thermal, thermal_share = _heating_and_cooling(profile, site, weather.temp_air_c)
    rest = 1 - thermal_share - profile.appliance_share
    shape = _daily_shape(profile, local_hours(site, weather.times)) * _season(profile, site, weather.times)
    shape = shape * (1 + _flicker(config.id, profile, seed, weather.minutes))
    steady_kw = mean_kw * (rest * np.clip(shape, 0.05, None) + thermal * (0.5 + 0.5 * shape))
    return np.asarray(steady_kw + _appliances(config, profile, site, seed, weather))


def local_hours(site: SiteConfig, times: pd.DatetimeIndex) -> tuple[np.ndarray, np.ndarray]:
    """Hour of the day [h] and whether it is a working day, on the clocks of the site; each of shape (n,)"""
    local = times.tz_convert(site.timezone)
    return local.hour.to_numpy() + local.minute.to_numpy() / 60, local.day_of_week.to_numpy() < 5


def _daily_shape(profile: LoadProfile, clock: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Interpolated hourly shape; a mean week has mean 1; shape (n,) [1]"""
    hour, working = clock
    knots = np.arange(25)
    weekday, day_off = (np.append(shape, shape[0]) for shape in (profile.weekday, profile.day_off))
    mean = (5 * weekday[:24].mean() + 2 * day_off[:24].mean()) / 7
    return np.asarray(np.where(working, np.interp(hour, knots, weekday), np.interp(hour, knots, day_off)) / mean)


def _season(profile: LoadProfile, site: SiteConfig, times: pd.DatetimeIndex) -> np.ndarray:
    """More light and less going out in winter; mean 1 over the year [1]"""
    hemisphere = 1 if site.latitude >= 0 else -1
    phase = 2 * np.pi * (times.day_of_year.to_numpy() - COLDEST_DAY) / 365.25
    return np.asarray(1 + hemisphere * profile.winter * np.cos(phase))


def _flicker(building_id: str, profile: LoadProfile, seed: int, minutes: np.ndarray) -> np.ndarray:
    """What people do differently from day to day, from hour to hour and from minute to minute; mean 0 [1]"""
    steps = ((1440, 0.15), (180, 0.20), (30, 0.12), (3, 0.05))
    parts = [weight * smooth_noise(seed, f"load of {building_id}", minutes, step) for step, weight in steps]
    return np.asarray(profile.irregularity * sum(parts))


def _heating_and_cooling(profile: LoadProfile, site: SiteConfig, temp_air_c: np.ndarray) -> tuple[np.ndarray, float]:
    """Load by temperature over the year's mean load, shape (n,), and its mean in a usual year [1]

    Proportional to the degrees below or above a base temperature (degree days, as in EN ISO 15927-6).
    """
    usual_heat, usual_cool = _usual_degrees(site)
    heat = np.clip(HEATING_BELOW_C - temp_air_c, 0, None) / max(usual_heat, 0.5)
    cool = np.clip(temp_air_c - COOLING_ABOVE_C, 0, None) / max(usual_cool, 0.5)
    share = profile.heating_share * usual_heat / max(usual_heat, 0.5)
    share += profile.cooling_share * usual_cool / max(usual_cool, 0.5)
    return profile.heating_share * heat + profile.cooling_share * cool, share


@lru_cache(maxsize=8)
def _usual_degrees(site: SiteConfig) -> tuple[float, float]:
    """Mean degrees below and above the base temperatures in a usual year [K]"""
    days = np.arange(0, 365.25, 1 / 24)
    usual = usual_temperature_c(site, days) + DAILY_SWING_C * np.cos(2 * np.pi * (days - WARMEST_HOUR / 24))
    deviations = np.array([NormalDist(0, math.hypot(AIR_MASS_C, AIR_C)).inv_cdf(p) for p in np.arange(0.05, 1, 0.1)])
    years = usual + deviations[:, None]
    heat, cool = np.clip(HEATING_BELOW_C - years, 0, None), np.clip(years - COOLING_ABOVE_C, 0, None)
    return float(heat.mean()), float(cool.mean())


def _appliances(
    config: BuildingConfig, profile: LoadProfile, site: SiteConfig, seed: int, weather: Weather
) -> np.ndarray:
    """Kettles, ovens, machines: random start (more often when people are up), duration and power; shape (n,) [kW]"""
    power = np.zeros(len(weather.minutes))
    first = int(weather.minutes[0]) // MINUTES_PER_DAY
    daily_kwh = config.annual_load_kwh * profile.appliance_share / 365.25
    for day in range(first - 1, int(weather.minutes[-1]) // MINUTES_PER_DAY + 1):
        rng = generator(seed, f"appliances of {config.id}", day)
        starts, durations, powers = _starts(profile, site, rng, day, daily_kwh)
        starts += (day - first) * MINUTES_PER_DAY
        for start, end, kw in zip(starts.tolist(), (starts + durations).tolist(), powers.tolist(), strict=True):
            power[max(0, start) : max(0, end)] += kw
    return power


def _starts(
    profile: LoadProfile, site: SiteConfig, rng: np.random.Generator, day: int, daily_kwh: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minute of the UTC day, duration [min] and power [kW] of every appliance that starts on it."""
    count = rng.poisson(daily_kwh / (profile.appliance_kw * profile.appliance_minutes / 60))
    cumulated = _chance_by_minute(profile, site, day)
    starts = np.searchsorted(cumulated, rng.random(count) * cumulated[-1])
    durations = rng.lognormal(np.log(profile.appliance_minutes) - DURATION_SPREAD**2 / 2, DURATION_SPREAD, count)
    return (
        starts,
        np.clip(durations, 2, 240).round().astype(np.int64),
        profile.appliance_kw * rng.uniform(0.4, 1.6, count),
    )


@lru_cache(maxsize=64)
def _chance_by_minute(profile: LoadProfile, site: SiteConfig, day: int) -> np.ndarray:
    """Cumulated chance that an appliance starts, over the minutes of a UTC day; shape (1440,) [1]"""
    first = pd.Timestamp(UNIX_DAY + timedelta(days=day), tz="UTC")
    times = pd.date_range(first, periods=MINUTES_PER_DAY, freq="min")
    return np.asarray(np.cumsum(_daily_shape(profile, local_hours(site, times))))
