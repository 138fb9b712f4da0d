"""The forecasters of the back-test: what each site forecasts with in each epoch, trained on its past alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.backtest.forecasts import Epoch
from benchmarks.forecasting.learning import Attack, Plan, alone, federated, tuned
from benchmarks.forecasting.workers import Source, TrainingPool
from building_clients.architecture import Weights
from building_clients.calibration import SeasonalModel
from building_clients.learner import split
from building_clients.scoring import loss_on
from building_clients.slots import TrainError
from building_clients.windows import Series
from simulation.data_quality import DataQuality

FIRST_DAYS, EPOCH_DAYS = (7, 14), 28
"""A community begins to learn after these days, and then learns again as often [d]"""
LATER_ROUNDS = 4
"""Rounds with which a model that was learned before is renewed [1]"""


Parts = tuple[np.ndarray, np.ndarray]
"""Slots at which samples to train on and to judge by end."""


@dataclass(frozen=True)
class Learner:
    """A site as the learned arms see it."""

    name: str
    """Its name in the training pool."""
    series: Series
    """Everything that forecasts need."""
    quality: DataQuality
    """A poor one does not train with the others."""


Learn = Callable[[Learner, Epoch, Parts], Weights]
"""From what a site forecast with before, and its samples, to new weights."""


class Learning:
    """Trains what the arms need, epoch after epoch."""

    def __init__(self, sites: Sequence[Learner], pool: TrainingPool, plan: Plan, step: Callable[[], None]) -> None:
        self._sites = list(sites)
        self._pool = pool
        self._plan = plan
        self._step = step
        slots = sites[0].series.slots
        self._day = slots.per_day
        later = range(EPOCH_DAYS, round(slots.days), EPOCH_DAYS)
        self._starts = [days * self._day for days in (*FIRST_DAYS, *later)]

    @property
    def steps(self) -> int:
        """How often `step` is called by an arm."""
        return len(self._starts)

    def federated(self, attack: Attack | None = None, plan: Plan | None = None) -> list[list[Epoch]]:
        """Shared weights, fitted to each site and judged by it as a building does; epochs of each site."""
        plan = plan or self._plan
        epochs = self._beginnings()
        joining = [site for site in self._sites if site.quality.verdict != "poor"]
        shared: Weights | None = None
        for start in self._starts:
            parts = {site.name: self._split(site, start) for site in joining}
            sources = [Source(name, part[0]) for name, part in parts.items() if part]
            shared = federated(self._pool, sources, self._day, self._rounds(plan, shared), _nothing, attack, shared)
            self._next(epochs, start, partial(self._fitted, shared=shared))
        return epochs

    def local(self) -> list[list[Epoch]]:
        """Each site for itself."""
        epochs = self._beginnings()
        for start in self._starts:
            self._next(epochs, start, self._alone)
        return epochs

    def _beginnings(self) -> list[list[Epoch]]:
        return [[Epoch(0, SeasonalModel())] for _ in self._sites]

    def _next(self, epochs: list[list[Epoch]], start: int, learn: Learn) -> None:
        """An epoch more for each site: with what it learned, if its own validation finds that no worse than before."""
        with ThreadPoolExecutor(self._pool.workers) as threads:
            jobs = [
                threads.submit(self._adopted, site, own[-1], start, learn)
                for site, own in zip(self._sites, epochs, strict=True)
            ]
            for own, job in zip(epochs, jobs, strict=True):
                own.append(job.result())
        self._step()

    def _adopted(self, site: Learner, before: Epoch, start: int, learn: Learn) -> Epoch:
        parts = self._split(site, start)
        if parts is None:
            return Epoch(start, before.model)
        new = Epoch(start, learn(site, before, parts))
        losses = [loss_on(epoch.predictor(self._day), site.series, parts[1]) for epoch in (new, before)]
        return new if losses[0] <= losses[1] else Epoch(start, before.model)

    def _fitted(self, site: Learner, _: Epoch, parts: Parts, shared: Weights) -> Weights:
        return tuned(self._pool, Source(site.name, parts[0]), site.series, parts[1], shared, self._plan.config)

    def _alone(self, site: Learner, before: Epoch, parts: Parts) -> Weights:
        weights = before.model if isinstance(before.model, list) else None
        return alone(self._pool, Source(site.name, parts[0]), site.series, parts[1], self._plan.config, weights)

    def _split(self, site: Learner, until: int) -> Parts | None:
        """As a building does; all targets are over before slot `until`. None where that is too little."""
        try:
            return split(site.series, self._plan.config.batch_size, until)
        except TrainError:
            return None

    def _rounds(self, plan: Plan, shared: Weights | None) -> Plan:
        if shared is None:
            return plan
        rate = plan.config.learning_rate / 2
        return replace(plan, config=plan.config.model_copy(update={"rounds": LATER_ROUNDS, "learning_rate": rate}))


def _nothing() -> None:
    """Rounds are not counted one by one."""
