"""The measurement of one simulated minute in one building."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulation.settings import Settings, UtcDatetime

Kilowatts = Annotated[float, Field(ge=-1e6, le=1e6)]


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
