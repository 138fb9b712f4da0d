"""How to read other people's meter files: which column, which unit, which clock."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from simulation.csv_text import ReplayError
from simulation.settings import Settings, known_timezone

Unit = Literal["kWh", "Wh", "kW", "W", "kWh counter", "Wh counter"]
UNITS: tuple[Unit, ...] = ("kWh", "Wh", "kW", "W", "kWh counter", "Wh counter")
SUFFIX = re.compile(r"[_ (\[](kwh|wh|kw|w)[)\]]?$", re.IGNORECASE)


class ImportMapping(Settings):
    """The same keys in a mapping file and, with dashes, as options of `./microgrid import`."""

    files: str = "*.csv"
    """Which files of the folder are homes, one file each."""
    time: str = "time"
    """Column of the time."""
    time_format: str | None = None
    """Such as "%d.%m.%Y %H:%M"; ISO 8601 when left out."""
    label: Literal["start", "end"] = "start"
    """Whether a time is the start or the end of its interval."""
    timezone: Annotated[str, AfterValidator(known_timezone)] | None = None
    """Zone of times that have no offset; clock changes of the zone are followed."""
    load: str = "load"
    """Column of the load."""
    load_unit: Unit | None = None
    """Unit of the load; known from the column's name when that ends in _kwh, (kW), [W] or the like."""
    solar: str | None = None
    """Column of the solar generation; left out for homes without."""
    solar_unit: Unit | None = None
    """Unit of the solar generation."""
    separator: str = Field(default=",", min_length=1, max_length=1)
    """Between two cells."""
    decimal: Literal[".", ","] = "."
    """Decimal mark."""
    max_kw: float = Field(default=100.0, gt=0)
    """What the home's connection can carry [kW]; more is impossible and becomes a gap, a mean above it is refused."""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    """Where the homes are [degrees north]; needed to find solar generation at night."""
    longitude: float | None = Field(default=None, ge=-180, le=180)
    """The same [degrees east]"""


def load_mapping(path: Path | None, options: dict[str, object]) -> ImportMapping:
    """A mapping file, if any, and options over it. Raises ReplayError naming the key and the fix."""
    try:
        known = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
        return ImportMapping.model_validate(known | {key: value for key, value in options.items() if value is not None})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReplayError(f"{path}: cannot be read as TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key, wrong = ".".join(map(str, first["loc"])), first.get("input")
        known_keys = ", ".join(ImportMapping.model_fields)
        raise ReplayError(f"{key} = {wrong!r}: {first['msg']}; the keys of a mapping are {known_keys}") from error


def unit_of(column: str, unit: Unit | None, option: str) -> Unit:
    """The unit as given, or as the column's name says. Raises ReplayError when neither tells."""
    if unit is not None:
        return unit
    found = SUFFIX.search(column)
    if found is None:
        raise ReplayError(f"the unit of column {column!r} is not known; say it with {option}: {', '.join(UNITS)}")
    return next(name for name in UNITS if name.lower() == found[1].lower())
