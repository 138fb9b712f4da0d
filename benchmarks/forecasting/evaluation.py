"""The whole evaluation as one record: all arms, what a bad home does to the others, cold start, membership."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from benchmarks.forecasting.arms import HORIZONS_H, Arms, Outcomes
from benchmarks.forecasting.cold_start import HISTORY_DAYS, Fold, cold_record, cold_start, leave_out
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.learning import Plan
from benchmarks.forecasting.membership import privacy
from benchmarks.forecasting.metrics import over_homes, paired_difference, pooled_calibration_error, scores, skill
from benchmarks.forecasting.robustness import robustness, undefended
from benchmarks.forecasting.selection import Chosen
from benchmarks.forecasting.workers import TrainingPool

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
MIN_FOLDED = 4
"""Homes that must train together for some to be kept out [1]"""
MIN_JUDGED = 2
"""Homes that must train together for one to harm another [1]"""
Difference = dict[str, float | None]
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


def evaluate(chosen: Chosen, wanted: Wanted, tick: Tick) -> dict[str, Any]:
    """The record of results: everything that the report, the plots and the JSON need. Raises EvaluationError.

    A number that is not finite is None. `left_out` has why a home takes no part, `skipped` why something was not done.
    """
    pool = TrainingPool({home.name: home.slots for home in chosen.homes})
    try:
        record = _evaluate(chosen.homes, wanted, pool, tick)
    finally:
        pool.close()
    finite: dict[str, Any] = without_nan({"left_out": chosen.left_out} | record)
    return finite


def without_nan(value: Any) -> Any:
    """The same with None for every number that is not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {name: without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value


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
        "skipped": _skipped(arms, wanted),
        "homes": [_describe(home, arms) for home in homes],
        "horizons_h": list(HORIZONS_H),
        "plan": wanted.plan.config.model_dump() | {"server_momentum": wanted.plan.server_momentum},
        "methods": {name: _summary(found, outcomes["persistence"]) for name, found in outcomes.items()},
        "differences": _differences(outcomes, homes),
    }
    if "robustness" not in record["skipped"]:
        record["robustness"] = robustness(arms, homes, wanted.plan, pool, lambda: tick("robustness"))
    if {"cold-start", "privacy"} - set(record["skipped"]):
        folds = leave_out(arms.joining, pool, wanted.plan, lambda: tick("folds"))
        if "cold-start" not in record["skipped"]:
            record["cold_start"] = _cold(folds, wanted, pool, record["skipped"], lambda: tick("cold start"))
        if "privacy" not in record["skipped"]:
            record["privacy"] = privacy(arms.joining, folds, wanted.plan, pool, lambda: tick("privacy"))
    return record


def _skipped(arms: Arms, wanted: Wanted) -> dict[str, str]:
    """Why a part, or something of it, is not done."""
    skipped = dict.fromkeys((part for part in PARTS if not wanted.has(part)), "left out with --without")
    count = len(arms.joining)
    if count < MIN_FOLDED:
        reason = f"needs {MIN_FOLDED} homes that train together; there are {count}"
        skipped = dict.fromkeys(("cold-start", "privacy"), reason) | skipped
    if count < MIN_JUDGED:
        skipped = {"robustness": f"needs {MIN_JUDGED} homes that train together; there is {count}"} | skipped
    why = undefended(arms.joining)
    return skipped if why is None or "robustness" in skipped else {"a home that sends nonsense": why} | skipped


def _describe(home: Home, arms: Arms) -> dict[str, Any]:
    return {
        "name": home.name,
        "days": round(home.slots.days, 1),
        "slot_minutes": 24 * 60 // home.slots.per_day,
        "quality": home.quality.verdict,
        "trains_with_the_others": home in arms.joining,
        "learns_days": round(home.learn_stop / home.slots.per_day, 2),
        "days_before_test": round(home.test_start / home.slots.per_day, 2),
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


def _differences(outcomes: dict[str, Outcomes], homes: Sequence[Home]) -> dict[str, dict[str, list[Difference]]]:
    """Of both federated methods against every other, per horizon; negative is better."""
    slots, per_day = [home.slots.first_slot + home.test for home in homes], homes[0].slots.per_day

    def errors(method: str, step: int) -> list[np.ndarray]:
        return [outcomes[method][home.name].error_kw[:, step] for home in homes]

    return {
        ours: {
            theirs: [
                paired_difference(errors(ours, step), errors(theirs, step), slots, per_day)
                for step in range(len(HORIZONS_H))
            ]
            for theirs in outcomes
            if theirs != ours
        }
        for ours in ("federated", "federated_personal")
    }


def _cold(
    folds: list[Fold], wanted: Wanted, pool: TrainingPool, skipped: dict[str, str], step: Callable[[], None]
) -> dict[str, Any]:
    """By days of history; what has too few measured samples is added to `skipped`."""
    found = {}
    for days in HISTORY_DAYS:
        errors = cold_start(folds, pool, wanted.plan, days, wanted.has("lightgbm"), step)
        absent = [home.name for fold in folds for home in fold.absent if home.name not in errors]
        if absent:
            skipped[f"cold start of {', '.join(absent)} after {days} days"] = "too few measured samples in these days"
        if errors:
            found[str(days)] = cold_record(errors)
    return found
