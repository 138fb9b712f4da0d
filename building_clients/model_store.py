"""The models that a building adopted last, kept in its folder, and which of them is in use.

`models/version-3.npz` is one model. `models/chosen` holds the version that a person went back to; the next adoption
removes it. Only the building's process writes models; the choice may come from another process at any time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from building_clients.architecture import Weights, model_hash
from building_clients.kept_model import KeptModel, ModelError, read_model, write_model
from simulation.files import write_atomically

log = logging.getLogger(__name__)

KEPT = 3
"""Models that a building keeps, the newest ones [1]"""


class ModelStore:
    """The last adopted models; only the newest one, in memory, when there is no folder."""

    def __init__(self, folder: Path | None, horizon: int) -> None:
        self._folder = None if folder is None else folder / "models"
        self._horizon = horizon
        self._lock = threading.RLock()
        if folder is not None and (folder / "model.npz").exists():
            log.warning("%s is of an earlier form and is not used; remove it", folder / "model.npz")
        self._choice = self._read_choice()
        self._in_use = self._load()

    def in_use(self) -> KeptModel | None:
        """What forecasts from now on, also if another process chose it; None before anything was adopted."""
        with self._lock:
            choice = self._read_choice()
            if choice != self._choice:
                self._choice = choice
                self._in_use = self._load()
                log.info("model version %d is in use from now on, by choice", self.version)
            return self._in_use

    @property
    def weights(self) -> Weights | None:
        """Weights of the model in use."""
        kept = self.in_use()
        return None if kept is None else kept.weights

    @property
    def version(self) -> int:
        """Version of the model in use; 0 for none."""
        kept = self.in_use()
        return 0 if kept is None else kept.version

    @property
    def absence(self) -> str:
        """Why there is no model in use, if there is none."""
        return "none of the models kept here can be used" if self.versions() else "no shared model yet"

    @property
    def chosen(self) -> bool:
        """Whether the model in use was chosen by a person and nothing was adopted since."""
        return self.in_use() is not None and self._choice != ""

    def versions(self) -> list[int]:
        """Versions in the folder, newest first, sound or not."""
        files = () if self._folder is None else self._folder.glob("version-*.npz")
        numbers = [file.stem.removeprefix("version-") for file in files]
        return sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)

    def read(self, version: int) -> KeptModel:
        """One kept model. Raises ModelError when its file is damaged."""
        file = self._file(version)
        kept = read_model(file, self._horizon)
        if kept.version != version:
            raise ModelError(f"{file} is damaged (it holds version {kept.version})")
        return kept

    def keep(self, weights: Weights, own_loss: float | None) -> None:
        """Forecast with these from now on, and forget the oldest of more than KEPT."""
        with self._lock:
            kept = KeptModel(
                version=max([self.version, *self.versions()]) + 1,
                hash=model_hash(weights),
                adopted_at=datetime.now(UTC),
                own_loss=own_loss,
                weights=weights,
            )
            if self._folder is not None:
                self._write(kept, self._folder)
            self._in_use, self._choice = kept, ""

    def choose(self, version: int) -> None:
        """Use a kept model, in every process that has this folder, until another is adopted. Raises ModelError."""
        versions = self.versions()
        if self._folder is None or version not in versions:
            known = ", ".join(map(str, versions)) or "none"
            raise ModelError(f"no model version {version} is kept; there are: {known}")
        self.read(version)
        write_atomically(self._folder / "chosen", str(version).encode())

    def older(self) -> int:
        """The newest sound version before the one in use. Raises ModelError when there is none."""
        now = self.version
        found = self._first_sound(version for version in self.versions() if version < now)
        if found is None:
            raise ModelError(f"no model older than version {now} is kept" if now else "no sound model is kept")
        return found.version

    def _file(self, version: int) -> Path:
        assert self._folder is not None
        return self._folder / f"version-{version}.npz"

    def _read_choice(self) -> str:
        """What a person chose, empty for nothing. Asked for several times a second: a few bytes."""
        try:
            return "" if self._folder is None else (self._folder / "chosen").read_text(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def _load(self) -> KeptModel | None:
        """The chosen or newest model; if that is damaged the next older sound one, and a newer one only in need."""
        versions = self.versions()
        newest = max(versions, default=0)
        if self._choice and not self._choice.isdecimal():
            log.warning("%s/chosen is damaged; the newest model is used", self._folder)
        wanted = int(self._choice) if self._choice.isdecimal() else newest
        found = self._first_sound(sorted(versions, key=lambda version: (version > wanted, -version)))
        if found is None and versions:
            log.warning("%s holds no sound model; the seasonal base forecasts until the next round", self._folder)
        elif found is not None and found.version != wanted:
            log.warning("model version %d is used in place of version %d", found.version, wanted)
        return found

    def _first_sound(self, versions: Iterable[int]) -> KeptModel | None:
        for version in versions:
            try:
                return self.read(version)
            except ModelError as error:
                log.warning("%s", error)
        return None

    def _write(self, kept: KeptModel, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_model(self._file(kept.version), kept)
        (folder / "chosen").unlink(missing_ok=True)
        for version in self.versions()[KEPT:]:
            self._file(version).unlink(missing_ok=True)
