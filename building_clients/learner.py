"""Learning inside one building: trains on its own readings, judges shared models by its own validation, forecasts."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from building_clients.architecture import HEAD, Weights, check_weights, initial_weights
from building_clients.calibration import Predictor, SeasonalModel
from building_clients.differential_privacy import clipped, with_noise
from building_clients.forecast import Forecast
from building_clients.forecaster import Forecaster
from building_clients.inference import OnnxModel
from building_clients.kept_model import KeptModel
from building_clients.model_store import ModelStore
from building_clients.scoring import best_of, fitted_candidates, loss_on
from building_clients.settings import TUNING_RATE, LearningConfig
from building_clients.slots import SlotMeans, TrainError, to_slots
from building_clients.windows import Series
from simulation.data_quality import examine
from simulation.recording import Recording

if TYPE_CHECKING:
    from building_clients.model import Trainer

log = logging.getLogger(__name__)

FORECAST_DAYS = 56
"""History that a forecast looks at [d]"""
MINUTES_PER_DAY = 1440
VALIDATION_SHARE, VALIDATION_DAYS = 0.2, 28
"""The newest part of the samples is held back to judge by, at most so many days of them [1, d]"""
History = Callable[[int], pd.DataFrame]
"""Gives the last so many minutes of readings."""


@dataclass(frozen=True)
class TrainResult:
    """What leaves the building after training: weights and numbers, no reading."""

    weights: Weights
    """Locally trained weights; without the heads when those are personal."""
    num_examples: int
    """Training windows [1]"""
    metrics: dict[str, float]
    """`train_loss`, `loss_before` (incoming model on own validation windows), `loss_after`, `train_seconds`."""


_TRAINING = threading.Lock()
"""A warm trainer serves one training at a time."""


class Learner:
    """Forecasts with the model in use. Training, adoption and forecasts may come from different threads."""

    def __init__(self, building_id: str, folder: Path | None, history: History, slot_minutes: int) -> None:
        self._id = building_id
        self._history = history
        self._slot_minutes = slot_minutes
        self._horizon = 24 * 60 // slot_minutes
        self._store = ModelStore(folder, self._horizon)
        self._forecaster = Forecaster(building_id, slot_minutes)
        self._forecasting = threading.Lock()
        self._taken_up: KeptModel | None = None
        self.run_heads: Weights | None = None
        """Personal heads of a run that is not released yet."""

    @property
    def model_version(self) -> int:
        """Version of the kept model that is in use, adopted or chosen by a person; 0 for none."""
        return self._store.version

    def train(self, weights: Weights, config: LearningConfig, server_round: int) -> TrainResult:
        """Train from `weights` on the older part of the history. Raises TrainError when that is too short or unfit."""
        begin = time.perf_counter()
        if server_round == 1:
            self.run_heads = None
        complete = self._complete(weights, config)
        series = self._series(config.history_days)
        self._check_quality(series.slots)
        training, validation = split(series, config.batch_size)
        trained, train_loss = self._fit(
            complete, series, training, config, config.local_steps, config.rate_of(server_round), server_round
        )
        before, after = (loss_on(OnnxModel(w, self._horizon), series, validation) for w in (complete, trained))
        seconds = time.perf_counter() - begin
        metrics = {"train_loss": train_loss, "loss_before": before, "loss_after": after, "train_seconds": seconds}
        if config.personal_heads:
            self.run_heads = trained[HEAD]
        shared = trained[: len(weights)]
        if config.privacy != "none":
            shared = _private(weights, shared, config)
        return TrainResult(shared, len(training), metrics)

    def adopt(self, weights: Weights, config: LearningConfig | None = None) -> bool:
        """Forecast with these weights, fine-tuned if so configured, unless the building's own validation says no.

        Returns whether they are in use. Raises ValueError for weights of another shape.
        """
        config = config or LearningConfig()
        complete = self._complete(weights, config)
        try:
            series = self._series(config.history_days)
            training, validation = split(series, config.batch_size)
        except TrainError:
            return self._use_unjudged(complete)
        candidates = [complete]
        if config.personal_steps:
            rate = config.learning_rate * TUNING_RATE
            tuned, _ = self._fit(complete, series, training, config, config.personal_steps, rate, 0)
            candidates = fitted_candidates(complete, tuned)
        best, loss = best_of(candidates, series, validation)
        before = loss_on(self._forecasts_now(), series, validation)
        if not loss <= before:
            log.warning("a shared model is not used: loss %.4f, of what is used now %.4f", loss, before)
            return False
        return self._use(best, loss)

    def _forecasts_now(self) -> Predictor:
        """What a new model must not be worse than: the own one, or, before there is any, the seasonal base."""
        own = self._store.weights
        return SeasonalModel() if own is None else OnnxModel(own, self._horizon)

    def forecast(self, now: datetime, slot: int) -> Forecast:
        """Forecast from `slot` on, with what was measured before `now`.

        Without weights, with little history or old readings it comes from the seasonal base and says so.
        """
        readings = self._history(FORECAST_DAYS * MINUTES_PER_DAY)
        with self._forecasting:
            return self._forecaster.forecast(readings, now, slot, self._take_up())

    def _take_up(self) -> int:
        """Forecast with the model that is in use now, whoever put it there; returns its version."""
        kept = self._store.in_use()
        if kept is not None and kept is not self._taken_up:
            self._forecaster.use(kept.weights)
            self._taken_up = kept
        if kept is None:
            self._forecaster.absence = self._store.absence
        return 0 if kept is None else kept.version

    def _complete(self, weights: Weights, config: LearningConfig) -> Weights:
        """The building's own heads in place of those that do not travel."""
        complete = list(weights)
        if config.personal_heads:
            complete = [*weights[: HEAD.start], *(self.run_heads or self._first_heads(weights, config.seed))]
        check_weights(complete, self._horizon)
        return complete

    def _first_heads(self, weights: Weights, seed: int) -> Weights:
        """Those of the model in use; but a network that has learned nothing gets heads that have learned nothing."""
        initial = initial_weights(self._horizon, seed)
        fresh = all(np.array_equal(given, first) for given, first in zip(weights, initial, strict=False))
        return (initial if fresh else self._store.weights or initial)[HEAD]

    def _use(self, weights: Weights, own_loss: float | None = None) -> bool:
        self._store.keep(weights, own_loss)
        self.run_heads = None
        return True

    def _use_unjudged(self, weights: Weights) -> bool:
        """With a history too short to judge, the newer model is used, but not against a person's choice."""
        if self._store.chosen:
            log.warning("a shared model is not used: too little history to judge it against the one chosen by hand")
            return False
        return self._use(weights)

    def _fit(
        self,
        weights: Weights,
        series: Series,
        training: np.ndarray,
        config: LearningConfig,
        steps: int,
        rate: float,
        server_round: int,
    ) -> tuple[Weights, float]:
        with _TRAINING:
            trainer = self._warm_trainer(config.dropout, config.proximal_mu)
            seed = config.seed + 1000 * server_round
            return trainer.train(weights, [(series, training)], steps, config.batch_size, rate, seed)

    def _series(self, days: int) -> Series:
        return Series(to_slots(self._history(days * MINUTES_PER_DAY), self._slot_minutes))

    def _check_quality(self, slots: SlotMeans) -> None:
        interval = timedelta(minutes=self._slot_minutes)
        start = datetime.fromtimestamp(slots.first_slot * interval.total_seconds(), UTC)
        found = examine(Recording(Path(self._id), start, interval, slots.load_kw, slots.pv_kw), None, None)
        if found.verdict == "poor":
            raise TrainError(
                f"the readings are too poor to train with the others: load of nothing in {found.zero_share:.0%}, "
                f"stuck at one value in {found.flat_share:.0%} of the slots; check the meter"
            )

    def _warm_trainer(self, dropout: float, proximal_mu: float) -> Trainer:
        return _warm_trainer(self._horizon, dropout, proximal_mu)


@lru_cache(maxsize=2)
def _warm_trainer(horizon: int, dropout: float, proximal_mu: float) -> Trainer:
    """One traced model for all learners of a process: tracing costs a second, and a process may hold many."""
    from building_clients.model import Trainer

    return Trainer(horizon, dropout, proximal_mu)


def _private(start: Weights, trained: Weights, config: LearningConfig) -> Weights:
    """What the building sends: its update clipped, and with local privacy hidden in noise that nobody can repeat."""
    update = clipped([new - old for new, old in zip(trained, start, strict=True)], config.clip_norm)
    if config.privacy == "local":
        update = with_noise(update, config.noise_multiplier * config.clip_norm, np.random.default_rng())
    return [old + change for old, change in zip(start, update, strict=True)]


def split(series: Series, batch_size: int, until: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Slots at which training and validation samples end, by time; no training target is a validation input.

    With `until` of the slots before it alone. Raises TrainError when there are too few.
    """
    ends = series.ends(until)
    held_back = min(int(len(ends) * VALIDATION_SHARE), VALIDATION_DAYS * series.slots.per_day)
    training = ends[: max(0, len(ends) - held_back - series.slots.per_day)]
    if len(training) < batch_size or not held_back:
        raise TrainError(f"{len(ends)} windows are too few to train and validate; wait for more history")
    return training, ends[len(ends) - held_back :]
