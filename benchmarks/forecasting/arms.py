"""Every method on every home: trained on training parts, corrected on validation, scored on test parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.forecasting.baselines import Persistence, SeasonalMean, SeasonalNaive, calibrated
from benchmarks.forecasting.boosting import boosted
from benchmarks.forecasting.homes import Home
from benchmarks.forecasting.learning import OnStep, Plan, alone, federated, pooled, sources_of, tuned
from benchmarks.forecasting.metrics import Outcome
from benchmarks.forecasting.workers import Source, TrainingPool
from building_clients.architecture import Weights
from building_clients.calibration import SEASONAL_SHARE, Predictor, seasonal_probability
from building_clients.inference import OnnxModel

HORIZONS_H = (1, 3, 6, 12, 24)
"""Hours ahead that are reported [h]"""
CHUNK = 1024
Outcomes = dict[str, Outcome]
"""By name of the home."""


def steps_of(home: Home) -> np.ndarray:
    """Indices of the reported steps in a forecast of this home."""
    return np.array([hours * home.slots.per_day // 24 - 1 for hours in HORIZONS_H])


def outcome_of(home: Home, predictor: Predictor, seasonal_share: float) -> Outcome:
    """Forecasts of the test part, their intervals corrected by what was known then, and what came."""
    ends = np.concatenate([home.validation, home.test])
    steps = steps_of(home)
    quantiles, probability, target, scale = [], [], [], []
    for start in range(0, len(ends), CHUNK):
        batch = home.series.batch(ends[start : start + CHUNK])
        found, chance = predictor.predict(batch)
        chosen = slice(None) if found.shape[1] == len(steps) else steps
        seasonal = seasonal_probability(batch)[:, steps]
        quantiles.append(found[:, chosen])
        probability.append((1 - seasonal_share) * chance[:, chosen] + seasonal_share * seasonal)
        target.append(batch.target[:, steps])
        scale.append(batch.scale_kw)
    tested = ends >= home.test_start
    came, size = np.concatenate(target), np.concatenate(scale)[:, None]
    corrected = calibrated(np.concatenate(quantiles), came, ends, home.slots.per_day, home.test_start)
    return Outcome(corrected * size[tested, :, None], np.concatenate(probability)[tested], (came * size)[tested])


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
            "persistence": lambda: self._all(Persistence(), 0.0),
            "seasonal_naive": lambda: self._all(SeasonalNaive(), 0.0),
            "seasonal_mean": lambda: self._all(SeasonalMean(), 0.0),
            "lightgbm": lambda: self._each(lambda home: boosted([home], self._steps), 0.0),
            "lightgbm_same_inputs": lambda: self._each(lambda home: boosted([home], self._steps, rich=True), 0.0),
            "lightgbm_pooled": lambda: self._all(boosted(self.joining, self._steps), 0.0),
            "local_lstm": lambda: self._each(self._local, SEASONAL_SHARE),
            "federated": lambda: self._all(OnnxModel(self._federated(), self.horizon), SEASONAL_SHARE),
            "federated_personal": lambda: self._each(self._personal, SEASONAL_SHARE),
            "centralised_lstm": lambda: self._all(OnnxModel(self._centralised(), self.horizon), SEASONAL_SHARE),
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

    def _all(self, predictor: Predictor, seasonal_share: float) -> Outcomes:
        found = {home.name: outcome_of(home, predictor, seasonal_share) for home in self._homes}
        self._step()
        return found

    def _each(self, fit: Callable[[Home], Predictor], seasonal_share: float) -> Outcomes:
        with ThreadPoolExecutor(self._pool.workers) as threads:
            return dict(threads.map(lambda home: self._one(home, fit, seasonal_share), self._homes))

    def _one(self, home: Home, fit: Callable[[Home], Predictor], seasonal_share: float) -> tuple[str, Outcome]:
        found = outcome_of(home, fit(home), seasonal_share)
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
