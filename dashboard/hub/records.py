"""What the hub answers, and what it takes that no other part defines."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from contracts.events import EnergyTransfer
from contracts.member import Member
from contracts.orders import Order
from simulation.reading import Reading
from simulation.settings import Settings, UtcDatetime

SLOT_MAX = 2**53
"""Larger slot indices are not exact in every JSON reader."""
Status = Literal["live", "late", "never"]
FlowState = Literal["surplus", "deficit", "balanced"]
SlotState = Literal["cleared", "settled", "closed"]


class Health(Settings):
    """Answer of a hub that works."""

    status: Literal["ok"] = "ok"
    """Always "ok": a hub that cannot work does not answer."""
    version: str
    """Version of the program."""


class SiteInfo(Settings):
    """What a page needs to know of the community before any building reports."""

    name: str
    """Name of the community."""
    timezone: str
    """IANA time zone of the site."""
    currency: str
    """Currency for which the token stands."""
    slot_minutes: int
    """Length of a market slot [simulated minutes]"""
    retail_per_kwh: float
    """The utility's selling price [currency/kWh]"""
    feed_in_per_kwh: float
    """The utility's buying price [currency/kWh]"""
    expected: tuple[str, ...]
    """Ids of the buildings of the scenario, in the order of their numbers."""


class UpdateResult(Settings):
    """What became of posted readings."""

    accepted: int
    """Readings that were new [1]"""
    duplicates: int
    """Readings that were known already [1]"""
    last_seq: dict[str, int]
    """Highest stored `seq` of each building in the request."""


class Accepted(Settings):
    """What became of posted records."""

    accepted: int
    """Records that were new [1]"""
    duplicates: int
    """Records that were known already [1]"""


class NextSlot(Settings):
    """What a building expects of the next market slot."""

    slot: int
    """The slot that starts next."""
    net_flow_kw_p50: float
    """Median expected surplus before the battery, < 0 deficit [kW]"""
    deficit_probability: float
    """Probability that the building needs more than it generates [1]"""
    source: str
    """"model" or "seasonal"."""


class BuildingState(Settings):
    """One building as it is now."""

    id: str
    """Id in the scenario."""
    name: str
    """Name for people."""
    profile: str | None
    """Shape of the load; None before the building joined."""
    member_number: int | None
    """Number on the contract."""
    owner: str | None
    """Address of the wallet; None before the building joined."""
    peak_solar_kw: float | None
    """Nominal power of the solar array [kW]; None before the building joined."""
    battery_capacity_kwh: float | None
    """Usable battery energy [kWh]; None before the building joined."""
    reading: Reading | None
    """The newest reading; None before the first."""
    seen_at: UtcDatetime | None
    """Wall time at which the newest readings arrived; None before the first."""
    status: Status
    """Whether readings arrive."""
    state: FlowState | None
    """Whether the building gives to or takes from the grid; None before the first reading."""
    readings_received: int
    """Different readings stored [1]"""
    last_seq: int | None
    """Highest stored `seq`: a building goes on after it; None before the first."""
    forecast: NextSlot | None
    """What it expects of the next slot; None when it sent no forecast that covers it."""


class MemberEntry(Member):
    """A member and whether the contract knows it."""

    registered: bool
    """The operator has registered it on the current contract."""


class GuestRequest(Settings):
    """A person's wallet asks to join."""

    owner: str
    """Address of the wallet (0x and 40 hexadecimal digits)."""
    name: str = Field(default="", max_length=64)
    """Shown in the list of trades."""


class OrderReceipt(Settings):
    """An order was taken."""

    order_hash: str
    """EIP-712 digest of the order."""


class OrderEntry(Settings):
    """A stored order of the auction of one slot."""

    order_hash: str
    """EIP-712 digest of the order."""
    order: Order
    """The order."""
    signature: str
    """Signature of its member's owner."""
    status: Literal["open", "replaced"]
    """"replaced" when the member sent a later one for the same slot."""


class OfferEntry(Settings):
    """A window offer that can still be bought."""

    order_hash: str
    """EIP-712 digest of the offer."""
    order: Order
    """The offer."""
    signature: str
    """Signature of the seller's owner."""
    remaining_wh: int
    """Energy that nobody has bought yet [Wh]"""
    seller_name: str
    """Name of the seller for people."""


class SlotReport(Settings):
    """What the operator says of one market slot. A later state replaces an earlier one, never the other way round."""

    slot: int = Field(ge=0, le=SLOT_MAX)
    """Index of the slot."""
    price: int | None = Field(ge=0)
    """Clearing price [base units/kWh]; None when nothing was traded."""
    volume_wh: int = Field(ge=0)
    """Energy that the auction matched [Wh]"""
    orders: int = Field(ge=0)
    """Orders in the book [1]"""
    fills: int = Field(ge=0)
    """Pairs of seller and buyer [1]"""
    supply_wh: int = Field(ge=0)
    """Energy of all sell orders, filled or not [Wh]"""
    demand_wh: int = Field(ge=0)
    """Energy of all buy orders, filled or not [Wh]"""
    bought_wh: dict[int, int]
    """What the auction gave (> 0) to each member that traded, or took from it, by number [Wh]"""
    retail_price: int = Field(ge=0)
    """The utility's price of energy in the slot [base units/kWh]"""
    feed_in_price: int = Field(ge=0)
    """What the utility pays in the slot [base units/kWh]"""
    state: SlotState
    """How far the slot is."""
    tx_hash: str | None = None
    """Transaction that settled the slot."""


class TradeEntry(EnergyTransfer):
    """An energy transfer with what people want to see next to it."""

    at: UtcDatetime
    """Simulated time at which the hub learned of it."""
    seller_name: str
    """Name of the seller; "Utility" for number 0."""
    buyer_name: str
    """Name of the buyer; "Utility" for number 0."""


class Alert(Settings):
    """Something that a person should look at."""

    level: Literal["info", "warning"]
    """"warning" when something does not work."""
    building_id: str | None
    """The building concerned; None for the community."""
    text: str
    """What is the matter, with the value."""
    since: UtcDatetime
    """Simulated time since when it is so."""


class Summary(Settings):
    """Counters of the whole community."""

    buildings_reporting: int
    """Buildings with at least one reading [1]"""
    readings_received: int
    """Different readings stored [1]"""
    last_seq: dict[str, int]
    """Highest stored `seq` of each reporting building."""
    federated_rounds: int
    """Rounds of federated learning reported [1]"""
    slots_settled: int
    """Slots whose auction was settled on chain [1]"""
    trades: int
    """Energy transfers stored, the utility's included [1]"""


class ContractInterface(Settings):
    """What a wallet page needs to call the contracts."""

    abi: list[dict[str, Any]]
    """ABI entries of the market."""
    token_abi: list[dict[str, Any]]
    """ABI entries of the payment token."""
