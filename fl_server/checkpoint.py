"""A run's state on disk after every round: a killed server goes on where it was, the next run from the last model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isinf
from pathlib import Path
from typing import Any

import numpy as np

from building_clients.architecture import HEAD, Weights, check_weights
from building_clients.sealed_arrays import sealed, unsealed
from building_clients.settings import LearningConfig
from simulation.errors import MicrogridError
from simulation.files import write_atomically

FILE = "checkpoint.npz"
FORMAT = 2
HEAD_NAME = "head"
FACTS = ("rounds_done", "of_rounds", "privacy_cost", "successful", "run_id", "ended")


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
    privacy_cost: float = 0.0
    """Sum of 1 / noise_multiplier^2 over the rounds that the model descends from; infinite if one had no noise [1]"""
    successful: int = 0
    """Rounds of the run in which at least one building's weights were averaged [1]"""
    run_id: str = ""
    """Flower's id of the run that wrote this."""
    ended: bool = False
    """Whether the run is over: the buildings were given these weights, or nobody could train."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write it atomically; the old one stays until the new one is on disk."""
    head = {name: getattr(checkpoint, name) for name in FACTS}
    head |= {"format": FORMAT, "arrays": len(checkpoint.weights)}
    content = sealed([*checkpoint.weights, *(checkpoint.velocity or [])], HEAD_NAME, json.dumps(head))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FILE, content)


def last_checkpoint(folder: Path, config: LearningConfig, horizon: int) -> Checkpoint | None:
    """That of the last run, if a run with these settings can go on from it; None when there is none.

    Raises CheckpointError for one that is damaged, of another model, or not private enough.
    """
    known = load_checkpoint(folder, horizon, HEAD.start if config.personal_heads else None)
    if known is not None and config.privacy != "none" and isinf(known.privacy_cost):
        raise CheckpointError(
            f'{folder / FILE} is of a model that was trained without noise: privacy = "{config.privacy}" cannot undo '
            f"that; {_advice(folder)}"
        )
    return known


def load_checkpoint(folder: Path, horizon: int, count: int | None = None) -> Checkpoint | None:
    """The newest checkpoint, or None when there is none. Raises CheckpointError for a damaged or foreign one.

    `count` is how many arrays of the model travel; None for all.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        head, arrays = _decoded(path.read_bytes())
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or of an older version ({error}); {_advice(folder)}") from error
    weights, velocity = arrays[: head["arrays"]], arrays[head["arrays"] :]
    try:
        check_weights(weights, horizon, count)
    except ValueError as error:
        raise CheckpointError(f"{path} is of another model ({error}); {_advice(folder)}") from error
    return Checkpoint(weights=weights, velocity=velocity or None, **{name: head[name] for name in FACTS})


def _decoded(content: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    text, arrays = unsealed(content, HEAD_NAME)
    head = json.loads(text)
    if head["format"] != FORMAT:
        raise ValueError(f"its format is {head['format']} instead of {FORMAT}")
    return head, arrays


def _advice(folder: Path) -> str:
    return f"move {folder / FILE} away, or start afresh with ./microgrid train --fresh"
