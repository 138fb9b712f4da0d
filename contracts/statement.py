"""A member's statement of account: every change of its money on the contract, from the events alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.books import Books
from contracts.deployment import UTILITY
from contracts.events import EnergyTransfer, MarketEvent, transfers
from contracts.replay import replay

WORDS = {
    "Deposited": "deposit",
    "Withdrawn": "withdrawal",
    "DebtRecorded": "not paid: owed to the utility",
    "DebtRepaid": "debt repaid to the utility",
    "UtilityShort": "not paid: owed by the utility",
    "ClaimPaid": "paid by the utility, which owed it",
    "CollateralHeld": "held back for energy sold ahead of delivery",
    "CollateralReleased": "released",
}


@dataclass(frozen=True)
class Line:
    """One change of the money in escrow."""

    booked_slot: int
    """Slot that ran on the market when it was booked."""
    slot: int | None
    """Slot of the energy; None where there is none."""
    what: str
    """In words."""
    energy_wh: int
    """Bought (> 0) or sold (< 0) [Wh]"""
    price: int | None
    """Without grid fee [base units/kWh]"""
    grid_fee: int
    """What a buyer paid on top of the price, fractions of a base unit included; it is in the amount [base units]"""
    amount: int
    """Into escrow (> 0) or out of it [base units]"""
    balance: int
    """In escrow afterwards [base units]"""
    tx_hash: str
    """Transaction that booked it."""


@dataclass(frozen=True)
class Statement:
    """All lines between two balances."""

    member: int
    """Member number."""
    opening: int
    """In escrow before the first line [base units]"""
    lines: Sequence[Line]
    """In the order of the chain."""
    closing: int
    """In escrow after the last line: opening and all amounts [base units]"""
    imported_wh: int
    """Metered in the booked slots [Wh]"""
    exported_wh: int
    """Metered in the booked slots [Wh]"""
    debt: int
    """What the member owes the utility at the end [base units]"""
    claim: int
    """What the utility owes the member at the end [base units]"""
    held: int
    """Held back of its money at the end [base units]"""


def statement_of(events: Iterable[MarketEvent], member: int, first_slot: int, last_slot: int) -> Statement:
    """Everything that was booked for `member` while the market's clock stood at `first_slot` to `last_slot`."""
    books, lines, opening, imported_wh, exported_wh = Books(), [], 0, 0, 0
    known = list(events)
    at_start = next((event.values["slot"] - 1 for event in known if event.name == "SlotAdvanced"), first_slot)
    for event in known:
        one = books.members[member]
        escrow, registers = one.escrow, (one.import_register_wh, one.export_register_wh)
        replay(books, [event])
        booked = at_start if books.current_slot is None else books.current_slot
        if booked > last_slot:
            break
        if booked < first_slot:
            opening = one.escrow
            continue
        imported_wh += one.import_register_wh - registers[0]
        exported_wh += one.export_register_wh - registers[1]
        if one.escrow != escrow:
            lines.append(_line(event, member, booked, one.escrow - escrow, one.escrow))
    one = books.members[member]
    closing = lines[-1].balance if lines else opening
    held = sum(amount for (_, number), amount in books.collateral.items() if number == member)
    return Statement(member, opening, tuple(lines), closing, imported_wh, exported_wh, one.debt, one.claim, held)


def _line(event: MarketEvent, member: int, booked: int, amount: int, balance: int) -> Line:
    if event.name == "EnergyTransferred":
        trade = transfers([event])[0]
        energy_wh = trade.energy_wh if trade.buyer == member else -trade.energy_wh
        fee = trade.cost - trade.proceeds if trade.buyer == member and trade.seller != UTILITY else 0
        what = _trade(trade, member)
        return Line(booked, trade.slot, what, energy_wh, trade.price, fee, amount, balance, event.tx_hash)
    slot: Any = event.values.get("slot")
    return Line(booked, slot, WORDS.get(event.name, event.name), 0, None, 0, amount, balance, event.tx_hash)


def _trade(trade: EnergyTransfer, member: int) -> str:
    bought = trade.buyer == member
    other = trade.seller if bought else trade.buyer
    partner = "the utility" if other == UTILITY else f"member {other}"
    where = {"auction": " in the auction", "offer": " by offer", "utility": ""}[trade.kind]
    return f"{'bought from' if bought else 'sold to'} {partner}{where}"
