"""Can whoever has the released model tell which homes trained it? The loss-threshold attack (Yeom et al. 2018).

The attacker knows a home's windows and asks whether the model was trained on them. Members are windows of a home under
a model that it helped to train; non-members are the same windows under the model of the fold that left the home out:
seasons and homes are the same on both sides, only taking part differs (arXiv:1709.01604). Losses are taken relative to
those of the seasonal base, because some windows are hard for every model (arXiv:2111.08440).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.forecasting.arms import outcome_of
from benchmarks.forecasting.cold_start import Fold, leave_out
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.learning import OnStep, Plan
from benchmarks.forecasting.metrics import auc
from benchmarks.forecasting.workers import TrainingPool
from building_clients.architecture import Weights
from building_clients.calibration import Predictor, SeasonalModel
from building_clients.differential_privacy import epsilon_spent
from building_clients.inference import OnnxModel
from building_clients.scoring import pinball

WINDOWS = 500
"""Windows of each home that the attacker tries [1]"""
CLIP_NORM, NOISE, DELTA = 1.0, 1.0, 1e-3
"""Differential privacy of the attacked model; delta is below one over the number of homes."""


def privacy(
    homes: Sequence[Home], folds: Sequence[Fold], plan: Plan, pool: TrainingPool, step: OnStep
) -> dict[str, Any]:
    """The attack's success on plain and on differentially private models, with what privacy costs."""
    private = replace(plan, clip_norm=CLIP_NORM, noise_multiplier=NOISE)
    hidden = leave_out(homes, pool, private, step)
    return {
        "plain": {"epsilon": None, "mae_kw": _fold_error(folds), **membership(folds)},
        "central_dp": {
            "epsilon": round(epsilon_spent(NOISE, plan.config.rounds, DELTA), 3),
            "delta": DELTA,
            "clip_norm": CLIP_NORM,
            "noise_multiplier": NOISE,
            "mae_kw": _fold_error(hidden),
            **membership(hidden),
        },
    }


def _fold_error(folds: Sequence[Fold]) -> float:
    """Mean error of homes that did not take part, over all reported horizons [kW]"""
    found = [
        outcome_of(home, OnnxModel(fold.weights, home.slots.per_day)).error_kw.mean()
        for fold in folds
        for home in fold.absent
    ]
    return round(float(np.mean(found)), 5)


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
