"""What trade and batteries do for a community as a whole: shares, peaks, fairness, and what errors cost.

Definitions and sources are in docs/glossary.md. Arrays have a row for each slot and a column for each member.
"""

from __future__ import annotations

import numpy as np


def self_sufficiency(grid_kwh: np.ndarray, load_kwh: np.ndarray) -> float:
    """Share of the members' load that did not come from outside of the community [1]

    Members that export supply those that import in the same slot (Luthander et al. 2015,
    doi:10.1016/j.apenergy.2014.12.028).
    """
    outside = np.maximum(grid_kwh.sum(axis=1), 0).sum()
    return float(1 - outside / load_kwh.sum())


def self_consumption(grid_kwh: np.ndarray, pv_kwh: np.ndarray) -> float:
    """Share of the members' solar energy that did not leave the community [1]; the same source."""
    outside = np.maximum(-grid_kwh.sum(axis=1), 0).sum()
    return float(1 - outside / pv_kwh.sum())


def peak_import_kw(grid_kwh: np.ndarray, hours: float) -> float:
    """Largest mean power that the whole community drew in a slot [kW]"""
    return float(np.maximum(grid_kwh.sum(axis=1), 0).max() / hours)


def relative_benefit(cost: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """What each member saved, of the cost that it has alone (in size); shape (members,) [1]"""
    return np.asarray((alone - cost) / np.maximum(np.abs(alone), 1e-9))


def gini(benefits: np.ndarray) -> float:
    """Gini coefficient of what members gain: 0 when all gain the same, towards 1 when one has it all [1]

    Half the mean absolute difference over the mean (Sen 1973). Losses count as no gain.
    """
    gains = np.sort(np.maximum(benefits, 0))
    if not gains.sum():
        return 0.0
    ranks = np.arange(1, len(gains) + 1)
    return float(2 * (ranks * gains).sum() / (len(gains) * gains.sum()) - (len(gains) + 1) / len(gains))


def imbalance_cost(
    grid_kwh: np.ndarray, traded_kwh: np.ndarray, price: np.ndarray, feed_in: np.ndarray, retail: np.ndarray
) -> np.ndarray:
    """What it cost each member to have traded other energy than it then needed; shape (slots, members) [currency]

    Bought (> 0) and not needed goes to the utility at feed-in; sold (< 0) and not there comes from it at retail.
    `price` of shape (slots,) is NaN without trade [currency/kWh]
    """
    off = grid_kwh - traded_kwh
    too_much = np.minimum(np.maximum(-off, 0), np.maximum(traded_kwh, 0))
    too_little = np.minimum(np.maximum(off, 0), np.maximum(-traded_kwh, 0))
    known = np.nan_to_num(price)
    return np.asarray(too_much * (known - feed_in)[:, None] + too_little * (retail - known)[:, None])
