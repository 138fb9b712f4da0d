"""Clouds as a clear-sky index: weather systems over days and hours, single clouds over minutes, local differences.

A slow field says how much of the sky is covered, a fast one which part of it the sun stands behind. So the index of a
minute is either near 1 or that of a cloud, as measured minutes are (Hollands and Suehrcke 2013,
doi:10.1016/j.solener.2013.06.013), and a broken sky flickers. The numbers below were chosen to give the mean that the
site asks for, and believable days; they are no fit to a certain place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from simulation.randomness import smooth_noise

HOUR = 60
SYSTEM_STEPS = ((36 * HOUR, 0.8), (4 * HOUR, 0.6))
"""Knot distance [min] and weight of the slow field; the squares of the weights add up to 1"""
CLOUD_STEPS = ((25, 0.75), (6, 0.55), (2, 0.3674))
"""The same of the fast field"""
CONTRAST = 1.6
"""How strongly the slow field decides; above 1 most hours are clear or overcast, not half covered [1]"""
EDGE = 0.25
"""Width of a cloud's edge, in standard deviations of the fast field [1]"""
LOCAL_SHARE = 0.15
"""Share of the fast field's variance that a building does not share with its neighbours [1]"""
MEAN_TRANSMISSION = 0.40
"""Clear-sky index behind a cloud, on average [1]"""
ENHANCEMENT = 0.08
"""Extra light from the edges of clouds when half of the sky is covered [1]"""


@dataclass(frozen=True)
class Clouds:
    """Clouds over a site in consecutive minutes; every array has shape (n,)."""

    minutes: np.ndarray
    """Minutes since 1970-01-01T00:00Z."""
    pressure: np.ndarray
    """Slow field: the sun is behind a cloud where the fast field is below it [1]"""
    cover: np.ndarray
    """Expected share of the sky that is covered [1]"""
    transmission: np.ndarray
    """Clear-sky index behind a cloud [1]"""
    shared: np.ndarray
    """Fast field that all buildings of the site see [1]"""


def clouds_over(seed: int, minutes: np.ndarray, mean_clear_sky_index: float) -> Clouds:
    """The clouds of a site whose clear-sky index is `mean_clear_sky_index` over the years."""
    pressure = CONTRAST * _field(seed, "weather systems", minutes, SYSTEM_STEPS) + _threshold(mean_clear_sky_index)
    cover = 1 / (1 + np.exp(-1.702 * pressure))  # the logistic curve that lies within 0.01 of the normal one
    thickness = smooth_noise(seed, "cloud thickness", minutes, 3 * HOUR)
    return Clouds(
        minutes=minutes,
        pressure=pressure,
        cover=cover,
        transmission=np.clip(MEAN_TRANSMISSION + 0.12 * (0.6 - cover) + 0.1 * thickness, 0.1, 0.8),
        shared=_field(seed, "clouds", minutes, CLOUD_STEPS),
    )


def clear_sky_index(seed: int, place: str, clouds: Clouds) -> np.ndarray:
    """Global irradiance over clear-sky irradiance at one building; `place` names it; shape (n,) [1]"""
    own = _field(seed, f"clouds at {place}", clouds.minutes, CLOUD_STEPS)
    field = math.sqrt(1 - LOCAL_SHARE) * clouds.shared + math.sqrt(LOCAL_SHARE) * own
    covered = np.clip(0.5 + (clouds.pressure - field) / EDGE, 0, 1)
    bright = 1 + 4 * ENHANCEMENT * clouds.cover * (1 - clouds.cover)
    return np.asarray(bright + covered * (clouds.transmission - bright))


def _threshold(mean_clear_sky_index: float) -> float:
    """Where the slow field must lie on average, so that the sun is covered for the right share of the time."""
    covered = (1 - mean_clear_sky_index) / (1 - MEAN_TRANSMISSION)
    return NormalDist().inv_cdf(min(0.999, max(0.001, covered))) * math.sqrt(1 + CONTRAST**2)


def _field(seed: int, subject: str, minutes: np.ndarray, steps: tuple[tuple[int, float], ...]) -> np.ndarray:
    total = np.zeros(len(minutes))
    for step, weight in steps:
        total += weight * smooth_noise(seed, subject, minutes, step)
    return total
