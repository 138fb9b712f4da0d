"""Seeded chance for any stretch of time: the same seed and subject give the same numbers everywhere."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

BLOCK = 1024
"""Knots drawn at a time [1]"""


def generator(seed: int, subject: str, part: int) -> np.random.Generator:
    """A generator of its own for one part (a day, a block) of one subject."""
    digest = hashlib.sha256(f"{seed}|{subject}|{part}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def smooth_noise(seed: int, subject: str, minutes: np.ndarray, step: int) -> np.ndarray:
    """Stationary noise of mean 0 and variance 1 that forgets within about `step` minutes; shape of `minutes` [1]

    `minutes` are consecutive whole minutes since 1970-01-01T00:00Z. Normal knots lie every `step` minutes; between two
    of them the value is their weighted mean, scaled so that its variance is 1 there too. The value of a minute does not
    depend on which other minutes are asked for.
    """
    index, remainder = np.divmod(minutes, step)
    first = int(index[0])
    knots = _knots(seed, f"{subject} every {step}", first, int(index[-1]) + 2 - first)
    later = remainder / step
    index = index - first
    mean = knots[index] * (1 - later) + knots[index + 1] * later
    return np.asarray(mean / np.sqrt((1 - later) ** 2 + later**2))


def _knots(seed: int, subject: str, first: int, count: int) -> np.ndarray:
    blocks = range(first // BLOCK, (first + count - 1) // BLOCK + 1)
    drawn = np.concatenate([_block(seed, subject, block) for block in blocks])
    offset = first - blocks[0] * BLOCK
    return drawn[offset : offset + count]


@lru_cache(maxsize=256)
def _block(seed: int, subject: str, block: int) -> np.ndarray:
    return generator(seed, subject, block).standard_normal(BLOCK)
