"""Members of the market: buildings with a meter, and guests who only buy."""

from __future__ import annotations

from pydantic import Field

from simulation.settings import Settings

FIRST_GUEST = 1001
"""People's wallets are numbered from here; buildings from 1; 0 is the utility."""
Address = str


class Member(Settings):
    """Who takes part, as announced to the hub and registered on the contract."""

    number: int = Field(ge=1, lt=2**32)
    """Number on the contract."""
    building_id: str = Field(min_length=1, max_length=64)
    """Id in the scenario; a guest's is made from its wallet."""
    name: str = Field(min_length=1, max_length=100)
    """What people call it."""
    owner: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")
    """Wallet that signs orders and holds money."""
    meter: str | None = Field(default=None, pattern=r"^0x[0-9a-fA-F]{40}$")
    """Address of the meter's key; None for a guest."""
    profile: str = Field(default="guest", max_length=32)
    """Shape of the load, for display."""
    peak_solar_kw: float = Field(default=0.0, ge=0)
    """Nominal power of the solar array [kW]"""
    battery_capacity_kwh: float = Field(default=0.0, ge=0)
    """Usable battery energy [kWh]"""
