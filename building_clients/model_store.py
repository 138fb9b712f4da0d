"""The weights that a building forecasts with, kept in its folder: whole or not at all, and checked when read."""

from __future__ import annotations

import io
import logging
import zipfile
from pathlib import Path

import numpy as np

from building_clients.architecture import Weights, check_weights, model_hash
from simulation.files import write_atomically

log = logging.getLogger(__name__)


class ModelStore:
    """One set of weights with a version; in memory only when there is no folder."""

    def __init__(self, folder: Path | None, horizon: int) -> None:
        self._file = None if folder is None else folder / "model.npz"
        self._horizon = horizon
        self.weights: Weights | None = None
        """What forecasts; None before anything was adopted."""
        self.version = 0
        """How many times weights were adopted."""
        self._load()

    def keep(self, weights: Weights) -> None:
        """Forecast with these from now on."""
        if self._file is not None:
            buffer = io.BytesIO()
            np.savez(buffer, np.array(self.version + 1), np.array(model_hash(weights)), *weights)
            write_atomically(self._file, buffer.getvalue())
        self.weights = weights
        self.version += 1

    def _load(self) -> None:
        if self._file is None or not self._file.exists():
            return
        try:
            with np.load(io.BytesIO(self._file.read_bytes()), allow_pickle=False) as stored:
                version, known_hash = int(stored["arr_0"]), str(stored["arr_1"])
                weights = [stored[f"arr_{index}"] for index in range(2, len(stored.files))]
            check_weights(weights, self._horizon)
            if model_hash(weights) != known_hash:
                raise ValueError("the weights do not match their hash")
        except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("%s is damaged (%s); the seasonal base forecasts until the next round", self._file, error)
            return
        self.weights, self.version = weights, version
