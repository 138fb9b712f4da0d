"""The forecasters of the back-test: what each site forecasts with in each epoch, trained on its past alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.backtest.forecasts import Epoch
from benchmarks.forecasting.learning import Attack, Plan, alone, federated, tuned
from benchmarks.forecasting.workers import Source, TrainingPool
from building_clients.architecture import Weights
from building_clients.calibration import Predictor, SeasonalModel
from building_clients.inference import OnnxModel
from building_clients.scoring import loss_on
from building_clients.windows import Series
from simulation.data_quality import DataQuality

FIRST_DAYS, EPOCH_DAYS = 28, 28
"""A community begins to learn after so many days, and learns again as often [d]"""
LATER_ROUNDS = 4
"""Rounds with which a model that was learned before is renewed [1]"""
TRAIN_SHARE = 0.875
"""Of what a site knows it trains on this and judges by the rest [1]"""


@dataclass(frozen=True)
class Learner:
    """A site as the learned arms see it."""

    name: str
    """Its name in the training pool."""
    series: Series
    """Everything that forecasts need."""
    quality: DataQuality
    """A poor one does not train with the others."""

    def parts(self, until: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples to train on and to judge by, all of whose targets are over before slot `until`."""
        day, cut = self.series.slots.per_day, int(TRAIN_SHARE * until)
        ends = self.series.ends()
        return ends[ends + day <= cut], ends[(ends >= cut) & (ends + day <= until)]


class Learning:
    """Trains what the arms need, epoch after epoch."""

    def __init__(self, sites: Sequence[Learner], pool: TrainingPool, plan: Plan, step: Callable[[], None]) -> None:
        self._sites = list(sites)
        self._pool = pool
        self._plan = plan
        self._step = step
        slots = sites[0].series.slots
        self._day = slots.per_day
        self._starts = range(FIRST_DAYS * self._day, len(slots), EPOCH_DAYS * self._day)

    @property
    def steps(self) -> int:
        """How often `step` is called by an arm."""
        return len(self._starts)

    def federated(self, attack: Attack | None = None, plan: Plan | None = None) -> list[list[Epoch]]:
        """Shared weights, fitted to each site and judged by it as a building does; epochs of each site."""
        plan = plan or self._plan
        epochs: list[list[Epoch]] = [[Epoch(0, SeasonalModel())] for _ in self._sites]
        joining = [site for site in self._sites if site.quality.verdict != "poor"]
        shared: Weights | None = None
        for start in self._starts:
            sources = [Source(site.name, site.parts(start)[0]) for site in joining]
            shared = federated(self._pool, sources, self._day, self._rounds(plan, shared), _nothing, attack, shared)
            for own, predictor in zip(epochs, self._adopted(shared, start), strict=True):
                own.append(Epoch(start, predictor))
            self._step()
        return epochs

    def local(self) -> list[list[Epoch]]:
        """Each site for itself."""
        epochs: list[list[Epoch]] = [[Epoch(0, SeasonalModel())] for _ in self._sites]
        before: list[Weights | None] = [None for _ in self._sites]
        for start in self._starts:
            with ThreadPoolExecutor(self._pool.workers) as threads:
                jobs = [threads.submit(self._alone, s, start, w) for s, w in zip(self._sites, before, strict=True)]
                before = [job.result() for job in jobs]
            for index, weights in enumerate(before):
                assert weights is not None
                epochs[index].append(Epoch(start, self._judged(self._sites[index], [weights], start)))
            self._step()
        return epochs

    def _rounds(self, plan: Plan, shared: Weights | None) -> Plan:
        if shared is None:
            return plan
        rate = plan.config.learning_rate / 2
        return replace(plan, config=plan.config.model_copy(update={"rounds": LATER_ROUNDS, "learning_rate": rate}))

    def _alone(self, site: Learner, start: int, weights: Weights | None) -> Weights:
        training, validation = site.parts(start)
        source = Source(site.name, training)
        return alone(self._pool, source, site.series, validation, self._plan.config, weights)

    def _adopted(self, shared: Weights, start: int) -> list[Predictor]:
        with ThreadPoolExecutor(self._pool.workers) as threads:
            return list(threads.map(lambda site: self._adopt(site, shared, start), self._sites))

    def _adopt(self, site: Learner, shared: Weights, start: int) -> Predictor:
        if not all(bool(np.isfinite(array).all()) for array in shared):
            return SeasonalModel()
        training, validation = site.parts(start)
        source = Source(site.name, training)
        own = tuned(self._pool, source, site.series, validation, shared, self._plan.config)
        return self._judged(site, [own], start)

    def _judged(self, site: Learner, candidates: Sequence[Weights], start: int) -> Predictor:
        """What does best on the site's own validation; the seasonal base if that does."""
        validation = site.parts(start)[1]
        predictors: list[Predictor] = [*(OnnxModel(weights, self._day) for weights in candidates), SeasonalModel()]
        return min(predictors, key=lambda predictor: loss_on(predictor, site.series, validation))


def _nothing() -> None:
    """Rounds are not counted one by one."""
