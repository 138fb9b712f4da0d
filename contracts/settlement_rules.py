"""What the Python model of the market is made of: its records, its refusals, and the ring of positions.

Refused     the call as a whole, by the name of the contract's error
LeftOut     one order, fill or reading of a batch, by the word for the contract's fault
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from contracts.balances import Tariff
from contracts.metering import MeterReading
from contracts.orders import Order
from simulation.errors import MicrogridError

if TYPE_CHECKING:  # it imports web3, which a model without a chain has no use for
    from contracts.events import TradeKind

UTILITY = 0
RING_SLOTS, LANES = 128, 7
"""Slots and members that share a word of positions (PositionRing.sol)."""
LARGEST_POSITION_WH = 2**31 - 1
MOST_MONEY, MOST_OWED = 2**96 - 1, 2**72 - 1

Fault = Literal[
    "not signed",
    "not active",
    "limit passed",
    "cancelled",
    "not rising",
    "no such order",
    "no energy",
    "self trade",
    "over-filled",
    "escrow short",
    "collateral short",
    "position full",
    "slot not over",
    "window over",
    "not new",
    "register fell",
    "above capacity",
    "not an offer",
    "expired",
]
"""The words of contracts/events.py."""


class Refused(MicrogridError):
    """The contract would refuse the call and change nothing: `name` is its error, `fault` why an offer is invalid."""

    def __init__(self, name: str, fault: Fault | None = None) -> None:
        self.name = name
        self.fault = fault
        super().__init__(f"the market refuses: {name}" + (f" ({fault})" if fault else ""))


class MarketRules(NamedTuple):
    """What a market is opened with."""

    first_slot: int
    """The slot that runs at first."""
    tariff: Tariff
    """Of slots for which none is posted."""
    price_cap: int
    """The utility can never charge more [base units/kWh]"""
    grid_fee: int = 0
    """Paid by the buyer of local energy on top of the price [base units/kWh]"""
    settlement_window_slots: int = 4
    """Slots after delivery in which energy can be metered, settled and bought [1]"""
    audit_batches: bool = True
    """Whether trades other than offers count in the audit array."""


class ModelOrder(NamedTuple):
    """An order as the model takes it."""

    order: Order
    """What was signed."""
    is_signed: bool = True
    """Whether its member's wallet signed just this."""


class ModelReading(NamedTuple):
    """A reading as the model takes it."""

    reading: MeterReading
    """What was signed."""
    is_signed: bool = True
    """Whether its member's meter signed just this."""


class Transfer(NamedTuple):
    """Energy that changed hands: an EnergyTransfer without its place on a chain."""

    slot: int
    """Slot of the energy."""
    seller: int
    """Member number; 0 is the utility."""
    buyer: int
    """Member number; 0 is the utility."""
    energy_wh: int
    """[Wh]"""
    price: int
    """[base units/kWh]"""
    cost: int
    """Charged to the buyer, rounded up [base units]"""
    proceeds: int
    """Credited to the seller, rounded down [base units]"""
    kind: TradeKind
    """Cleared in the auction, bought as an offer, or netted with the utility."""


class LeftOut(NamedTuple):
    """An order, a fill or a reading that a batch went on without."""

    kind: Literal["order", "fill", "reading"]
    """What it was."""
    slot: int
    """Its slot."""
    who: tuple[int, ...]
    """The member; of a fill, the indexes of its sell and its buy order."""
    fault: Fault
    """Why."""


@dataclass(slots=True)
class Account:
    """All that the market knows of one member."""

    number: int
    """Member number."""
    has_meter: bool
    """False for a guest, who only buys."""
    capacity_wh: int
    """The most that may be counted in a slot in each direction [Wh]"""
    last_slot: int
    """Slot of the newest reading; before the first one, the slot before registration."""
    sequence: int = 0
    """Sequence of the newest reading."""
    import_register_wh: int = 0
    """[Wh]"""
    export_register_wh: int = 0
    """[Wh]"""
    traded_wh: int = 0
    """Bought less sold since registration [Wh]"""
    escrow: int = 0
    """[base units]"""
    debt: int = 0
    """Owed to the utility [base units]"""
    claim: int = 0
    """What the utility could not pay [base units]"""
    is_active: bool = True
    """Whether it may trade and be metered."""
    cancelled_after: int = 0
    """Auction orders for slots after this one ..."""
    cancelled_through: int = 0
    """... and up to this one are void."""

    @property
    def energy_balance_wh(self) -> int:
        """Signed energy over all slots that are not closed for it [Wh]"""
        return self.export_register_wh - self.import_register_wh + self.traded_wh


class PositionRing:
    """Signed energy of members in slots [Wh]; seven members and, in turn, all slots of a place share a word."""

    def __init__(self) -> None:
        self._words: dict[tuple[int, int], list[int]] = {}

    def get(self, slot: int, member: int) -> int:
        """Energy of a member in a slot [Wh]; 0 when the word holds another slot."""
        word = self._words.get((slot % RING_SLOTS, member // LANES))
        return word[member % LANES] if word is not None and word[LANES] == slot else 0

    def try_add(self, slot: int, member: int, energy_wh: int) -> bool:
        """Add to a position. False, and nothing happens, when it does not fit or the word holds an earlier slot."""
        word = self._words.setdefault((slot % RING_SLOTS, member // LANES), [0] * (LANES + 1))
        if word[LANES] != slot:
            if any(word[:LANES]):
                return False
            word[LANES] = slot
        position_wh = word[member % LANES] + energy_wh
        if not -LARGEST_POSITION_WH - 1 <= position_wh <= LARGEST_POSITION_WH:
            return False
        word[member % LANES] = position_wh
        return True

    def try_move(self, slot: int, giver: int, taker: int, energy_wh: int) -> bool:
        """Move energy between two positions of a slot. False, and nothing happens, when one does not take it."""
        if not self.try_add(slot, giver, -energy_wh):
            return False
        if self.try_add(slot, taker, energy_wh):
            return True
        self.try_add(slot, giver, energy_wh)
        return False
