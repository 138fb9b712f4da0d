"""Training jobs on all cores: each worker process keeps TensorFlow warm and the homes in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from building_clients.architecture import Weights
from building_clients.slots import SlotMeans
from building_clients.windows import Series

if TYPE_CHECKING:
    from building_clients.model import Trainer

Answer = TypeVar("Answer")
_series: dict[tuple[str, int], Series] = {}
_slots: dict[str, SlotMeans] = {}


@dataclass(frozen=True)
class Source:
    """Training samples of one home."""

    home: str
    """Its name."""
    ends: np.ndarray
    """Slots at which the samples end, counted from `start`."""
    start: int = 0
    """First slot that is known at all; later than 0 for a home that has just joined."""


@dataclass(frozen=True)
class Recipe:
    """How one call trains."""

    steps: int
    """Gradient steps [1]"""
    batch_size: int
    """Samples per step [1]"""
    learning_rate: float
    """Adam's step size at the start; it falls to 0 along a cosine [1]"""
    dropout: float
    """Share of outputs dropped [1]"""
    seed: int
    """Seed of the batch order."""


class TrainingPool:
    """As many worker processes as cores."""

    def __init__(self, homes: dict[str, SlotMeans], workers: int | None = None) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))
        """Processes that train side by side [1]"""
        self._pool = ProcessPoolExecutor(
            self.workers, mp_context=get_context("spawn"), initializer=_remember, initargs=(homes,)
        )

    def train(self, sources: Sequence[Source], weights: Weights, recipe: Recipe) -> Future[Weights]:
        """New weights, later."""
        return self._pool.submit(_train, tuple(sources), weights, recipe)

    def ask(self, home: str, question: Callable[..., Answer], *arguments: object) -> Future[Answer]:
        """What a function of a home's series, and of more, answers; later."""
        return self._pool.submit(_ask, home, question, *arguments)

    def close(self) -> None:
        """End the workers; what waits is given up."""
        self._pool.shutdown(cancel_futures=True)


def _remember(homes: dict[str, SlotMeans]) -> None:
    _slots.update(homes)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _ask(home: str, question: Callable[..., Answer], *arguments: object) -> Answer:
    return question(_series_of(home), *arguments)


def _train(sources: tuple[Source, ...], weights: Weights, recipe: Recipe) -> Weights:
    trainer = _trainer(_slots[sources[0].home].per_day, recipe.dropout)
    parts = [(_series_of(source.home, source.start), source.ends) for source in sources]
    return trainer.train(weights, parts, recipe.steps, recipe.batch_size, recipe.learning_rate, recipe.seed)[0]


@lru_cache(maxsize=2)
def _trainer(horizon: int, dropout: float) -> Trainer:
    from building_clients.model import Trainer

    return Trainer(horizon, dropout)


def _series_of(home: str, start: int = 0) -> Series:
    if (home, start) not in _series:
        slots = _slots[home]
        _series[home, start] = Series(slots.part(start, len(slots)))
    return _series[home, start]
