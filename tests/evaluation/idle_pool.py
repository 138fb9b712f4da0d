"""A pool that does not train, for tests of what happens around the training."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import cast

import numpy as np

from benchmarks.forecasting.workers import Recipe, Source, TrainingPool
from building_clients.architecture import Weights


class IdlePool:
    """Gives back what it gets, moved by a constant; the home in `broken` sends what is not finite."""

    workers = 1

    def __init__(self, broken: str = "") -> None:
        self._broken = broken

    def train(self, sources: Sequence[Source], weights: Weights, _: Recipe) -> Future[Weights]:
        job: Future[Weights] = Future()
        moved = np.float32(np.nan if sources[0].home == self._broken else 0.001)
        job.set_result([array + moved for array in weights])
        return job


def pool(broken: str = "") -> TrainingPool:
    return cast(TrainingPool, IdlePool(broken))


def nothing() -> None:
    """Nobody watches the progress."""
