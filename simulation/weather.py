"""Weather of a site: clear sky by Ineichen (pvlib), clouds and temperature from seeded noise, one UTC day at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
import pandas as pd

from simulation.randomness import generator, smooth_noise
from simulation.settings import SiteConfig

MINUTES_PER_DAY = 1440
LINKE_TURBIDITY = 3.0
"""Typical of Central Europe (Remund et al., 2003)"""


@dataclass(frozen=True)
class WeatherDay:
    """One UTC day in minutes; every array has shape (1440,)."""

    times: pd.DatetimeIndex
    """Middle of each minute, UTC."""
    zenith_deg: np.ndarray
    """Apparent solar zenith [degrees]"""
    azimuth_deg: np.ndarray
    """Solar azimuth, clockwise from north [degrees]"""
    ghi: np.ndarray
    """Global horizontal irradiance under the clouds [W/m2]"""
    dni: np.ndarray
    """Direct normal irradiance under the clouds [W/m2]"""
    dhi: np.ndarray
    """Diffuse horizontal irradiance under the clouds [W/m2]"""
    temp_air_c: np.ndarray
    """Air temperature [degrees C]"""


@lru_cache(maxsize=64)
def weather_day(site: SiteConfig, seed: int, day: date) -> WeatherDay:
    """Sun, clouds and temperature of one day."""
    import pvlib

    times = pd.date_range(pd.Timestamp(day, tz="UTC") + pd.Timedelta(seconds=30), periods=MINUTES_PER_DAY, freq="min")
    place = pvlib.location.Location(site.latitude, site.longitude, altitude=site.altitude_m)
    sun = place.get_solarposition(times)
    day_of_year = day.timetuple().tm_yday
    extra = pvlib.irradiance.get_extra_radiation(day_of_year)
    clear = place.get_clearsky(
        times, model="ineichen", solar_position=sun, linke_turbidity=LINKE_TURBIDITY, dni_extra=extra
    )
    zenith = sun["apparent_zenith"].to_numpy()
    ghi = clear["ghi"].to_numpy() * clear_sky_index(seed, day)
    parts = pvlib.irradiance.erbs(ghi, sun["zenith"].to_numpy(), day_of_year)
    return WeatherDay(
        times=times,
        zenith_deg=zenith,
        azimuth_deg=sun["azimuth"].to_numpy(),
        ghi=ghi,
        dni=np.nan_to_num(np.asarray(parts["dni"])),
        dhi=np.nan_to_num(np.asarray(parts["dhi"])),
        temp_air_c=_temperature(site, seed, day),
    )


def clear_sky_index(seed: int, day: date) -> np.ndarray:
    """Share of the clear-sky irradiance that passes the clouds; a mood of the day, hours and minutes; (1440,) [1]"""
    rng = generator(seed, "clouds", day)
    mood = rng.beta(2.2, 1.2)
    hours = 0.18 * smooth_noise(rng, MINUTES_PER_DAY, 120)
    minutes = 0.22 * smooth_noise(rng, MINUTES_PER_DAY, 7) * (1 - mood)
    return np.clip(0.25 + 0.8 * mood + hours * (1.2 - mood) + minutes, 0.08, 1.05)


def _temperature(site: SiteConfig, seed: int, day: date) -> np.ndarray:
    """Yearly and daily cosine around a mean by latitude and altitude, coldest in late January and before sunrise."""
    rng = generator(seed, "temperature", day)
    hemisphere = 1 if site.latitude >= 0 else -1
    mean = 27 - 0.36 * abs(site.latitude) - 0.0055 * max(0.0, site.altitude_m - 300)
    season = -hemisphere * 0.2 * abs(site.latitude) * np.cos(2 * np.pi * (day.timetuple().tm_yday - 25) / 365.25)
    solar_hour = np.arange(MINUTES_PER_DAY) / 60 + site.longitude / 15
    daily = -4 * np.cos(2 * np.pi * (solar_hour - 3.5) / 24)
    return np.asarray(mean + season + daily + 2 * smooth_noise(rng, MINUTES_PER_DAY, 360))
