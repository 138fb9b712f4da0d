"""What a home that sends nonsense, or whose data is corrupt, does to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.forecasting.arms import Arms, outcome_of
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.learning import Attack, OnStep, Plan, federated, sources_of
from benchmarks.forecasting.workers import TrainingPool
from building_clients.architecture import Weights
from building_clients.inference import OnnxModel
from fl_server.aggregation import COMPARABLE

POISON = 100.0
"""What the poisoning home multiplies its weights by [1]"""
Case = Callable[[], Weights]
"""Trains with a bad home."""


def robustness(arms: Arms, homes: Sequence[Home], plan: Plan, pool: TrainingPool, step: OnStep) -> dict[str, Any]:
    """Mean error of the good homes when a bad one takes part, against without it; before they correct anything.

    Needs two homes that train together. The one that sends nonsense is not among those that are judged.
    """
    judged = _judged(arms.joining)

    def error(weights: Weights) -> float:
        model = OnnxModel(weights, arms.horizon)
        return float(np.mean([outcome_of(home, model).error_kw.mean() for home in judged]))

    assert arms.federated is not None
    base = error(arms.federated)
    found = {name: error(train()) for name, train in _cases(arms, homes, plan, pool, step).items()}
    return {
        "good_homes": [home.name for home in judged],
        "mae_kw": round(base, 5),
        "cases": {
            name: {"mae_kw": round(value, 5), "change": round(value / base - 1, 5)} for name, value in found.items()
        },
    }


def undefended(joining: Sequence[Home]) -> str | None:
    """Why no home sends nonsense, where so few train together that nothing tells it from the others."""
    if len(joining) >= COMPARABLE:
        return None
    return f"nothing tells nonsense from the usual among fewer than {COMPARABLE} homes; {len(joining)} train together"


def _judged(joining: Sequence[Home]) -> list[Home]:
    others = joining[:-1]
    return [home for home in others if home.quality.verdict == "good"] or list(others)


def _cases(arms: Arms, homes: Sequence[Home], plan: Plan, pool: TrainingPool, step: OnStep) -> dict[str, Case]:
    attack, robust = Attack(arms.joining[-1].name, POISON), replace(plan, aggregation="trimmed_mean", drop_absurd=False)
    corrupt = [home for home in homes if home not in arms.joining]

    def train(members: Sequence[Home], how: Plan, bad: Attack | None) -> Weights:
        return federated(pool, sources_of(members), arms.horizon, how, step, bad)

    cases: dict[str, Case] = {}
    if undefended(arms.joining) is None:
        cases[f"{attack.home} sends {POISON:g} times its weights"] = lambda: train(arms.joining, plan, attack)
        cases["the same, trimmed mean, absurd updates kept"] = lambda: train(arms.joining, robust, attack)
    if corrupt:
        names = ", ".join(home.name for home in corrupt)
        cases[f"{names} trains too, no quality gate"] = lambda: train([*arms.joining, *corrupt], plan, None)
    return cases
