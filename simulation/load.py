"""Electric load of five kinds of building: a daily shape, the season, and appliances that start by chance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from simulation.randomness import generator, smooth_noise
from simulation.settings import BuildingConfig, Profile, SiteConfig

MINUTES_PER_DAY = 1440
HOURS_PER_YEAR = 8766
BASE_TEMPERATURE_C = 15.0


@dataclass(frozen=True)
class LoadShape:
    """Relative load by hour of a working day and of a day off; only the shape counts, the year sets the size."""

    weekday: tuple[float, ...]
    """24 values from midnight [1]"""
    day_off: tuple[float, ...]
    """24 values from midnight [1]"""
    winter: float
    """Extra share in the coldest month [1]"""
    spikes_per_day: float
    """Mean number of appliance starts [1]"""
    spike: float
    """Power of an appliance relative to the building's mean load [1]"""


def _shape(text: str) -> tuple[float, ...]:
    return tuple(float(value) for value in text.split())


SHAPES: dict[Profile, LoadShape] = {
    "flat": LoadShape(
        _shape("5 4 4 4 4 5 8 11 10 8 7 7 8 8 7 8 9 12 15 16 15 13 10 7"),
        _shape("6 5 5 4 4 5 6 8 11 12 12 12 13 12 11 10 10 12 14 15 14 12 10 8"),
        0.15,
        14,
        1.2,
    ),
    "family_home": LoadShape(
        _shape("4 3 3 3 3 4 8 12 10 7 6 7 9 8 6 6 8 12 16 17 15 12 9 6"),
        _shape("5 4 4 3 3 4 5 8 11 13 13 13 14 12 10 10 10 12 15 16 14 12 9 7"),
        0.25,
        10,
        3.5,
    ),
    "office": LoadShape(
        _shape("3 3 3 3 3 4 7 12 17 19 20 20 18 19 20 19 17 13 8 5 4 4 3 3"),
        _shape("3 3 3 3 3 3 3 4 4 4 4 4 4 4 4 4 4 3 3 3 3 3 3 3"),
        0.10,
        20,
        0.3,
    ),
    "school": LoadShape(
        _shape("2 2 2 2 2 3 7 15 19 20 20 19 17 15 12 9 6 5 4 3 2 2 2 2"),
        _shape("2 2 2 2 2 2 2 3 3 3 3 3 3 3 3 3 3 3 2 2 2 2 2 2"),
        0.20,
        12,
        0.4,
    ),
    "shop": LoadShape(
        _shape("6 6 6 6 6 7 9 12 15 16 16 16 16 16 16 16 17 17 16 13 9 7 6 6"),
        _shape("6 6 6 6 6 6 6 7 7 7 7 7 7 7 7 7 7 7 7 7 6 6 6 6"),
        0.05,
        16,
        0.4,
    ),
}


def load_kw(config: BuildingConfig, site: SiteConfig, seed: int, times: pd.DatetimeIndex, day: date) -> np.ndarray:
    """Load in each minute of one UTC day; shape (1440,) [kW]"""
    shape = SHAPES[config.profile]
    rng = generator(seed, f"load {config.id}", day)
    local = times.tz_convert(site.timezone)
    curve = _daily_curve(shape, local) * _season(shape, site, day)
    curve *= 1 + 0.12 * smooth_noise(rng, MINUTES_PER_DAY, 45) + 0.05 * smooth_noise(rng, MINUTES_PER_DAY, 3)
    curve = np.clip(curve, 0.05, None) + _spikes(shape, rng, curve)
    mean_kw = config.annual_load_kwh / HOURS_PER_YEAR
    return np.asarray(curve / (1 + _spike_share(shape)) * mean_kw)


def _daily_curve(shape: LoadShape, local: pd.DatetimeIndex) -> np.ndarray:
    """Interpolated hourly shape; a mean week has mean 1."""
    weekday, day_off = np.array(shape.weekday), np.array(shape.day_off)
    mean = (5 * weekday.mean() + 2 * day_off.mean()) / 7
    hour = local.hour.to_numpy() + local.minute.to_numpy() / 60
    knots = np.arange(25)
    working = np.interp(hour, knots, np.append(weekday, weekday[0]))
    off = np.interp(hour, knots, np.append(day_off, day_off[0]))
    return np.asarray(np.where(local.day_of_week.to_numpy() < 5, working, off) / mean)


def _season(shape: LoadShape, site: SiteConfig, day: date) -> float:
    hemisphere = 1 if site.latitude >= 0 else -1
    return float(1 + hemisphere * shape.winter * np.cos(2 * np.pi * (day.timetuple().tm_yday - 25) / 365.25))


def _spikes(shape: LoadShape, rng: np.random.Generator, curve: np.ndarray) -> np.ndarray:
    """Appliances: random start (more often when the load is high anyway), duration of 3-60 minutes, and power."""
    extra = np.zeros(MINUTES_PER_DAY)
    starts = rng.choice(MINUTES_PER_DAY, size=rng.poisson(shape.spikes_per_day), p=curve / curve.sum())
    for start in starts:
        duration = int(np.clip(rng.lognormal(np.log(15), 0.6), 3, 60))
        extra[start : start + duration] += shape.spike * rng.uniform(0.5, 1.5)
    return extra


def _spike_share(shape: LoadShape) -> float:
    """Mean power of the appliances relative to the rest: starts x mean minutes (18.0, log-normal) x power [1]"""
    return shape.spikes_per_day * 18.0 * shape.spike / MINUTES_PER_DAY
