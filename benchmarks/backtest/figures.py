"""From the runs of a back-test to its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.backtest.scenario import Homes
from benchmarks.backtest.year import Community, Result
from contracts.community_metrics import (
    gini,
    imbalance_cost,
    peak_import_kw,
    relative_benefit,
    self_consumption,
    self_sufficiency,
)

WEEK_H = 7 * 24
DRAWS = 2000
"""Of the bootstrap [1]"""
SEED = 7
CENTS = 2


def arm_figures(homes: Homes, community: Community, result: Result, alone: Result) -> dict[str, Any]:
    """One arm beside every home for itself, whose batteries keep its own surplus. Money in the data's currency."""
    cost, without = result.money.sum(axis=0), alone.money.sum(axis=0)
    benefit = relative_benefit(cost, without)
    wrong = imbalance_cost(result.grid_kwh, result.traded_kwh, result.price, community.feed_in, community.retail)
    return {
        "cost": _money(cost.sum()),
        "saving": _money((without - cost).sum()),
        "imbalance_cost": _money(wrong.sum()),
        "members_worse_off": int((cost > without).sum()),
        "gini_of_benefit": round(gini(benefit), 3),
        "self_sufficiency": round(self_sufficiency(result.grid_kwh, homes.load_kwh), 4),
        "self_consumption": round(self_consumption(result.grid_kwh, homes.pv_kwh), 4),
        "peak_import_kw": round(peak_import_kw(result.grid_kwh, homes.hours), 2),
        "traded_kwh": round(float(np.maximum(result.traded_kwh, 0).sum()), 1),
        "cost_by_home": {site.name: _money(one) for site, one in zip(community.sites, cost, strict=True)},
        "relative_benefit_by_home": {
            site.name: round(float(one), 4) for site, one in zip(community.sites, benefit, strict=True)
        },
    }


def captured(costs: Mapping[str, float], without: float) -> dict[str, float]:
    """Share of the saving with perfect foresight that each arm catches, against a cost `without` [1]"""
    possible = without - costs["perfect"]
    return {arm: round((without - cost) / possible, 4) for arm, cost in costs.items()}


def paired_difference(one: Result, other: Result, hours: float) -> dict[str, Any]:
    """What `one` costs less than `other`, with a 95 % interval from whole weeks drawn at random (Kuensch 1989)."""
    weekly = _weekly((other.money - one.money).sum(axis=1), hours)
    rng = np.random.default_rng(SEED)
    sums = rng.choice(weekly, (DRAWS, len(weekly))).sum(axis=1)
    low, high = np.quantile(sums, (0.025, 0.975))
    real = bool(low > 0 or high < 0)
    return {"saved": _money(weekly.sum()), "interval": [_money(low), _money(high)], "real": real}


def _weekly(values: np.ndarray, hours: float) -> np.ndarray:
    size = round(WEEK_H / hours)
    whole = len(values) // size * size
    return np.asarray(values[:whole].reshape(-1, size).sum(axis=1))


def _money(amount: float) -> float:
    return round(float(amount), CENTS)
