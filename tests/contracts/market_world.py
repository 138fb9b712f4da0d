"""A fresh market on the shared chain, with members who have keys and money."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts.deployment import deploy
from contracts.ledger import Ledger
from contracts.member import Member
from contracts.metering import MeterReading, SignedMeterReading, sign_reading
from contracts.orders import Order, Side, SignedOrder, sign_order
from contracts.settings import ChainConfig, MarketConfig

FIRST_SLOT = 100
FUNDS = 50_000_000
FEED_IN, RETAIL = 80_000, 300_000
CAPACITY_WH = 1_000_000


@dataclass
class Neighbour:
    """A member with its two keys and its own view of the ledger."""

    number: int
    owner: LocalAccount
    meter: LocalAccount
    ledger: Ledger


class MarketWorld:
    """One deployment; slot 100 is running."""

    def __init__(self, rpc_url: str, members: int, market: MarketConfig | None = None) -> None:
        self.operator: LocalAccount = Account.create()
        rules = market or MarketConfig()
        self.deployment = deploy(ChainConfig(rpc_url=rpc_url), rules, 15, FIRST_SLOT, self.operator)
        self.ledger = Ledger(self.deployment, self.operator)
        self.members = [self._join(number) for number in range(1, members + 1)]
        self._salt = 0
        self._registers: dict[int, tuple[int, int]] = {}

    def _join(self, number: int) -> Neighbour:
        owner, meter = Account.create(), Account.create()
        record = Member(number=number, building_id=f"B{number}", name="x", owner=owner.address, meter=meter.address)
        self.ledger.register(record, CAPACITY_WH)
        ledger = Ledger(self.deployment, owner)
        ledger.fund(number, FUNDS)
        return Neighbour(number, owner, meter, ledger)

    def order(
        self, who: Neighbour, side: Side, wh: int, price: int, slot: int = FIRST_SLOT, expiry: int | None = None
    ) -> SignedOrder:
        """A signed order; an auction order unless `expiry` says otherwise."""
        self._salt += 1
        order = Order(
            member=who.number,
            slot=slot,
            side=side,
            energy_wh=wh,
            limit_price=price,
            expiry_slot=slot if expiry is None else expiry,
            salt=self._salt,
        )
        return sign_order(order, self.ledger.domain, who.owner)

    def reading(self, who: Neighbour, imported: int, exported: int, slot: int = FIRST_SLOT) -> SignedMeterReading:
        """What the meter of `who` signs after a slot in which so much was imported and exported."""
        before = self._registers.get(who.number, (0, 0))
        registers = self._registers[who.number] = (before[0] + imported, before[1] + exported)
        reading = MeterReading(
            member=who.number,
            slot=slot,
            sequence=slot,
            import_register_wh=registers[0],
            export_register_wh=registers[1],
        )
        return sign_reading(reading, self.ledger.domain, who.meter)

    def assert_nothing_is_lost(self) -> None:
        """Energy and money add up to the unit."""
        totals = self.ledger.totals([member.number for member in self.members])
        assert (totals.money_balance, totals.energy_balance_wh) == (0, 0)
