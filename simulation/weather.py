"""Weather of a site: clear sky by Ineichen (pvlib), clouds, and air temperature, for any stretch of minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
import pandas as pd

from simulation.clouds import Clouds, clouds_over
from simulation.randomness import smooth_noise
from simulation.settings import SiteConfig

MINUTES_PER_DAY = 1440
COLDEST_DAY = 25
"""Day of the year on which the northern hemisphere is coldest [d]"""
WARMEST_HOUR = 15.5
"""Solar time [h]"""
DAILY_SWING_C = 4.5
"""Half of the difference between the warmest and the coldest hour under a half covered sky [degrees C]"""
AIR_MASS_C = 3.0
"""Standard deviation of the temperature over days [degrees C]"""
AIR_C = 1.0
"""Standard deviation of the temperature over hours [degrees C]"""
UNIX_DAY = date(1970, 1, 1)


@dataclass(frozen=True)
class Weather:
    """Consecutive minutes; every array has shape (n,)."""

    times: pd.DatetimeIndex
    """Middle of each minute, UTC."""
    minutes: np.ndarray
    """Start of each minute, in minutes since 1970-01-01T00:00Z."""
    zenith_deg: np.ndarray
    """Apparent solar zenith [degrees]"""
    azimuth_deg: np.ndarray
    """Solar azimuth, clockwise from north [degrees]"""
    clear_ghi: np.ndarray
    """Global horizontal irradiance of a clear sky [W/m2]"""
    clear_dni: np.ndarray
    """Direct normal irradiance of a clear sky [W/m2]"""
    extra_dni: np.ndarray
    """Extraterrestrial normal irradiance [W/m2]"""
    clouds: Clouds
    """What stands between the clear sky and the ground."""
    temp_air_c: np.ndarray
    """Air temperature [degrees C]"""


@lru_cache(maxsize=4)
def weather(site: SiteConfig, seed: int, first: date, days: int) -> Weather:
    """Sun, clouds and temperature of whole UTC days; a minute is the same in whatever stretch it is asked for."""
    import pvlib

    minutes = np.arange(days * MINUTES_PER_DAY) + (first - UNIX_DAY).days * MINUTES_PER_DAY
    times = pd.DatetimeIndex((minutes * 60 + 30).astype("datetime64[s]"), tz="UTC")
    place = pvlib.location.Location(site.latitude, site.longitude, altitude=site.altitude_m)
    sun = place.get_solarposition(times)
    extra = pvlib.irradiance.get_extra_radiation(times.day_of_year.to_numpy())
    clear = place.get_clearsky(times, model="ineichen", solar_position=sun, dni_extra=extra)
    clouds = clouds_over(seed, minutes, site.clear_sky_index)
    return Weather(
        times=times,
        minutes=minutes,
        zenith_deg=sun["apparent_zenith"].to_numpy(),
        azimuth_deg=sun["azimuth"].to_numpy(),
        clear_ghi=clear["ghi"].to_numpy(),
        clear_dni=clear["dni"].to_numpy(),
        extra_dni=np.asarray(extra),
        clouds=clouds,
        temp_air_c=_temperature(site, seed, times, minutes, clouds),
    )


def usual_temperature_c(site: SiteConfig, day_of_year: np.ndarray) -> np.ndarray:
    """Mean temperature of a day of the year, without this year's weather; shape of `day_of_year` [degrees C]"""
    hemisphere = 1 if site.latitude >= 0 else -1
    season = np.cos(2 * np.pi * (day_of_year - COLDEST_DAY) / 365.25)
    return np.asarray(mean_temperature_c(site) - hemisphere * yearly_swing_c(site) * season)


def mean_temperature_c(site: SiteConfig) -> float:
    """As the scenario says, else a rough estimate from latitude and altitude [degrees C]"""
    if site.mean_temperature_c is not None:
        return site.mean_temperature_c
    return 27 - 0.36 * abs(site.latitude) - 0.0055 * max(0.0, site.altitude_m - 300)


def yearly_swing_c(site: SiteConfig) -> float:
    """Half of the difference between the warmest and the coldest month, as given or estimated [degrees C]"""
    return 0.2 * abs(site.latitude) if site.yearly_swing_c is None else site.yearly_swing_c


def _temperature(
    site: SiteConfig, seed: int, times: pd.DatetimeIndex, minutes: np.ndarray, clouds: Clouds
) -> np.ndarray:
    """The usual day of the year, weather over days and hours, and a daily wave that a clear sky makes larger."""
    solar_hour = minutes / 60 + site.longitude / 15
    wave = np.cos(2 * np.pi * (solar_hour - WARMEST_HOUR) / 24)
    chance = AIR_MASS_C * smooth_noise(seed, "air masses", minutes, 60 * 60)
    chance += AIR_C * smooth_noise(seed, "air", minutes, 6 * 60)
    day_of_year = times.day_of_year.to_numpy() + (minutes % MINUTES_PER_DAY) / MINUTES_PER_DAY
    usual = usual_temperature_c(site, day_of_year)
    return np.asarray(usual + chance + DAILY_SWING_C * (1.4 - 0.8 * clouds.cover) * wave)
