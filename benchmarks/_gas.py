"""What settlement costs on chain [gas], each figure that of whole transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account

from benchmarks._street import FIRST_SLOT, PRICE, RING_SLOTS, SOLD_WH, Street, Tick
from contracts.build import compile_sources
from contracts.deployment import abi_of
from contracts.events import EnergyTransfer, MarketEvent
from contracts.metering import SignedMeterReading
from contracts.orders import Side
from contracts.sender import Sender, connect

TOOLS = Path(__file__).parents[1] / ".tools"
NAIVE = "benchmarks/naive/NaiveMarket.sol"
SIZES = (1, 10, 50, 200)
AGGREGATED = 10
"""Sellers and buyers of the aggregated book: each sells to each."""
Fills = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Gas:
    """All that was measured [gas]"""

    per_trade: dict[str, float]
    """By how many trades are in one transaction; each between two members of its own, both signed."""
    per_trade_unmetered: float
    """The same at 200 when the readings come later, so that collateral is held, and the storage was never used."""
    per_reading: float
    """Meter readings in a batch."""
    per_pair: float
    """Pairs of the aggregated book."""
    per_additional_order: float
    """One more seller, and its pair, in an aggregated book."""
    per_member_closed: float
    """Netting one member's position with the utility."""
    audit_entry: float
    """What the audit array adds to a trade."""
    naive_per_trade: float
    """An unsigned, unpaid transfer of a naive registry."""


def measure_gas(rpc_url: str, street: Street, audited: Street, tick: Tick) -> Gas:
    """Settle books of several sizes on a real node. `street` writes no audit array, `audited` does."""
    sizes = [size for size in SIZES if 2 * size <= len(street.owners)]
    tick("gas of trades before their readings")
    first = _Slots(street).settle_pairs(FIRST_SLOT, max(sizes), readings_first=False)
    slots = _Slots(street)
    per_trade: dict[str, float] = {}
    for turn, size in enumerate(sizes, start=2):
        tick(f"gas of {size} trades")
        slot = FIRST_SLOT + turn * 2 * RING_SLOTS
        slots.settle_pairs(slot - RING_SLOTS, size)
        per_trade[str(size)] = slots.settle_pairs(slot, size) / size
    tick("gas of an aggregated book")
    book, larger, pairs = slots.aggregated(FIRST_SLOT + 12 * RING_SLOTS)
    tick("gas of the audit array and of a naive market")
    with_array = _Slots(audited).settle_pairs(FIRST_SLOT, 20)
    without = slots.settle_pairs(FIRST_SLOT + 20 * RING_SLOTS, 20, warm=True)
    return Gas(
        per_trade=per_trade,
        per_trade_unmetered=first / max(sizes),
        per_reading=slots.per_reading,
        per_pair=book / pairs,
        per_additional_order=larger,
        per_member_closed=slots.per_member_closed,
        audit_entry=(with_array - without) / 20,
        naive_per_trade=_naive(rpc_url),
    )


class _Slots:
    """Settles slots of one street and notes what each step costs."""

    def __init__(self, street: Street) -> None:
        self._street = street
        self.per_reading, self._most = 0.0, 0
        self.per_member_closed = 0.0

    def settle_pairs(self, slot: int, size: int, readings_first: bool = True, warm: bool = False) -> int:
        """Gas of settling `size` trades of two members each; with `warm` the storage is used once before."""
        if warm:
            self.settle_pairs(slot - RING_SLOTS, size)
        sellers, buyers = range(size), range(size, 2 * size)
        fills = [(index, index, SOLD_WH) for index in range(size)]
        return self._settle(slot, sellers, buyers, fills, SOLD_WH, readings_first)

    def aggregated(self, slot: int) -> tuple[int, float, int]:
        """Gas of a book in which each sells to each, gas of one more seller with one pair, and the pairs."""
        size = AGGREGATED
        sellers, buyers = range(size), range(size, 2 * size)
        all_pairs = [(sell, buy, SOLD_WH // size) for sell in sellers for buy in range(size)]
        more = range(2 * size, 3 * size)
        wider = [*all_pairs, *((size + index, index, 10) for index in range(size))]
        gas = []
        for turn in range(4):
            members, fills = (sellers, all_pairs) if turn % 2 == 0 else ([*sellers, *more], wider)
            gas.append(self._settle(slot + turn * RING_SLOTS, members, buyers, fills, 2 * SOLD_WH, True))
        return gas[2], (gas[3] - gas[2]) / size, len(all_pairs)

    def _settle(
        self, slot: int, sellers: Sequence[int], buyers: Sequence[int], fills: Fills, wh: int, readings_first: bool
    ) -> int:
        street, ledger = self._street, self._street.ledger
        ledger.advance_to(slot + 1)
        sells = [street.order(index, Side.SELL, slot, wh) for index in sellers]
        buys = [street.order(index, Side.BUY, slot, wh) for index in buyers]
        readings = street.meter(sellers, buyers, slot)
        if readings_first:
            self._submit(readings)
        trades = ledger.settle(slot, PRICE, sells, buys, fills)
        assert len(trades) == len(fills), f"slot {slot}: {len(trades)} of {len(fills)} fills were settled"
        if not readings_first:
            self._submit(readings)
        self._close(slot, [*sellers, *buyers])
        return ledger.gas_used(trades[0].tx_hash)

    def _submit(self, readings: Sequence[SignedMeterReading]) -> None:
        events = self._street.ledger.submit_readings(readings)
        assert {event.name for event in events} == {"EnergyMetered"}, "a reading was refused"
        if len(readings) >= self._most:
            self._most, self.per_reading = len(readings), self._gas(events) / len(readings)

    def _close(self, slot: int, members: Sequence[int]) -> None:
        closed = self._street.close(slot, members)
        if len(members) >= self._most:
            self.per_member_closed = self._gas(closed) / len(closed)

    def _gas(self, events: Sequence[MarketEvent] | Sequence[EnergyTransfer]) -> int:
        """Of all transactions that these come from."""
        return sum(self._street.ledger.gas_used(tx_hash) for tx_hash in {event.tx_hash for event in events})


def _naive(rpc_url: str) -> float:
    """Gas of a transfer in a market without signatures and payment, once its storage is in use."""
    web3 = connect(rpc_url, 31337)
    compiled = compile_sources(TOOLS, {NAIVE: (Path(__file__).parents[1] / NAIVE).read_text(encoding="utf-8")})
    made = compiled[NAIVE]["NaiveMarket"]
    sender = Sender(web3, Account.create(), [abi_of("SmartMicrogrid")])
    factory = web3.eth.contract(abi=made["abi"], bytecode="0x" + made["evm"]["bytecode"]["object"])
    address = sender.send(factory.constructor())["contractAddress"]
    market = web3.eth.contract(address, abi=made["abi"])
    for number in (1, 2):
        sender.send(market.functions.register(number, 10_000))
    receipts = [sender.send(market.functions.transferEnergy(1, 2, 100)) for _ in range(2)]
    return float(receipts[-1]["gasUsed"])
