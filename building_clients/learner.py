"""Learning and forecasting inside one building: trains on its own readings, forecasts with the shared weights."""

from __future__ import annotations

import io
import logging
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from building_clients.architecture import Weights, check_weights
from building_clients.forecast import Forecast
from building_clients.inference import predict
from building_clients.settings import LearningConfig
from building_clients.windows import (
    VALIDATION_SHARE,
    Series,
    TrainError,
    Windows,
    newest,
    scale_of,
    to_series,
    to_windows,
)
from simulation.files import write_atomically

if TYPE_CHECKING:
    from building_clients.model import Trainer

log = logging.getLogger(__name__)

HISTORY_DAYS = 28
MINUTES_PER_DAY = 1440
MODEL_MIN_DAYS = 2
"""Days of history below which the seasonal base forecasts even when there are weights."""
MODEL_MAX = 100.0
"""The model's forecast must stay within so many times the building's scale [1]"""
History = Callable[[int], pd.DataFrame]
"""Gives the last so many minutes of readings."""
Source = Literal["model", "seasonal"]


@dataclass(frozen=True)
class TrainResult:
    """What leaves the building after training: weights and numbers, no reading."""

    weights: Weights
    """Locally trained weights."""
    num_examples: int
    """Training windows [1]"""
    metrics: dict[str, float]
    """`train_loss`, `loss_before` (incoming model on own validation windows), `loss_after`."""


class Learner:
    """Holds the building's newest weights. Training, adoption and forecasts may come from different threads."""

    def __init__(self, building_id: str, folder: Path | None, history: History, slot_minutes: int) -> None:
        self._id = building_id
        self._file = None if folder is None else folder / "model.npz"
        self._history = history
        self._slot_minutes = slot_minutes
        self._horizon = 24 * 60 // slot_minutes
        self._train_lock = threading.Lock()
        self._trainer: tuple[float, Trainer] | None = None
        self._weights: Weights | None = None
        self.model_version = 0
        """How many times weights were adopted."""
        self._load()

    def train(self, weights: Weights, config: LearningConfig, server_round: int) -> TrainResult:
        """Train from `weights` on the older part of the history. Raises TrainError when that is too short or unfit."""
        check_weights(weights, self._horizon)
        windows = to_windows(series := self._series(), scale_of(series))
        held_back = int(len(windows) * VALIDATION_SHARE)
        training = windows.part(0, max(0, len(windows) - held_back - self._horizon))
        validation = windows.part(len(windows) - held_back, len(windows))
        if len(training) < config.batch_size or not len(validation):
            raise TrainError(f"{len(windows)} windows are too few to train and validate; wait for more history")
        with self._train_lock:
            trainer = self._warm_trainer(config.dropout)
            before = trainer.loss(weights, validation)
            seed = config.seed + 1000 * server_round
            trained, train_loss = trainer.train(
                weights, training, config.local_steps, config.batch_size, config.learning_rate, seed
            )
            after = trainer.loss(trained, validation)
        metrics = {"train_loss": train_loss, "loss_before": before, "loss_after": after}
        return TrainResult(trained, len(training), metrics)

    def adopt(self, weights: Weights) -> None:
        """Forecast with these weights from now on. Raises ValueError for weights of another shape."""
        check_weights(weights, self._horizon)
        if self._file is not None:
            buffer = io.BytesIO()
            version = np.array(self.model_version + 1)
            np.savez(buffer, version, *weights)
            write_atomically(self._file, buffer.getvalue())
        self._weights = weights
        self.model_version += 1

    def forecast(self, now: datetime, slot: int) -> Forecast:
        """Forecast from `slot` on, with what was measured before `now`.

        Without weights or with under two days of history it comes from the seasonal base and says so.
        """
        try:
            series = self._series(now)
        except TrainError as error:
            return self._flat(now, slot, str(error))
        scale_kw = scale_of(series)
        sample = newest(series, scale_kw)
        quantiles, deficit, source = self._predict(series, sample)
        first = series.first_slot + len(series.net_kw)
        return self._record(now, slot, slot - first, quantiles[0] * scale_kw, deficit[0], source)

    def _predict(self, series: Series, sample: Windows) -> tuple[np.ndarray, np.ndarray, Source]:
        weights = self._weights
        if weights is not None and len(series.net_kw) >= MODEL_MIN_DAYS * series.per_day:
            quantiles, deficit = predict(weights, sample)
            if (np.abs(quantiles) < MODEL_MAX).all() and np.isfinite(deficit).all():
                return quantiles, deficit, "model"
            log.warning("model version %d forecasts absurd values; the seasonal base is used", self.model_version)
        quantiles = sample.base[:, :, None] + np.array([-0.5, 0.0, 0.5])
        return quantiles, 1 / (1 + np.exp(-sample.deficit_logit)), "seasonal"

    def _record(
        self, now: datetime, slot: int, skip: int, quantiles_kw: np.ndarray, deficit: np.ndarray, source: Source
    ) -> Forecast:
        """The model forecasts from the first slot without a reading; `skip` slots of that are over or running."""
        index = np.clip(np.arange(self._horizon) + skip, 0, None) % self._horizon
        rows = np.round(quantiles_kw[index].astype(float), 4)
        return Forecast(
            building_id=self._id,
            issued_at=now,
            slot=slot,
            slot_minutes=self._slot_minutes,
            net_flow_kw_p10=tuple(rows[:, 0].tolist()),
            net_flow_kw_p50=tuple(rows[:, 1].tolist()),
            net_flow_kw_p90=tuple(rows[:, 2].tolist()),
            deficit_probability=tuple(np.round(deficit[index].astype(float), 4).tolist()),
            source=source,
            model_version=self.model_version,
        )

    def _flat(self, now: datetime, slot: int, reason: str) -> Forecast:
        """Before the first full day: the mean of what there is, and the deficit as likely as it was."""
        log.warning("forecast from the mean of the readings: %s", reason)
        net = self._readings(now)["net_flow_kw"]
        mean, share = (float(net.mean()), float((net < 0).mean())) if len(net) else (0.0, 0.5)
        quantiles = np.full((self._horizon, 3), mean)
        return self._record(now, slot, 0, quantiles, np.full(self._horizon, share), "seasonal")

    def _series(self, now: datetime | None = None) -> Series:
        return to_series(self._readings(now), self._slot_minutes)

    def _readings(self, now: datetime | None) -> pd.DataFrame:
        readings = self._history(HISTORY_DAYS * MINUTES_PER_DAY)
        return readings if now is None else readings[readings.index <= now - timedelta(minutes=1)]

    def _warm_trainer(self, dropout: float) -> Trainer:
        if self._trainer is None or self._trainer[0] != dropout:
            from building_clients.model import Trainer

            self._trainer = dropout, Trainer(self._horizon, dropout)
        return self._trainer[1]

    def _load(self) -> None:
        if self._file is None or not self._file.exists():
            return
        try:
            with np.load(io.BytesIO(self._file.read_bytes()), allow_pickle=False) as stored:
                weights = [stored[f"arr_{index}"] for index in range(1, len(stored.files))]
                version = int(stored["arr_0"])
            check_weights(weights, self._horizon)
        except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("%s is damaged (%s); the seasonal base forecasts until the next round", self._file, error)
            return
        self._weights, self.model_version = weights, version


def learning_config(values: Mapping[str, object]) -> LearningConfig:
    """Hyper-parameters of a message; keys of Flower's own and of the server are left out."""
    known = {key: value for key, value in values.items() if key in LearningConfig.model_fields}
    return LearningConfig.model_validate(known)
