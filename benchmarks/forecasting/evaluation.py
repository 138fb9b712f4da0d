"""The whole evaluation as one record: all arms, what a bad home does to the others, cold start, membership."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import numpy as np

from benchmarks.forecasting.arms import HORIZONS_H, Arms, Outcomes, outcome_of
from benchmarks.forecasting.cold_start import (
    HISTORY_DAYS,
    Fold,
    best_local,
    cold_start,
    horizons,
    leave_out,
    mean_of,
)
from benchmarks.forecasting.homes import EvaluationError, Home
from benchmarks.forecasting.learning import Attack, Plan, federated, sources_of
from benchmarks.forecasting.membership import membership
from benchmarks.forecasting.metrics import over_homes, paired_difference, pooled_calibration_error, scores, skill
from benchmarks.forecasting.workers import TrainingPool
from building_clients.differential_privacy import epsilon_spent
from building_clients.inference import OnnxModel

METHODS = (
    "persistence",
    "seasonal_naive",
    "seasonal_mean",
    "lightgbm",
    "lightgbm_pooled",
    "lightgbm_same_inputs",
    "local_lstm",
    "federated",
    "federated_personal",
    "centralised_lstm",
)
PARTS = ("lightgbm", "robustness", "cold-start", "privacy")
"""What can be left out."""
POISON = 100.0
"""What the poisoning home multiplies its weights by [1]"""
CLIP_NORM, NOISE, DELTA = 1.0, 1.0, 1e-3
"""Differential privacy of the attacked model; delta is below one over the number of homes."""
MIN_FOLDED = 4
Tick = Callable[[str], None]
"""Told what has just been done."""


@dataclass(frozen=True)
class Wanted:
    """What to evaluate."""

    plan: Plan
    """How the homes learn together."""
    without: tuple[str, ...] = ()
    """Parts to leave out."""

    def has(self, part: str) -> bool:
        """Whether a part is wanted."""
        return part not in self.without

    @property
    def methods(self) -> list[str]:
        """The arms, in the order of the report."""
        return [name for name in METHODS if self.has("lightgbm") or not name.startswith("lightgbm")]


def evaluate(homes: Sequence[Home], wanted: Wanted, tick: Tick) -> dict[str, Any]:
    """The record of results: everything that the report, the plots and the JSON need. Raises EvaluationError."""
    _check(homes)
    pool = TrainingPool({home.name: home.slots for home in homes})
    try:
        return _evaluate(homes, wanted, pool, tick)
    finally:
        pool.close()


def jobs(homes: Sequence[Home], wanted: Wanted) -> int:
    """About how many times `tick` will be called."""
    rounds, count = wanted.plan.config.rounds, len(homes)
    total = rounds + 8 + count * (4 if wanted.has("lightgbm") else 2)
    total += 3 * rounds if wanted.has("robustness") else 0
    total += 3 * rounds + 2 * count if wanted.has("cold-start") or wanted.has("privacy") else 0
    return total + (3 * rounds if wanted.has("privacy") else 0)


def _evaluate(homes: Sequence[Home], wanted: Wanted, pool: TrainingPool, tick: Tick) -> dict[str, Any]:
    arms = Arms(homes, pool, wanted.plan, lambda: tick("arms"))
    outcomes = arms.run(wanted.methods)
    record: dict[str, Any] = {
        "homes": [_describe(home, arms) for home in homes],
        "horizons_h": list(HORIZONS_H),
        "plan": wanted.plan.config.model_dump() | {"server_momentum": wanted.plan.server_momentum},
        "methods": {name: _summary(found, outcomes["persistence"]) for name, found in outcomes.items()},
        "differences": _differences(outcomes, homes[0].slots.per_day),
    }
    if wanted.has("robustness"):
        record["robustness"] = _robustness(arms, homes, wanted.plan, pool, lambda: tick("robustness"))
    if len(arms.joining) >= MIN_FOLDED and (wanted.has("cold-start") or wanted.has("privacy")):
        folds = leave_out(arms.joining, pool, wanted.plan, lambda: tick("folds"))
        if wanted.has("cold-start"):
            record["cold_start"] = {
                str(days): _cold(folds, pool, wanted.plan, days, lambda: tick("cold start")) for days in HISTORY_DAYS
            }
        if wanted.has("privacy"):
            record["privacy"] = _privacy(arms, folds, wanted.plan, pool, lambda: tick("privacy"))
    return record


def _check(homes: Sequence[Home]) -> None:
    if len(homes) < 2:
        raise EvaluationError("an evaluation needs at least two homes to learn from each other")
    if len({home.slots.per_day for home in homes}) > 1:
        lengths = ", ".join(f"{home.name}: {24 * 60 // home.slots.per_day} min" for home in homes)
        raise EvaluationError(f"the homes have intervals of different length ({lengths}); evaluate them apart")
    if all(home.quality.verdict == "poor" for home in homes):
        raise EvaluationError("no home's data is good enough to train on; see ./microgrid import for what is wrong")


def _describe(home: Home, arms: Arms) -> dict[str, Any]:
    return {
        "name": home.name,
        "days": round(home.slots.days, 1),
        "slot_minutes": 24 * 60 // home.slots.per_day,
        "quality": home.quality.verdict,
        "trains_with_the_others": home in arms.joining,
    }


def _summary(found: Outcomes, persistence: Outcomes) -> dict[str, Any]:
    """Scores by home, their mean and median; skill is one less the error over that of persistence."""
    by_home = {name: scores(outcome) for name, outcome in found.items()}
    for name, one in by_home.items():
        one["skill"] = skill(one["mae_kw"], persistence[name].error_kw.mean(axis=0))
    names = list(next(iter(by_home.values())))
    tables = {score: np.stack([one[score] for one in by_home.values()]) for score in names}
    mean = {score: over_homes(table) for score, table in tables.items()}
    base = np.mean([persistence[name].error_kw.mean(axis=0) for name in by_home], axis=0)
    mean["skill"] = skill(mean["mae_kw"], base)
    mean["ece_pooled"] = pooled_calibration_error(list(found.values()))
    return {
        "mean": _plain(mean),
        "median": _plain({score: over_homes(table, median=True) for score, table in tables.items()}),
        "homes": {name: _plain(one) for name, one in by_home.items()},
    }


def _plain(values: dict[str, np.ndarray]) -> dict[str, list[float | None]]:
    return {
        name: [round(float(value), 5) if isfinite(value) else None for value in array] for name, array in values.items()
    }


def _differences(outcomes: dict[str, Outcomes], per_day: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Of both federated methods against every other, per horizon; negative is better."""
    result: dict[str, dict[str, list[dict[str, float]]]] = {}
    for ours in ("federated", "federated_personal"):
        result[ours] = {
            theirs: [
                paired_difference(_errors(outcomes[ours], step), _errors(outcomes[theirs], step), per_day)
                for step in range(len(HORIZONS_H))
            ]
            for theirs in outcomes
            if theirs != ours
        }
    return result


def _errors(outcomes: Outcomes, step: int) -> list[np.ndarray]:
    return [outcome.error_kw[:, step] for outcome in outcomes.values()]


def _robustness(
    arms: Arms, homes: Sequence[Home], plan: Plan, pool: TrainingPool, step: Callable[[], None]
) -> dict[str, Any]:
    """Mean error of the good homes when a bad one takes part, against without it; before they correct anything."""
    good = [home for home in arms.joining if home.quality.verdict == "good"] or arms.joining
    corrupt = [home for home in homes if home not in arms.joining]
    poisoner = arms.joining[-1].name

    def error(members: Sequence[Home], how: Plan, attack: Attack | None = None) -> float:
        weights = federated(pool, sources_of(members), arms.horizon, how, step, attack)
        model = OnnxModel(weights, arms.horizon)
        return float(np.mean([outcome_of(home, model).error_kw.mean() for home in good]))

    assert arms.federated is not None
    usual = OnnxModel(arms.federated, arms.horizon)
    base = float(np.mean([outcome_of(home, usual).error_kw.mean() for home in good]))
    ways: dict[str, Callable[[], float]] = {
        f"{poisoner} sends {POISON:g} times its weights": lambda: error(arms.joining, plan, Attack(poisoner, POISON)),
        "the same, trimmed mean, absurd updates kept": lambda: error(
            arms.joining, replace(plan, aggregation="trimmed_mean", drop_absurd=False), Attack(poisoner, POISON)
        ),
    }
    if corrupt:
        names = ", ".join(home.name for home in corrupt)
        ways[f"{names} trains too, no quality gate"] = lambda: error([*arms.joining, *corrupt], plan)
    found = {name: way() for name, way in ways.items()}
    return {
        "good_homes": [home.name for home in good],
        "mae_kw": round(base, 5),
        "cases": {
            name: {"mae_kw": round(value, 5), "change": round(value / base - 1, 5)} for name, value in found.items()
        },
    }


def _cold(folds: list[Fold], pool: TrainingPool, plan: Plan, days: int, step: Callable[[], None]) -> dict[str, Any]:
    errors = cold_start(folds, pool, plan, days, step)
    name, best = best_local(errors)
    methods = list(next(iter(errors.values())))
    return {
        "horizons_h": horizons(),
        "mae_kw": {method: mean_of(errors, method).round(5).tolist() for method in methods},
        "best_local": name,
        "federated_against_best_local": (mean_of(errors, "federated") / best - 1).round(5).tolist(),
        "homes": {
            home: {method: one.round(5).tolist() for method, one in found.items()} for home, found in errors.items()
        },
    }


def _privacy(arms: Arms, folds: list[Fold], plan: Plan, pool: TrainingPool, step: Callable[[], None]) -> dict[str, Any]:
    """The attack's success on plain and on differentially private models, with what privacy costs."""
    private = replace(plan, clip_norm=CLIP_NORM, noise_multiplier=NOISE)
    hidden = leave_out(arms.joining, pool, private, step)
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


def _fold_error(folds: list[Fold]) -> float:
    """Mean error of homes that did not take part, over all reported horizons [kW]"""
    found = [
        outcome_of(home, OnnxModel(fold.weights, home.slots.per_day)).error_kw.mean()
        for fold in folds
        for home in fold.absent
    ]
    return round(float(np.mean(found)), 5)
