"""Typed scenario sections of the physical world: site, clock, buildings, replay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Profile = Literal["flat", "family_home", "office", "school", "shop"]


class Settings(BaseModel):
    """Base of every scenario section: frozen, and unknown keys are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def known_timezone(name: str) -> str:
    """`name`, if it is an IANA time zone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as 'Europe/Berlin'") from error
    return name


def _now_if_asked(value: object) -> object:
    return datetime.now(UTC).replace(microsecond=0) if value == "now" else value


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
    timezone: Annotated[str, AfterValidator(known_timezone)] = "Europe/Berlin"
    """IANA time zone in which people at the site live."""
    clear_sky_index: float = Field(default=0.7, ge=0.45, le=1)
    """Mean irradiance over clear-sky irradiance, the climate's cloudiness; 1 for no cloud at all [1]"""
    mean_temperature_c: float | None = Field(default=None, ge=-40, le=40)
    """Mean air temperature [degrees C]; estimated from latitude and altitude when left out."""
    yearly_swing_c: float | None = Field(default=None, ge=0, le=35)
    """Half of the difference between the warmest and the coldest month [degrees C]; estimated when left out."""


class ClockConfig(Settings):
    """Simulated time of the whole community."""

    start: Annotated[UtcDatetime, BeforeValidator(_now_if_asked)] = datetime(2026, 6, 17, 8, 30, tzinfo=UTC)
    """Simulated time at which a new community starts (an offset is required), or "now" for a real site."""
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


Quantity = Literal["load", "solar", "battery", "grid", "soc"]


class MeterField(Settings):
    """Where a quantity stands in a message, and what it takes to be a kW (or a share, for the state of charge)."""

    path: str = Field(pattern=r"^[^.]+(\.[^.]+)*$")
    """Keys from the outside in, joined by points: `inverter.W`."""
    factor: float = 1.0
    """kW per unit of the message: 0.001 for W, -0.001 for W of the other sign; 0.01 for per cent."""


class MeterConfig(Settings):
    """A live meter that publishes JSON over MQTT; see docs/meters.md."""

    broker: str = Field(pattern=r"^mqtts?://[^\s:/@]+(:\d{1,5})?$")
    """mqtt://host:1883, or mqtts:// for TLS."""
    topic: str = Field(min_length=1, max_length=200)
    """Topic to follow; + and # as in MQTT."""
    template: Literal["home_assistant", "sunspec"] = "home_assistant"
    """Names in the messages."""
    fields: dict[Quantity, MeterField] = {}
    """Names that differ from the template's."""
    time: str | None = "time"
    """Path of the time (ISO 8601 with offset, or Unix seconds); a message without it counts on arrival."""
    username: str | None = None
    """Account at the broker."""
    password_file: str | None = None
    """File that holds its password; never the password itself."""
    ca_file: str | None = None
    """Certificate authority of an mqtts:// broker; the system's when left out."""
    max_kw: float = Field(default=100.0, gt=0)
    """What the connection can carry [kW]; a message with more is left out."""


class TradingConfig(Settings):
    """How a building trades, and what its owner allows."""

    strategy: Literal["newsvendor", "truthful", "zero_intelligence", "linear_ramp"] = "newsvendor"
    """How bids are made: best quantity for the forecast's uncertainty, or one of the strategies to compare with"""
    planner: Literal["optimal", "greedy"] = "optimal"
    """Cheapest battery schedule for the next day, or plain self-consumption"""
    reserve_soc: float = Field(default=0.0, ge=0, lt=1)
    """State of charge that plans keep for the owner [1]"""
    min_sell_price_per_kwh: float = Field(default=0.0, ge=0, le=100)
    """Never sell to neighbours below this [currency/kWh]"""
    max_buy_price_per_kwh: float | None = Field(default=None, ge=0, le=100)
    """Never buy from neighbours above this, grid fee included; the retail price when left out [currency/kWh]"""
    paused: bool = False
    """True stops bids and offers; the utility supplies the building"""


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
    inverter_kw: float | None = Field(default=None, gt=0, le=10_000)
    """AC limit of the solar inverter [kW]; the array's power over 1.1 when left out."""
    solar_losses: float = Field(default=0.14, ge=0, lt=1)
    """Soiling, shading, wiring, mismatch and the like; PVWatts' default [1]"""
    battery_capacity_kwh: float = Field(default=0.0, ge=0, le=10_000)
    """Energy between empty and full [kWh]; 0 for no battery."""
    battery_charge_kw: float | None = Field(default=None, gt=0, le=10_000)
    """Charge limit [kW]; half the capacity per hour when left out."""
    battery_discharge_kw: float | None = Field(default=None, gt=0, le=10_000)
    """Discharge limit [kW]; the charge limit when left out."""
    battery_round_trip_efficiency: float = Field(default=0.9, gt=0, le=1)
    """Energy out per energy in over one full cycle [1]"""
    battery_standing_loss: float = Field(default=0.001, ge=0, lt=1)
    """Share of the stored energy that is lost in a day without use [1/d]"""
    battery_min_soc: float = Field(default=0.0, ge=0, le=1)
    """State of charge below which the battery is not discharged [1]"""
    battery_max_soc: float = Field(default=1.0, ge=0, le=1)
    """State of charge above which the battery is not charged [1]"""
    battery_initial_soc: float = Field(default=0.5, ge=0, le=1)
    """State of charge at the very start [1]"""
    connection_kw: float = Field(default=100.0, gt=0, le=10_000)
    """Largest power of the grid connection; the contract counts no more energy in a slot [kW]"""
    trading: TradingConfig = TradingConfig()
    """How it trades."""
    meter: MeterConfig | None = None
    """A live meter in place of the simulator."""
    replay: ReplayOfBuilding = ReplayOfBuilding()
    """Used only when recorded measurements are replayed."""

    @model_validator(mode="after")
    def _battery_is_possible(self) -> BuildingConfig:
        low, high, first = self.battery_min_soc, self.battery_max_soc, self.battery_initial_soc
        if low >= high:
            raise ValueError(f"battery_min_soc = {low:g} must be below battery_max_soc = {high:g}")
        if self.battery_capacity_kwh and not low <= first <= high:
            raise ValueError(f"battery_initial_soc = {first:g} must lie between battery_min_soc and battery_max_soc")
        return self

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
    timezone: Annotated[str, AfterValidator(known_timezone)] = "Etc/GMT+8"
    """Time zone of the naive local timestamps in the files (a fixed offset when clock changes are smeared)."""
    start: UtcDatetime | None = None
    """Recorded time at which the replay starts; by default the first slot at the clock's time of day
    (local to the files) that has `backfill_days` of history before it."""
