"""The forecast of one building: 24 hours of net flow as quantiles, and the probability of a deficit in each slot."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulation.settings import Settings, UtcDatetime

POWER_MAX_KW = 1e6
"""No building's surplus or deficit is larger [kW]"""
Powers = tuple[Annotated[float, Field(ge=-POWER_MAX_KW, le=POWER_MAX_KW)], ...]
Probabilities = tuple[Annotated[float, Field(ge=0, le=1)], ...]


Source = Literal["model", "seasonal"]


class Forecast(Settings):
    """What a building expects, slot by slot. All tuples have the same length."""

    building_id: str = Field(min_length=1, max_length=32)
    """Id of the building."""
    issued_at: UtcDatetime
    """Simulated time at which it was made; nothing later went into it."""
    slot: int = Field(ge=0, lt=2**53)
    """First slot that is forecast."""
    slot_minutes: int = Field(ge=1, le=60)
    """Length of a slot [simulated minutes]"""
    net_flow_kw_p10: Powers
    """Surplus that is exceeded nine times in ten [kW]"""
    net_flow_kw_p50: Powers
    """Median surplus, < 0 deficit [kW]"""
    net_flow_kw_p90: Powers
    """Surplus that is exceeded once in ten times [kW]"""
    deficit_probability: Probabilities
    """Probability that net flow is negative [1]"""
    source: Source
    """Shared LSTM, or the seasonal base alone while the model cannot be used."""
    reason: str = Field(default="", max_length=200)
    """Why the model is not used; empty when it is."""
    model_version: int = Field(default=0, ge=0, lt=2**53)
    """Version of the building's model in use; 0 before it adopted any."""
