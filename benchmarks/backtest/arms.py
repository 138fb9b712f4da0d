"""The arms of the back-test: which forecasts each of them trades with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.backtest.forecasts import Epoch, perfect, walked
from benchmarks.backtest.learned import Learning
from benchmarks.backtest.scenario import Homes
from benchmarks.forecasting.baselines import Persistence, SeasonalMean
from benchmarks.forecasting.learning import Attack, Plan
from benchmarks.forecasting.robustness import POISON
from benchmarks.forecasting.workers import TrainingPool
from building_clients.calibration import Predictor

ARMS = ("persistence", "seasonal_mean", "local_lstm", "federated", "poisoned", "undefended", "perfect")
"""All that trade; `poisoned` is `federated` with one home that sends nonsense, `undefended` takes its nonsense in."""
POISONER = -1
"""The home that sends nonsense: the last one that trains with the others."""


class Forecasts:
    """Makes the forecasts of the arms, each once."""

    def __init__(self, homes: Homes, pool: TrainingPool, plan: Plan, step: Callable[[str], None]) -> None:
        self._homes = homes
        self._pool = pool
        self._plan = plan
        self._step = step
        self._arm = ""
        self._learning = Learning(homes.learners, pool, plan, lambda: step(self._arm))

    @property
    def steps(self) -> int:
        """How often `step` is called for a learned arm."""
        return self._learning.steps

    def of(self, arm: str) -> np.ndarray:
        """Quantiles of shape (homes, slots, horizon, 3) [kW]"""
        self._arm = arm
        ways: dict[str, Callable[[], np.ndarray]] = {
            "persistence": lambda: self._baseline(Persistence()),
            "seasonal_mean": lambda: self._baseline(SeasonalMean()),
            "local_lstm": lambda: self._walked(self._learning.local(), True),
            "federated": lambda: self._walked(self._learning.federated(), True),
            "poisoned": lambda: self._walked(self._learning.federated(self._attack), True),
            "undefended": lambda: self._walked(
                self._learning.federated(self._attack, replace(self._plan, drop_absurd=False)), True
            ),
            "perfect": lambda: np.stack([perfect(learner.series) for learner in self._homes.learners]),
        }
        return ways[arm]().astype(np.float32)

    @property
    def poisoner(self) -> int:
        """Index of the home that sends nonsense."""
        name = self._attack.home
        return [learner.name for learner in self._homes.learners].index(name)

    @property
    def _attack(self) -> Attack:
        joining = [learner.name for learner in self._homes.learners if learner.quality.verdict != "poor"]
        return Attack(joining[POISONER], POISON)

    def _baseline(self, predictor: Predictor) -> np.ndarray:
        return self._walked([[Epoch(0, predictor)] for _ in self._homes.learners], False)

    def _walked(self, epochs: Sequence[Sequence[Epoch]], adapts: bool) -> np.ndarray:
        jobs = [
            self._pool.ask(learner.name, walked, own, adapts)
            for learner, own in zip(self._homes.learners, epochs, strict=True)
        ]
        parts = []
        for job in jobs:
            parts.append(job.result())
            self._step(self._arm)
        return np.stack(parts)
