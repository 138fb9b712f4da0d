"""How good forecasts are: pinball loss and cross-entropy, as in training, on the samples of one series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from building_clients.architecture import QUANTILES, Weights
from building_clients.calibration import Predictor
from building_clients.inference import OnnxModel
from building_clients.windows import Series

DEFICIT_WEIGHT = 0.5
"""Weight of the deficit's cross-entropy next to the pinball loss [1]"""
PROBABILITY_MIN = 1e-6


def pinball(quantiles: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pinball loss (Koenker and Bassett 1978), mean of the quantiles; (n, horizon, 3), (n, horizon) -> (n, horizon)"""
    error = target[:, :, None] - quantiles
    levels = np.array(QUANTILES)
    return np.asarray(np.maximum(levels * error, (levels - 1) * error).mean(axis=2))


def loss_on(predictor: Predictor, series: Series, ends: np.ndarray) -> float:
    """Mean training loss of a predictor on the samples at `ends`, in the building's own scale."""
    batch = series.batch(ends)
    quantiles, probability = predictor.predict(batch)
    weight = (batch.scale_kw / batch.scale_kw.mean())[:, None]
    likely = np.clip(np.where(batch.target < 0, probability, 1 - probability), PROBABILITY_MIN, 1)
    return float((weight * pinball(quantiles, batch.target)).mean() - DEFICIT_WEIGHT * np.log(likely).mean())


def fitted_candidates(shared: Weights, fitted: Weights) -> list[Weights]:
    """What a building may forecast with after it fitted shared weights to itself: these, its own, and their middle.

    The middle of the two is often better than either (Wortsman et al. 2022, arXiv:2109.01903).
    """
    return [shared, [(one + other) / 2 for one, other in zip(shared, fitted, strict=True)], fitted]


def best_of(candidates: Sequence[Weights], series: Series, ends: np.ndarray) -> tuple[Weights, float]:
    """The weights with the lowest loss on the samples that end there, and that loss; the first of equals."""
    losses = [loss_on(OnnxModel(weights, series.slots.per_day), series, ends) for weights in candidates]
    best = int(np.nanargmin(losses)) if np.isfinite(losses).any() else 0
    return candidates[best], losses[best]
