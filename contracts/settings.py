"""Typed scenario sections of the market: chain and tariffs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulation.settings import Settings

ONE_PRICE = ("uniform", "mid_market_rate", "supply_demand_ratio")
"""Mechanisms that a live market may use."""
PRICE_PER_PAIR = ("pay_as_bid", "mid_price")
"""Mechanisms for the what-if alone (`./microgrid clear`)."""

HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+(:\d+)?(/.*)?$")]


class Sending(Settings):
    """How patiently transactions are sent."""

    confirmations: int = Field(default=0, ge=0, le=64)
    """Blocks that must follow the one with a transaction before it counts: the depth of reorganisations [1]"""
    receipt_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """How long a transaction may wait for its block until it is sent again with a higher fee [s]"""
    resends: int = Field(default=3, ge=0, le=20)
    """How often it is sent again before the sender gives up [1]"""


class ChainConfig(Sending):
    """The Ethereum node that settles."""

    rpc_url: HttpUrl = "http://127.0.0.1:8545"
    """JSON-RPC address; `./microgrid chain` listens here when it is a loopback address."""
    chain_id: int = Field(default=31337, gt=0)
    """Expected chain id; another one at `rpc_url` is refused."""
    contract_address: str | None = Field(default=None, pattern=r"^0x[0-9a-fA-F]{40}$")
    """Pins the SmartMicrogrid contract; by default the operator deploys one and the hub announces it."""

    token_address: str | None = Field(default=None, pattern=r"^0x[0-9a-fA-F]{40}$")
    """ERC-20 token with six decimals in which a new market pays; by default a test token is deployed with it."""

    @property
    def sending(self) -> Sending:
        """The part that a Sender needs."""
        return Sending(confirmations=self.confirmations, receipt_timeout_s=self.receipt_timeout_s, resends=self.resends)


class TariffPeriod(Settings):
    """When the utility charges or pays something else than usual, in local time; it may run past midnight."""

    from_hour: float = Field(ge=0, lt=24)
    """Start [local h]"""
    to_hour: float = Field(gt=0, le=24)
    """End [local h]"""
    days: Literal["all", "weekdays", "weekend"] = "all"
    """On which days."""
    retail_per_kwh: float = Field(gt=0, le=100)
    """What the utility takes for energy then [currency/kWh]"""
    feed_in_per_kwh: float | None = Field(default=None, ge=0, le=100)
    """What it pays then; as usual when left out [currency/kWh]"""


class MarketConfig(Settings):
    """Tariffs and rules of the local market."""

    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    """Shown on the pages; the test token on the development chain stands for it."""
    retail_per_kwh: float = Field(default=0.30, gt=0, le=100)
    """What the utility takes for energy [currency/kWh]"""
    feed_in_per_kwh: float = Field(default=0.08, ge=0, le=100)
    """What the utility pays for energy [currency/kWh]"""
    grid_fee_per_kwh: float = Field(default=0.0, ge=0, le=100)
    """Paid by the buyer of local energy to the utility, on top of the price [currency/kWh]"""
    mechanism: str = "uniform"
    """How an auction finds its price: uniform, mid_market_rate or supply_demand_ratio."""
    time_of_use: tuple[TariffPeriod, ...] = ()
    """Periods with other tariffs; the first that fits counts, and outside of all of them the two prices above."""
    price_cap_per_kwh: float = Field(default=1.0, gt=0, le=100)
    """The contract lets the utility never charge more, and keeps back so much escrow per missing kWh [currency/kWh]"""
    settlement_window_slots: int = Field(default=4, ge=1, le=96)
    """Slots after delivery during which energy may still be bought from neighbours [1]"""
    gate_closure_seconds: float = Field(default=60.0, ge=0)
    """Orders for a slot are accepted until this long before it starts [simulated s]"""
    deposit: float = Field(default=100.0, ge=0, le=1_000_000)
    """Test money that a new building puts into escrow on a development chain [currency]"""
    utility_wallet: str | None = Field(default=None, pattern=r"^0x[0-9a-fA-F]{40}$")
    """Wallet that may withdraw the utility's money from the contract; by default nobody can (test money)."""
    standby_operators: tuple[Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")], ...] = ()
    """Wallets of operators that stand by (`./microgrid operator --standby`) and take over when this one is silent"""
    admin_delay_hours: float = Field(default=24.0, ge=0, le=720)
    """How long after its announcement the contract's admin can be replaced [h]"""
    audit_batches: bool = True
    """Whether the contract writes auction and utility trades to its audit array too; each costs 22,000 gas more."""
    open_registration: bool = True
    """Whether a person's wallet may join as a guest that only buys (for demonstrations)."""

    @model_validator(mode="after")
    def _tariffs_leave_room(self) -> MarketConfig:
        self._check_tariff("", self.retail_per_kwh, self.feed_in_per_kwh)
        for number, period in enumerate(self.time_of_use, start=1):
            feed_in = self.feed_in_per_kwh if period.feed_in_per_kwh is None else period.feed_in_per_kwh
            self._check_tariff(f"time_of_use period {number}: ", period.retail_per_kwh, feed_in)
        return self

    def _check_tariff(self, where: str, retail: float, feed_in: float) -> None:
        if feed_in >= retail:
            raise ValueError(
                f"{where}feed_in_per_kwh = {feed_in} must be below retail_per_kwh = {retail}: "
                "between them lies what neighbours can gain"
            )
        if retail > self.price_cap_per_kwh:
            raise ValueError(
                f"{where}retail_per_kwh = {retail} is above price_cap_per_kwh = {self.price_cap_per_kwh}; "
                "raise the cap: the contract lets the utility never charge more"
            )
        if feed_in + self.grid_fee_per_kwh >= retail:
            raise ValueError(
                f"{where}grid_fee_per_kwh = {self.grid_fee_per_kwh} leaves neighbours nothing to gain: together with "
                f"feed_in_per_kwh it must stay below retail_per_kwh = {retail}"
            )

    @model_validator(mode="after")
    def _mechanism_can_be_settled(self) -> MarketConfig:
        if self.mechanism in PRICE_PER_PAIR:
            raise ValueError(
                f"mechanism = {self.mechanism!r} gives each pair a price of its own, and the contract settles a slot "
                f"at one price; choose one of {', '.join(ONE_PRICE)} (./microgrid clear FILE --mechanism "
                f"{self.mechanism} shows what it would come to)"
            )
        if self.mechanism not in ONE_PRICE:
            raise ValueError(f"mechanism = {self.mechanism!r} is unknown; choose one of {', '.join(ONE_PRICE)}")
        return self
