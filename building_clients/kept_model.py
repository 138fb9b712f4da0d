"""One adopted model as a file: weights and record together, whole or not at all, and checked when read."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ConfigDict, Field

from building_clients.architecture import Weights, check_weights
from building_clients.sealed_arrays import sealed, unsealed
from simulation.errors import MicrogridError
from simulation.files import write_atomically
from simulation.settings import Settings, UtcDatetime

RECORD = "record"


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
    write_atomically(file, sealed(kept.weights, RECORD, kept.model_dump_json()))


def read_model(file: Path, horizon: int) -> KeptModel:
    """The model of a file, for `horizon` slots. Raises ModelError when it is damaged or of another form."""
    try:
        record, weights = unsealed(file.read_bytes(), RECORD)
        kept = KeptModel(**json.loads(record), weights=weights)
        check_weights(kept.weights, horizon)
    except (ValueError, OSError) as error:
        raise ModelError(f"{file} cannot be used ({error})") from error
    return kept
