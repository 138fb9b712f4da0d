"""Can whoever has the released model tell which homes trained it? The loss-threshold attack (Yeom et al. 2018).

The attacker knows a home's windows and asks whether the model was trained on them. Members are windows of a home under
a model that it helped to train; non-members are the same windows under the model of the fold that left the home out:
seasons and homes are the same on both sides, only taking part differs (arXiv:1709.01604). Losses are taken relative to
those of the seasonal base, because some windows are hard for every model (arXiv:2111.08440).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.forecasting.cold_start import Fold
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.metrics import auc
from building_clients.architecture import Weights
from building_clients.calibration import Predictor, SeasonalModel
from building_clients.inference import OnnxModel
from building_clients.scoring import pinball

WINDOWS = 500
"""Windows of each home that the attacker tries [1]"""


def membership(folds: Sequence[Fold]) -> dict[str, float]:
    """How well the attack does: area under the curve, advantage (true less false positives) for windows and homes.

    The threshold is chosen on one half of the homes and judged on the other; 0 is a coin's advantage, 1 a certain one.
    """
    members, strangers = [], []
    for index, fold in enumerate(folds):
        joined = folds[(index + 1) % len(folds)]
        for home in fold.absent:
            members.append(_losses(home, joined.weights))
            strangers.append(_losses(home, fold.weights))
    halves = [slice(0, None, 2), slice(1, None, 2)]
    windows = [
        _advantage(members[fit], strangers[fit], members[judge], strangers[judge])
        for fit, judge in (halves, halves[::-1])
    ]
    means = [[np.array([home.mean()]) for home in side] for side in (members, strangers)]
    homes = [
        _advantage(means[0][fit], means[1][fit], means[0][judge], means[1][judge])
        for fit, judge in (halves, halves[::-1])
    ]
    joined_up = -np.concatenate([*members, *strangers])
    truth = np.arange(len(joined_up)) < len(joined_up) // 2
    return {
        "auc": auc(joined_up, truth),
        "window_advantage": float(np.mean(windows)),
        "home_advantage": float(np.mean(homes)),
    }


def _losses(home: Home, weights: Weights) -> np.ndarray:
    """Loss of the model over that of the seasonal base, for windows of the training part; shape (WINDOWS,)"""
    ends = home.training[np.linspace(0, len(home.training) - 1, min(WINDOWS, len(home.training))).astype(int)]
    batch = home.series.batch(ends)

    def loss(predictor: Predictor) -> np.ndarray:
        return np.asarray(pinball(predictor.predict(batch)[0], batch.target).mean(axis=1))

    return np.asarray(loss(OnnxModel(weights, home.slots.per_day)) / np.maximum(loss(SeasonalModel()), 1e-9))


def _advantage(
    members: list[np.ndarray], strangers: list[np.ndarray], judged: list[np.ndarray], not_judged: list[np.ndarray]
) -> float:
    """Of the threshold that is best on the first two lists, on the last two."""
    inside, outside = np.concatenate(members), np.concatenate(strangers)
    candidates = np.quantile(np.concatenate([inside, outside]), np.linspace(0, 1, 201))
    gains = [(inside <= threshold).mean() - (outside <= threshold).mean() for threshold in candidates]
    threshold = candidates[int(np.argmax(gains))]
    return float((np.concatenate(judged) <= threshold).mean() - (np.concatenate(not_judged) <= threshold).mean())
