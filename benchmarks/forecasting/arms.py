"""Every method on every home: trained on training parts, corrected on validation, scored on test parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np

from benchmarks.forecasting.baselines import Persistence, SeasonalMean, SeasonalNaive, calibrated
from benchmarks.forecasting.boosting import boosted
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.learning import OnStep, Plan, alone, federated, pooled, sources_of, tuned
from benchmarks.forecasting.metrics import Outcome
from benchmarks.forecasting.workers import Source, TrainingPool
from building_clients.architecture import Weights
from building_clients.calibration import Predictor, Raw, calibration_of, past_ends, raw_forecasts
from building_clients.inference import OnnxModel
from building_clients.windows import Batch

HORIZONS_H = (1, 3, 6, 12, 24)
"""Hours ahead that are reported [h]"""
CHUNK = 1024
Outcomes = dict[str, Outcome]
"""By name of the home."""
Score = Callable[[Home, Predictor], Outcome]
"""How a method's forecasts are corrected."""


def steps_of(home: Home) -> np.ndarray:
    """Indices of the reported steps in a forecast of this home."""
    return np.array([hours * home.slots.per_day // 24 - 1 for hours in HORIZONS_H])


def outcome_of(home: Home, predictor: Predictor) -> Outcome:
    """A baseline's forecasts of the test part, their intervals corrected by what was known then, and what came."""
    ends, steps = np.concatenate([home.observed, home.test]), steps_of(home)
    quantiles, probability, target, scale = [], [], [], []
    for batch in _batches(home, ends):
        found, chance = predictor.predict(batch)
        chosen = slice(None) if found.shape[1] == len(steps) else steps
        quantiles.append(found[:, chosen])
        probability.append(chance[:, chosen])
        target.append(batch.target[:, steps])
        scale.append(batch.scale_kw)
    tested = ends >= home.test_start
    came, size = np.concatenate(target), np.concatenate(scale)[:, None]
    corrected = calibrated(np.concatenate(quantiles), came, ends, home.slots.per_day, home.test_start)
    return Outcome(corrected * size[tested, :, None], np.concatenate(probability)[tested], (came * size)[tested])


def live_outcome_of(home: Home, predictor: Predictor) -> Outcome:
    """Forecasts of the test part with all corrections that a building makes, anew each day, and what came."""
    ends, steps, day = np.concatenate([home.observed, home.test]), steps_of(home), home.slots.per_day
    parts = [raw_forecasts(predictor, batch) for batch in _batches(home, ends)]
    raw = Raw(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Raw)))
    quantiles, probability = [], []
    for start in range(home.test_start, int(ends[-1]) + 1, day):
        past, now = np.isin(ends, past_ends(start, day)), (ends >= start) & (ends < start + day)
        found = calibration_of(raw.rows(past), (start - ends[past]) / day).apply(raw.rows(now))
        quantiles.append(found[0][:, steps])
        probability.append(found[1][:, steps])
    tested = ends >= home.test_start
    size = home.series.scale_kw[ends[tested]][:, None]
    came = raw.target[tested][:, steps] * size
    return Outcome(np.concatenate(quantiles) * size[:, :, None], np.concatenate(probability), came)


def _batches(home: Home, ends: np.ndarray) -> Iterator[Batch]:
    return (home.series.batch(ends[start : start + CHUNK]) for start in range(0, len(ends), CHUNK))


class Arms:
    """Runs the methods; all training goes through one pool, so several arms may run side by side."""

    def __init__(self, homes: Sequence[Home], pool: TrainingPool, plan: Plan, step: OnStep) -> None:
        self._homes = list(homes)
        self._pool = pool
        self._plan = plan
        self._step = step
        self.joining = [home for home in homes if home.quality.verdict != "poor"]
        """Homes whose data is good enough to train with the others."""
        self.federated: Weights | None = None
        """The global model, once that arm has run."""

    @property
    def horizon(self) -> int:
        """Steps of a forecast [1]"""
        return self._homes[0].slots.per_day

    def run(self, methods: Sequence[str]) -> dict[str, Outcomes]:
        """Outcomes by method and home."""
        ways: dict[str, Callable[[], Outcomes]] = {
            "persistence": lambda: self._all(Persistence(), outcome_of),
            "seasonal_naive": lambda: self._all(SeasonalNaive(), outcome_of),
            "seasonal_mean": lambda: self._all(SeasonalMean(), outcome_of),
            "lightgbm": lambda: self._each(lambda home: boosted([home], self._steps), outcome_of),
            "lightgbm_same_inputs": lambda: self._each(
                lambda home: boosted([home], self._steps, rich=True), outcome_of
            ),
            "lightgbm_pooled": lambda: self._all(boosted(self.joining, self._steps), outcome_of),
            "local_lstm": lambda: self._each(self._local, live_outcome_of),
            "federated": lambda: self._all(OnnxModel(self._federated(), self.horizon), live_outcome_of),
            "federated_personal": lambda: self._each(self._personal, live_outcome_of),
            "centralised_lstm": lambda: self._all(OnnxModel(self._centralised(), self.horizon), live_outcome_of),
        }
        with ThreadPoolExecutor(self._pool.workers + 1) as threads:
            early = {name: threads.submit(ways[name]) for name in methods if name != "federated_personal"}
            done = {name: job.result() for name, job in early.items()}
            if "federated_personal" in methods:
                done["federated_personal"] = ways["federated_personal"]()
        return {name: done[name] for name in methods}

    @property
    def _steps(self) -> list[int]:
        return [int(step) for step in steps_of(self._homes[0])]

    def _all(self, predictor: Predictor, score: Score) -> Outcomes:
        found = {home.name: score(home, predictor) for home in self._homes}
        self._step()
        return found

    def _each(self, fit: Callable[[Home], Predictor], score: Score) -> Outcomes:
        with ThreadPoolExecutor(self._pool.workers) as threads:
            return dict(threads.map(lambda home: self._one(home, fit, score), self._homes))

    def _one(self, home: Home, fit: Callable[[Home], Predictor], score: Score) -> tuple[str, Outcome]:
        found = score(home, fit(home))
        self._step()
        return home.name, found

    def _local(self, home: Home) -> Predictor:
        source = Source(home.name, home.training)
        weights = alone(self._pool, source, home.series, home.validation, self._plan.config)
        return OnnxModel(weights, self.horizon)

    def _federated(self) -> Weights:
        self.federated = federated(self._pool, sources_of(self.joining), self.horizon, self._plan, self._step)
        return self.federated

    def _personal(self, home: Home) -> Predictor:
        assert self.federated is not None
        source = Source(home.name, home.training)
        weights = tuned(self._pool, source, home.series, home.validation, self.federated, self._plan.config)
        return OnnxModel(weights, self.horizon)

    def _centralised(self) -> Weights:
        return pooled(self._pool, sources_of(self.joining), self.horizon, self._plan.config)
