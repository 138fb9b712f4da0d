"""One adopted model as a file: weights and record together, whole or not at all, and checked when read.

The file is an .npz, then the 32 bytes of its SHA-256: whatever is damaged is noticed before anything is parsed.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, Field

from building_clients.architecture import Weights, check_weights
from simulation.errors import MicrogridError
from simulation.files import write_atomically
from simulation.settings import Settings, UtcDatetime

DIGEST_BYTES = 32


class ModelError(MicrogridError):
    """A kept model cannot be used; the text names the version or the file."""


class KeptModel(Settings):
    """A model that the building adopted."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    version: int = Field(ge=1)
    """Its number in this building; never given twice."""
    hash: str
    """Identity of the weights as used here; when they were fitted it is not that of the released model."""
    adopted_at: UtcDatetime
    """When it was adopted, on the clock of the wall, not of the simulation."""
    own_loss: float | None = Field(allow_inf_nan=True)
    """Loss on the building's own validation windows when it was adopted [1]; None when the history was too short."""
    weights: Weights = Field(exclude=True, repr=False)
    """What forecasts."""


def write_model(file: Path, kept: KeptModel) -> None:
    """Replace the file."""
    buffer = io.BytesIO()
    np.savez(buffer, *kept.weights, record=np.array(kept.model_dump_json()))
    body = buffer.getvalue()
    write_atomically(file, body + hashlib.sha256(body).digest())


def read_model(file: Path, horizon: int) -> KeptModel:
    """The model of a file, for `horizon` slots. Raises ModelError when it is damaged or of another form."""
    try:
        kept = _decoded(file.read_bytes())
        check_weights(kept.weights, horizon)
    except (ValueError, OSError) as error:
        raise ModelError(f"{file} cannot be used ({error})") from error
    return kept


def _decoded(content: bytes) -> KeptModel:
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("its checksum is wrong")
    with np.load(io.BytesIO(body), allow_pickle=False) as stored:
        weights = [stored[f"arr_{index}"] for index in range(len(stored.files) - 1)]
        return KeptModel(**json.loads(str(stored["record"])), weights=weights)
