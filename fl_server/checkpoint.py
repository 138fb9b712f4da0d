"""A run's state on disk after every round: a killed server goes on where it was, the next run from the last model."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from building_clients.architecture import Weights, check_weights, model_hash
from simulation.errors import MicrogridError
from simulation.files import write_atomically

FILE = "checkpoint.npz"
FORMAT = 1


class CheckpointError(MicrogridError):
    """A checkpoint cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """The federation after a round."""

    rounds_done: int
    """Rounds of the run that are over [1]"""
    of_rounds: int
    """Rounds that the run was to have [1]"""
    weights: Weights
    """The global weights."""
    velocity: Weights | None = None
    """Momentum of the server, if it has any."""
    releases: int = 0
    """Noisy averages that this model descends from: what its differential privacy has cost [1]"""
    ended: bool = False
    """Whether the run is over: the buildings were given these weights, or nobody could train."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write it atomically; the old one stays until the new one is on disk."""
    head = {
        "format": FORMAT,
        "rounds_done": checkpoint.rounds_done,
        "of_rounds": checkpoint.of_rounds,
        "releases": checkpoint.releases,
        "ended": checkpoint.ended,
        "hash": model_hash(checkpoint.weights),
        "arrays": len(checkpoint.weights),
    }
    buffer = io.BytesIO()
    np.savez(buffer, np.array(json.dumps(head)), *checkpoint.weights, *(checkpoint.velocity or []))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FILE, buffer.getvalue())


def load_checkpoint(folder: Path, horizon: int, count: int | None = None) -> Checkpoint | None:
    """The newest checkpoint, or None when there is none. Raises CheckpointError for a damaged or foreign one.

    `count` is how many arrays of the model travel; None for all.
    """
    path = folder / FILE
    if not path.exists():
        return None
    advice = f"move {path} away, or start afresh with --fresh"
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            head = json.loads(str(stored["arr_0"]))
            arrays = [stored[f"arr_{index}"] for index in range(1, len(stored.files))]
        weights, velocity = arrays[: head["arrays"]], arrays[head["arrays"] :]
        if model_hash(weights) != head["hash"]:
            raise ValueError("its weights do not match their hash")
    except (ValueError, OSError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged ({error}); {advice}") from error
    try:
        check_weights(weights, horizon, count)
    except ValueError as error:
        raise CheckpointError(f"{path} is of another model ({error}); {advice}") from error
    done = head["rounds_done"], head["of_rounds"]
    return Checkpoint(*done, weights, velocity or None, head["releases"], head["ended"])
