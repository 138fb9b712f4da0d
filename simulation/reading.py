"""The measurement of one simulated minute in one building."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from simulation.settings import Settings, UtcDatetime

Kilowatts = Annotated[float, Field(ge=-1e6, le=1e6)]


class Origin(StrEnum):
    """Where a reading comes from; every reading says so, so that made-up data is never taken for measured."""

    SIMULATED = "simulated"
    """Made by the simulator."""
    RECORDED = "recorded"
    """Replayed from a recording."""
    MEASURED = "measured"
    """From a live meter."""


class Remark(StrEnum):
    """What else one should know about a reading; follows the origin after a plus sign."""

    SPREAD = "spread"
    """Energy of a longer interval, spread evenly over its minutes."""
    LATE = "late"
    """Reached the building more than five minutes after its minute."""
    SUSPECT = "suspect"
    """Something outside what is physically possible was cut off."""


QUALITY = rf"^({'|'.join(Origin)})(\+({'|'.join(Remark)}))*$"
"""What `quality` looks like: `simulated`, `recorded+spread`, `measured+late+suspect`."""


class Reading(Settings):
    """Mean powers over one minute; `grid_kw = load_kw - pv_kw + battery_kw`, `net_flow_kw = pv_kw - load_kw`."""

    building_id: str = Field(min_length=1, max_length=32)
    """Id of the building in the scenario."""
    seq: int = Field(ge=0)
    """Row number in the building's own CSV, from 0, without gaps."""
    timestamp: UtcDatetime
    """Start of the minute, simulated UTC."""
    load_kw: Annotated[float, Field(ge=0, le=1e6)]
    """Consumption [kW]"""
    pv_kw: Annotated[float, Field(ge=0, le=1e6)]
    """Solar generation [kW]"""
    battery_kw: Kilowatts
    """Battery power, > 0 charges [kW]"""
    soc: Annotated[float, Field(ge=0, le=1)] | None
    """State of charge after the minute [1]; None when there is no battery."""
    grid_kw: Kilowatts
    """Exchange with the grid, > 0 imports [kW]"""
    net_flow_kw: Kilowatts
    """Surplus before the battery, > 0 surplus [kW]"""
    quality: Annotated[str, Field(pattern=QUALITY)] = Origin.SIMULATED.value
    """Origin, and remarks after plus signs."""


def with_remark(quality: str, remark: Remark) -> str:
    """`quality` with one more remark."""
    return quality if remark in quality.split("+") else f"{quality}+{remark}"
