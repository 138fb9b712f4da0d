"""Typed scenario sections of the physical world: site, clock, buildings, replay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

Profile = Literal["flat", "family_home", "office", "school", "shop"]


class Settings(BaseModel):
    """Base of every scenario section: frozen, and unknown keys are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as 'Europe/Berlin'") from error
    return name


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_to_utc)]


class SiteConfig(Settings):
    """Where the community stands."""

    name: str = "Demo community"
    """Shown on the pages."""
    latitude: float = Field(default=48.14, ge=-90, le=90)
    """[degrees north]"""
    longitude: float = Field(default=11.58, ge=-180, le=180)
    """[degrees east]"""
    altitude_m: float = Field(default=520.0, ge=-430, le=8000)
    """Height above sea level [m]"""
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "Europe/Berlin"
    """IANA time zone in which people at the site live."""


class ClockConfig(Settings):
    """Simulated time of the whole community."""

    start: UtcDatetime = datetime(2026, 6, 17, 8, 30, tzinfo=UTC)
    """Simulated time at which a new community starts (an offset is required)."""
    speed: float = Field(default=60.0, gt=0, le=3600)
    """Simulated seconds per wall second; 1 for a real site."""
    slot_minutes: int = Field(default=15, ge=1, le=60)
    """Length of one market slot [simulated minutes]; must divide 60."""
    seed: int = Field(default=7, ge=0)
    """Seed of weather and load; the same scenario and seed give the same bytes."""

    @model_validator(mode="after")
    def _slot_divides_hour(self) -> ClockConfig:
        if 60 % self.slot_minutes:
            raise ValueError(f"slot_minutes = {self.slot_minutes} must divide 60, for example 15")
        return self


class ReplayOfBuilding(Settings):
    """How one building uses a recorded file when the community replays measurements."""

    file: str | None = None
    """File name inside the replay folder; by default the files are dealt out in sorted order."""
    solar: bool = True
    """False drops the recorded solar, so that the home becomes a pure consumer."""
    battery_capacity_kwh: float = Field(default=0.0, ge=0, le=10_000)
    """Simulated battery next to the recorded home [kWh]; 0 for none."""


class BuildingConfig(Settings):
    """One building: what it consumes, generates and stores."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")
    """Short unique name, used for folders, the hub and the command line."""
    name: str = ""
    """What people call it; the id when empty."""
    profile: Profile = "family_home"
    """Shape of the load."""
    annual_load_kwh: float = Field(default=4000.0, gt=0, le=10_000_000)
    """Electricity used in a year [kWh]"""
    peak_solar_kw: float = Field(default=0.0, ge=0, le=10_000)
    """Nominal power of the solar array [kW]; 0 for none."""
    tilt_deg: float = Field(default=30.0, ge=0, le=90)
    """Tilt of the array from horizontal [degrees]"""
    azimuth_deg: float = Field(default=180.0, ge=0, lt=360)
    """Direction that the array faces, clockwise from north [degrees]"""
    battery_capacity_kwh: float = Field(default=0.0, ge=0, le=10_000)
    """Usable battery energy [kWh]; 0 for none."""
    battery_power_kw: float | None = Field(default=None, gt=0)
    """Charge and discharge limit [kW]; half the capacity per hour when left out."""
    battery_round_trip_efficiency: float = Field(default=0.9, gt=0, le=1)
    """Energy out per energy in over one full cycle [1]"""
    battery_initial_soc: float = Field(default=0.5, ge=0, le=1)
    """State of charge at the very start [1]"""
    replay: ReplayOfBuilding = ReplayOfBuilding()
    """Used only when recorded measurements are replayed."""

    @property
    def label(self) -> str:
        """Name for people: `name`, or the id when no name is given."""
        return self.name or self.id


class HistoryConfig(Settings):
    """What a building knows on its first day."""

    backfill_days: int = Field(default=28, ge=0, le=3650)
    """Days of history written on first start, so that training has data at once [days]"""


class ReplayConfig(Settings):
    """Recorded measurements instead of the simulator."""

    directory: str | None = None
    """Folder of per-building CSV files; `--replay DIR` sets it."""
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "Etc/GMT+8"
    """Time zone of the naive local timestamps in the files (a fixed offset when clock changes are smeared)."""
    start: UtcDatetime | None = None
    """Recorded time at which the replay starts; by default the first slot at the clock's time of day
    (local to the files) that has `backfill_days` of history before it."""
