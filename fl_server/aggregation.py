"""From the buildings' weights to the next global ones: averages, robust averages, server momentum, absurd updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from building_clients.architecture import Weights
from building_clients.differential_privacy import norm_of

Aggregation = Literal["fedavg", "trimmed_mean", "median"]
ABSURD = 5.0
"""An update so many times as large as what is usual is left out [1]"""
COMPARABLE = 3
"""Fewer updates than this say nothing about what is usual; the model itself is the measure then [1]"""


def aggregate(updates: Sequence[Weights], counts: Sequence[float], how: Aggregation, trim_share: float) -> Weights:
    """One set of weights from several; `counts` weigh them in `fedavg`, the robust ways take all alike."""
    if how == "fedavg":
        return weighted_mean(updates, counts)
    columns = [np.stack(arrays) for arrays in zip(*updates, strict=True)]
    if how == "median":
        return [np.median(column, axis=0).astype(np.float32) for column in columns]
    return [_trimmed_mean(column, trim_share) for column in columns]


def weighted_mean(updates: Sequence[Weights], counts: Sequence[float]) -> Weights:
    """Federated averaging (McMahan et al. 2017, arXiv:1602.05629, algorithm 1)."""
    shares = np.array(counts, dtype=np.float64) / np.sum(counts)
    return [
        np.tensordot(shares, np.stack(arrays).astype(np.float64), axes=1).astype(np.float32)
        for arrays in zip(*updates, strict=True)
    ]


def _trimmed_mean(column: np.ndarray, share: float) -> np.ndarray:
    """Mean of each number without the `share` smallest and largest (Yin et al. 2018, arXiv:1803.01498)."""
    cut = min(int(np.ceil(share * len(column))), (len(column) - 1) // 2)
    kept = np.sort(column, axis=0)[cut : len(column) - cut]
    return np.asarray(kept.mean(axis=0), dtype=np.float32)


def difference(update: Weights, start: Weights) -> Weights:
    """How far each number moved."""
    return [new - old for new, old in zip(update, start, strict=True)]


def absurd(start: Weights, updates: Sequence[Weights], noise_norm: float = 0.0) -> dict[int, str]:
    """Which updates are far larger than the others, and why they should be left out; NaN is too large.

    Too few to compare are measured by the norm of `start` and of the noise that privacy adds [1].
    """
    norms = [norm_of(difference(update, start)) for update in updates]
    if len(norms) < COMPARABLE:
        usual, what = norm_of(start) + noise_norm, "norm of the model"
    else:
        usual, what = float(np.median(norms)), "median of all"
    return {
        index: f"its weights moved by {norm:.3g}, {norm / max(usual, 1e-12):.0f} times the {what} ({usual:.3g})"
        for index, norm in enumerate(norms)
        if not norm <= ABSURD * usual
    }


class ServerMomentum:
    """FedAvgM (Hsu et al. 2019, arXiv:1909.06335): the server goes on where the averages went; 0 is plain averaging."""

    def __init__(self, momentum: float, velocity: Weights | None = None) -> None:
        self._momentum = momentum
        self.velocity = velocity
        """What the last step was; belongs into a checkpoint."""

    def step(self, start: Weights, average: Weights) -> Weights:
        """The next global weights, from those that the round started with and the average of what came back."""
        if not self._momentum:
            return average
        moved = difference(average, start)
        if self.velocity is not None:
            moved = [self._momentum * before + now for before, now in zip(self.velocity, moved, strict=True)]
        self.velocity = moved
        return [(old + step).astype(np.float32) for old, step in zip(start, moved, strict=True)]
