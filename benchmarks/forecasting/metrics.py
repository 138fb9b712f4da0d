"""Scores of forecasts, each per step ahead, and paired differences with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from building_clients.scoring import pinball

ECE_BINS = 10
BLOCK_DAYS = 7
"""Errors of one week belong together: the bootstrap draws whole weeks (Kuensch 1989)."""
MIN_BLOCKS = 4
"""Fewer weeks than this tell nothing about how much weeks differ [1]"""
RESAMPLES = 2000
SEED = 7


@dataclass(frozen=True)
class Outcome:
    """A method's forecasts of one home's test part, and what came; `n` samples, `h` steps ahead."""

    quantiles_kw: np.ndarray
    """shape (n, h, 3) [kW]"""
    probability: np.ndarray
    """Of a deficit; shape (n, h) [1]"""
    target_kw: np.ndarray
    """shape (n, h) [kW]"""

    @property
    def error_kw(self) -> np.ndarray:
        """Absolute error of the median; shape (n, h) [kW]"""
        return np.asarray(np.abs(self.target_kw - self.quantiles_kw[:, :, 1]))

    @property
    def deficit(self) -> np.ndarray:
        """Whether there was a deficit; shape (n, h)"""
        return self.target_kw < 0


def scores(outcome: Outcome) -> dict[str, np.ndarray]:
    """Every score, shape (h,): errors and losses in kW, the others between 0 and 1; AUC is NaN with one class only."""
    low, high = outcome.quantiles_kw[:, :, 0], outcome.quantiles_kw[:, :, 2]
    inside = (outcome.target_kw >= low) & (outcome.target_kw <= high)
    steps = range(outcome.target_kw.shape[1])
    return {
        "mae_kw": outcome.error_kw.mean(axis=0),
        "rmse_kw": np.sqrt(np.square(outcome.target_kw - outcome.quantiles_kw[:, :, 1]).mean(axis=0)),
        "pinball_kw": pinball(outcome.quantiles_kw, outcome.target_kw).mean(axis=0),
        "coverage": inside.mean(axis=0),
        "width_kw": (high - low).mean(axis=0),
        "brier": np.square(outcome.probability - outcome.deficit).mean(axis=0),
        "auc": np.array([auc(outcome.probability[:, step], outcome.deficit[:, step]) for step in steps]),
        "ece": np.array([calibration_error(outcome.probability[:, step], outcome.deficit[:, step]) for step in steps]),
    }


def skill(error_kw: np.ndarray, persistence_kw: np.ndarray) -> np.ndarray:
    """One less the error over that of persistence; NaN where persistence makes none, as in constant readings."""
    ratio = np.full(error_kw.shape, np.nan)
    return np.asarray(1 - np.divide(error_kw, persistence_kw, out=ratio, where=persistence_kw > 0))


def over_homes(table: np.ndarray, median: bool = False) -> np.ndarray:
    """Mean or median of shape (homes, h) over the homes that have the score; NaN if none has it."""
    known = ~np.isnan(table)
    filled = np.where(known.any(axis=0), table, 0)
    result = np.nanmedian(filled, axis=0) if median else np.nanmean(filled, axis=0)
    return np.where(known.any(axis=0), result, np.nan)


def auc(probability: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve as a rank statistic with ties (Hanley and McNeil 1982); NaN with one class only."""
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return float("nan")
    _, index, counts = np.unique(probability, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def calibration_error(probability: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error over ten equal bins (Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602)."""
    bins = np.minimum((probability * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.abs(np.bincount(bins, probability - truth, ECE_BINS))
    return float(gaps.sum() / len(probability))


def pooled_calibration_error(outcomes: list[Outcome]) -> np.ndarray:
    """The same over all homes' samples; shape (h,). With few samples in a bin, chance makes a home's larger."""
    probability = np.concatenate([outcome.probability for outcome in outcomes])
    deficit = np.concatenate([outcome.deficit for outcome in outcomes])
    return np.array([calibration_error(probability[:, step], deficit[:, step]) for step in range(deficit.shape[1])])


def paired_difference(
    ours: list[np.ndarray], theirs: list[np.ndarray], slots: list[np.ndarray], per_day: int
) -> dict[str, float | None]:
    """Relative difference of the homes' mean errors, with its 95 % interval; each array has shape (n,) [kW].

    `slots` says when each error's forecast was made, on one count for all homes. Calendar weeks are drawn with
    replacement, the same for all homes, because a heat wave hits all of them; a home is in the weeks that it has.
    """
    means = [sum(errors.mean() for errors in side) for side in (ours, theirs)]
    result: dict[str, float | None] = {"mean": float(means[0] / means[1] - 1), "low": None, "high": None}
    if len(np.unique(np.concatenate(slots))) >= MIN_BLOCKS * BLOCK_DAYS * per_day:
        low, high = np.quantile(_resampled(ours, theirs, slots, BLOCK_DAYS * per_day), (0.025, 0.975))
        result |= {"low": float(low), "high": float(high)}
    return result


def _resampled(ours: list[np.ndarray], theirs: list[np.ndarray], slots: list[np.ndarray], block: int) -> np.ndarray:
    """Relative differences, shape (RESAMPLES,); a home none of whose weeks is drawn is in neither mean."""
    weeks, index = np.unique(np.concatenate(slots) // block, return_inverse=True)
    week_of = np.split(index, np.cumsum([len(home) for home in slots])[:-1])
    times = np.random.default_rng(SEED).multinomial(len(weeks), np.full(len(weeks), 1 / len(weeks)), RESAMPLES)
    counts = times @ np.stack([np.bincount(home, minlength=len(weeks)) for home in week_of], axis=1)
    sums = [
        times @ np.stack([np.bincount(*pair, len(weeks)) for pair in zip(week_of, side, strict=True)], axis=1)
        for side in (ours, theirs)
    ]
    own, other = ((part / np.maximum(counts, 1)).sum(axis=1) for part in sums)
    return np.asarray(own / other - 1)
