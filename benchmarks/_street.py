"""Many members on one market of a real chain, with their keys, money and meters, for the settlement benchmark."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts.deployment import deploy
from contracts.events import EnergyTransfer
from contracts.ledger import Ledger
from contracts.member import Member
from contracts.metering import MeterReading, SignedMeterReading, sign_reading
from contracts.orders import Order, Side, SignedOrder, sign_order
from contracts.settings import ChainConfig, MarketConfig

FIRST_SLOT = 1_980_000
RING_SLOTS = 128
"""The contract uses a place in storage again after so many slots; the first use of each costs more."""
MONEY = 1_000_000_000
CAPACITY_WH = 50_000
SOLD_WH, DELIVERED_WH, CONSUMED_WH = 1200, 1300, 1100
SELL_LIMIT, BUY_LIMIT, PRICE = 90_000, 290_000, 190_001
Tick = Callable[[str], None]


class Street:
    """Member n + 1 has the keys at index n. The market's clock goes wherever the benchmark wants it."""

    def __init__(self, rpc_url: str, members: int, audit_batches: bool, tick: Tick) -> None:
        self.operator: LocalAccount = Account.create()
        market = MarketConfig(audit_batches=audit_batches)
        deployment = deploy(ChainConfig(rpc_url=rpc_url), market, 15, FIRST_SLOT, self.operator)
        self.ledger = Ledger(deployment, self.operator)
        self.owners = [Account.create() for _ in range(members)]
        self.meters = [Account.create() for _ in range(members)]
        self._registers = [(0, 0)] * members
        self._random = random.Random(7)
        for index in range(members):
            tick(f"registering member {index + 1} of {members}")
            self.ledger.register(self._member(index), CAPACITY_WH)
        tick(f"putting money into {members} escrows")
        self.ledger.fund_many(range(1, members + 1), MONEY)

    def _member(self, index: int) -> Member:
        owner, meter = self.owners[index].address, self.meters[index].address
        return Member(number=index + 1, building_id=f"B{index + 1}", name="x", owner=owner, meter=meter)

    def order(self, index: int, side: Side, slot: int, wh: int = SOLD_WH) -> SignedOrder:
        """A signed auction order of the member at `index`."""
        order = Order(
            member=index + 1,
            slot=slot,
            side=side,
            energy_wh=wh,
            limit_price=SELL_LIMIT if side is Side.SELL else BUY_LIMIT,
            expiry_slot=slot,
            salt=self._random.randrange(2**32),
        )
        return sign_order(order, self.ledger.domain, self.owners[index])

    def reading(self, index: int, slot: int, imported: int, exported: int) -> SignedMeterReading:
        """What the meter at `index` signs after a slot in which so much was imported and exported [Wh]"""
        before = self._registers[index]
        registers = self._registers[index] = (before[0] + imported, before[1] + exported)
        reading = MeterReading(
            member=index + 1,
            slot=slot,
            sequence=slot,
            import_register_wh=registers[0],
            export_register_wh=registers[1],
        )
        return sign_reading(reading, self.ledger.domain, self.meters[index])

    def meter(self, sellers: Sequence[int], buyers: Sequence[int], slot: int) -> list[SignedMeterReading]:
        """Readings of a slot in which sellers exported and buyers imported."""
        sold = [self.reading(index, slot, 0, DELIVERED_WH) for index in sellers]
        return sold + [self.reading(index, slot, CONSUMED_WH, 0) for index in buyers]

    def close(self, slot: int, members: Sequence[int]) -> list[EnergyTransfer]:
        """End the slot's window and net what is left with the utility."""
        window = self.ledger.deployment.settlement_window_slots
        self.ledger.advance_to(max(slot + window + 1, self.ledger.current_slot() + 1))
        return self.ledger.close_slot(slot, [index + 1 for index in members])
