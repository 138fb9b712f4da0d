"""Seeded chance: the same seed, subject and day give the same numbers in every process."""

from __future__ import annotations

import hashlib
from datetime import date

import numpy as np


def generator(seed: int, subject: str, day: date) -> np.random.Generator:
    """A generator of its own for one subject on one day."""
    digest = hashlib.sha256(f"{seed}|{subject}|{day.isoformat()}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def smooth_noise(rng: np.random.Generator, length: int, step: int) -> np.ndarray:
    """Standard normal knots every `step` minutes, joined by straight lines; shape (length,) [1]"""
    knots = rng.standard_normal(length // step + 2)
    return np.interp(np.arange(length), np.arange(len(knots)) * step, knots)
