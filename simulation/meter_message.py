"""Messages of live meters: JSON with the names of a template, as quantities in kW."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic_core import from_json

from simulation.settings import MeterConfig, MeterField, Quantity

W, PER_CENT = 0.001, 0.01
TEMPLATES: Mapping[str, Mapping[Quantity, MeterField]] = {
    "home_assistant": {
        "load": MeterField(path="load_power", factor=W),
        "solar": MeterField(path="solar_power", factor=W),
        "battery": MeterField(path="battery_power", factor=W),
        "grid": MeterField(path="grid_power", factor=W),
        "soc": MeterField(path="battery_level", factor=PER_CENT),
    },
    "sunspec": {
        "load": MeterField(path="load.W", factor=W),
        "solar": MeterField(path="inverter.W", factor=W),
        "battery": MeterField(path="battery.W", factor=W),
        "grid": MeterField(path="meter.W", factor=W),
        "soc": MeterField(path="battery.SoC", factor=PER_CENT),
    },
}
"""An automation in Home Assistant (docs/meters.md); points of SunSpec's models 103, 203 and 802, grouped by device"""


class MessageError(ValueError):
    """A message cannot be used; the text says why."""


@dataclass(frozen=True)
class Sample:
    """What one message says."""

    moment: datetime
    """When it was measured, wall time, UTC."""
    values: Mapping[Quantity, float]
    """Powers in kW, the state of charge as a share."""


def fields_of(config: MeterConfig) -> dict[Quantity, MeterField]:
    """The template's names, and those of the scenario over them."""
    return {**TEMPLATES[config.template], **config.fields}


def parse(payload: bytes | bytearray, config: MeterConfig, arrived: datetime) -> Sample:
    """What a message says. Raises MessageError when it is no JSON object, or holds nothing that is known."""
    try:
        message = from_json(bytes(payload))  # its depth is limited, whatever else the process has loaded
    except ValueError as error:
        raise MessageError("it is not JSON") from error
    if not isinstance(message, dict):
        raise MessageError("it is not a JSON object")
    found = {name: _number(message, field, config.max_kw) for name, field in fields_of(config).items()}
    values = {name: value for name, value in found.items() if value is not None}
    if not values:
        names = ", ".join(field.path for field in fields_of(config).values())
        raise MessageError(f"it has none of {names}; see docs/meters.md for the names, and building.meter.fields")
    return Sample(_moment(message, config, arrived), values)


def _number(message: Mapping[str, object], field: MeterField, max_kw: float) -> float | None:
    raw = _at(message, field.path)
    if raw is None or raw in ("unknown", "unavailable"):  # what Home Assistant says when it does not know
        return None
    try:
        value = float(raw) * field.factor if isinstance(raw, int | float | str) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MessageError(f"{field.path} = {raw!r} is no number")
    if abs(value) > max_kw:
        wrong = f"{field.path} = {raw!r} is {value:,.0f} kW, over meter.max_kw = {max_kw:g}"
        raise MessageError(f"{wrong}; is its unit right?")
    return value


def _at(message: object, path: str) -> object:
    for key in path.split("."):
        message = message.get(key) if isinstance(message, dict) else None
    return message


def _moment(message: Mapping[str, object], config: MeterConfig, arrived: datetime) -> datetime:
    raw = None if config.time is None else _at(message, config.time)
    if raw is None:
        return arrived
    try:
        if isinstance(raw, int | float):
            return datetime.fromtimestamp(raw, UTC)
        moment = datetime.fromisoformat(str(raw))
    except (ValueError, OverflowError, OSError) as error:
        raise MessageError(f"{config.time} = {raw!r} is no time") from error
    if moment.tzinfo is None:
        raise MessageError(f"{config.time} = {raw!r} has no offset; write it as 2026-06-17T10:30:00+02:00")
    return moment.astimezone(UTC)
