"""The market's books: what a member has, and how money and energy move."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass

from web3 import Web3

from contracts.audit_report import Difference
from contracts.deployment import UTILITY
from contracts.events import KINDS, EnergyTransfer

NOBODY = "0x" + "0" * 40
RING_SLOTS = 128
"""Slots that have a place of their own in the contract's storage."""


@dataclass
class MemberBooks:
    """One member, as the events leave it."""

    owner: str = NOBODY
    meter: str = NOBODY
    active: bool = False
    capacity_wh: int = 0
    escrow: int = 0
    debt: int = 0
    claim: int = 0
    traded_wh: int = 0
    """Bought less sold [Wh]"""
    import_register_wh: int = 0
    export_register_wh: int = 0
    last_slot: int | None = None
    """Slot of the newest reading, or the one before its registration; None when the events do not tell."""

    @property
    def energy_balance_wh(self) -> int:
        """Signed energy over all slots that are not closed [Wh]"""
        return self.export_register_wh - self.import_register_wh + self.traded_wh


class Books:
    """Everything that the events say about the contract's state; the utility is member 0."""

    def __init__(self) -> None:
        self.members: dict[int, MemberBooks] = defaultdict(MemberBooks)
        self.wallets: dict[str, int] = {}
        self.positions: dict[tuple[int, int], int] = defaultdict(int)
        self.collateral: dict[tuple[int, int], int] = defaultdict(int)
        self.uncollected = [0] * RING_SLOTS
        self.hashes = [0] * RING_SLOTS
        self.total_escrow = 0
        self.trades: list[EnergyTransfer] = []
        self.cancelled: dict[str, int] = {}
        self.models: list[str] = []
        self.tariffs: dict[int, tuple[int, int]] = {}
        self.current_slot: int | None = None
        self.paused = False
        self.settler: str | None = None
        self.closings = 0
        self.contradictions: list[Difference] = []
        self.touched: dict[Hashable, str] = {}
        """Transaction that changed something last."""
        self.events = 0
        self.tx = ""
        """Transaction that is being replayed."""

    def numbers(self) -> list[int]:
        """Members that were registered, in their order."""
        return sorted(number for number, one in self.members.items() if number != UTILITY and one.owner != NOBODY)

    def pay(self, payer: int, payee: int, amount: int) -> None:
        """Money from one escrow to another."""
        self.member(payer).escrow -= amount
        self.member(payee).escrow += amount

    def hold(self, slot: int, number: int, amount: int) -> None:
        """Money from escrow to collateral."""
        self.member(number).escrow -= amount
        self.collateral[slot, number] += amount

    def collect(self, slot: int) -> None:
        """Closing a slot gives the utility what settlements left it in the slot's place."""
        place = slot % RING_SLOTS
        self.members[UTILITY].escrow += self.uncollected[place]
        self.uncollected[place] = 0

    def move(self, slot: int, number: int, energy_wh: int) -> None:
        """Energy into a position; the utility has none."""
        if number != UTILITY:
            self.positions[slot, number] += energy_wh
            self.touched["position", slot, number] = self.tx

    def trade(self, trade: EnergyTransfer) -> None:
        """Energy against money; fee and dust stay in the slot's place."""
        self.trades.append(trade)
        self.pay(trade.buyer, trade.seller, trade.proceeds)
        self.member(trade.buyer).escrow -= trade.cost - trade.proceeds
        self.uncollected[trade.slot % RING_SLOTS] += trade.cost - trade.proceeds
        for number, energy_wh in ((trade.seller, -trade.energy_wh), (trade.buyer, trade.energy_wh)):
            self.members[number].traded_wh += energy_wh
            self.move(trade.slot, number, energy_wh)
        self._hash(trade)

    def _hash(self, trade: EnergyTransfer) -> None:
        """The place's hash grows as the contract's does."""
        place = trade.slot % RING_SLOTS
        kind = KINDS.index(trade.kind)
        words = (
            self.hashes[place],
            trade.slot,
            trade.seller,
            trade.buyer,
            trade.energy_wh,
            trade.price,
            trade.cost,
            kind,
        )
        digest = Web3.keccak(b"".join(word.to_bytes(32, "big") for word in words))
        self.hashes[place] = int.from_bytes(digest[-20:], "big")
        self.touched["place", place] = trade.tx_hash

    def member(self, number: int) -> MemberBooks:
        """A member whose money or master data change."""
        self.touched["member", number] = self.tx
        return self.members[number]
