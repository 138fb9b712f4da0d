"""Differential privacy of a building's whole data set: clipped updates, Gaussian noise, and what that guarantees.

Neighbouring runs differ in whether one building's update is there or zero (zero-out adjacency, Kairouz et al. 2021,
arXiv:2103.00039). Central: every building clips, the server adds noise to the plain mean. Local: every building clips
and adds the noise itself, so that not even the server sees its update.
"""

from __future__ import annotations

from math import erfc, exp, inf, isinf, sqrt
from typing import Literal

import numpy as np

from building_clients.architecture import Weights

Privacy = Literal["none", "central", "local"]
SEARCH_STEPS = 200


def norm_of(update: Weights) -> float:
    """Euclidean norm over all arrays [1]"""
    return sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in update))


def clipped(update: Weights, clip_norm: float) -> Weights:
    """The update, scaled down to a norm of at most `clip_norm`."""
    factor = min(1.0, clip_norm / max(norm_of(update), 1e-12))
    return [(array * factor).astype(np.float32) for array in update]


def with_noise(update: Weights, deviation: float, rng: np.random.Generator) -> Weights:
    """The update plus independent Gaussian noise of that standard deviation on every number."""
    return [(array + rng.normal(0, deviation, array.shape)).astype(np.float32) for array in update]


def central_deviation(noise_multiplier: float, clip_norm: float, buildings: int) -> float:
    """Standard deviation of the noise on a plain mean, which one building can move by `clip_norm` / `buildings`."""
    return noise_multiplier * clip_norm / buildings


def epsilon_spent(noise_multiplier: float, releases: int, delta: float) -> float:
    """Epsilon as `epsilon_of`, after so many releases with the same noise; infinite without noise."""
    return epsilon_of(releases * release_cost(noise_multiplier), delta) if releases else 0.0


def release_cost(noise_multiplier: float) -> float:
    """What a release adds to the privacy cost of a model: 1 / noise_multiplier^2; infinite without noise [1]"""
    return 1 / noise_multiplier**2 if noise_multiplier > 0 else inf


def epsilon_of(cost: float, delta: float) -> float:
    """Smallest epsilon of (epsilon, delta)-differential privacy after releases of that cost together; infinite for inf.

    Gaussian mechanisms compose to a single one whose sensitivity over deviation is the root of the sum of squares; its
    epsilon is exact (Balle and Wang 2018, arXiv:1805.06530, theorem 8). Every building takes part in every release.
    """
    if cost == 0 or isinf(cost):
        return cost
    ratio = sqrt(cost)
    low, high = 0.0, 1.0
    while _delta_at(high, ratio) > delta:
        high *= 2
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _delta_at(middle, ratio) > delta else (low, middle)
    return high


def _delta_at(epsilon: float, ratio: float) -> float:
    """Delta of a Gaussian mechanism with sensitivity over deviation = `ratio`."""
    first = _normal_cdf(ratio / 2 - epsilon / ratio)
    second = _normal_cdf(-ratio / 2 - epsilon / ratio)
    return first - (exp(epsilon) * second if epsilon < 700 else 0.0)


def _normal_cdf(value: float) -> float:
    return 0.5 * erfc(-value / sqrt(2))
