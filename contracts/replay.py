"""The market's books, recomputed from its events alone.

Every event moves amounts by its own values, so that what it says can be added up in any order within a transaction:
`DebtRepaid` comes before the `Deposited` or the trade whose money repays, `UtilityShort` and `DebtRecorded` before the
trade that was not paid in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from contracts.audit_report import Difference
from contracts.books import NOBODY, Books, MemberBooks
from contracts.deployment import UTILITY
from contracts.events import MarketEvent, transfers

Values = Mapping[str, Any]


def replay(books: Books, events: Iterable[MarketEvent]) -> None:
    """Bring the books on."""
    for event in events:
        books.events += 1
        books.tx = event.tx_hash
        if event.name == "EnergyTransferred":
            books.trade(transfers([event])[0])
        elif event.name in HANDLERS:
            HANDLERS[event.name](books, {name: _plain(value) for name, value in event.values.items()})


def _registered(books: Books, values: Values) -> None:
    one = books.member(values["member"])
    one.owner, one.meter, one.active = values["owner"], values["meter"], True
    one.capacity_wh = values["capacityWh"]
    books.wallets[one.owner] = values["member"]
    _first_reading(books, one)


def _first_reading(books: Books, one: MemberBooks) -> None:
    """A member's first meter counts from the slot before the one that runs, which only SlotAdvanced tells."""
    if one.meter != NOBODY and books.current_slot is not None and one.last_slot is None:
        one.last_slot = books.current_slot - 1


def _active(books: Books, values: Values) -> None:
    books.member(values["member"]).active = values["active"]


def _owner(books: Books, values: Values) -> None:
    books.member(values["member"]).owner = values["owner"]
    if values["member"] != UTILITY:
        books.wallets[values["previous"]] = 0
        books.wallets[values["owner"]] = values["member"]


def _meter(books: Books, values: Values) -> None:
    one = books.member(values["member"])
    one.meter, one.capacity_wh = values["meter"], values["capacityWh"]
    if values["previous"] == NOBODY:
        _first_reading(books, one)


def _deposited(books: Books, values: Values) -> None:
    books.member(values["member"]).escrow += values["amount"]
    books.total_escrow += values["amount"]


def _withdrawn(books: Books, values: Values) -> None:
    books.member(values["member"]).escrow -= values["amount"]
    books.total_escrow -= values["amount"]


def _debt_recorded(books: Books, values: Values) -> None:
    books.pay(UTILITY, values["member"], values["amount"])
    books.members[values["member"]].debt += values["amount"]


def _debt_repaid(books: Books, values: Values) -> None:
    books.pay(values["member"], UTILITY, values["amount"])
    books.members[values["member"]].debt -= values["amount"]


def _utility_short(books: Books, values: Values) -> None:
    books.pay(values["member"], UTILITY, values["owed"])
    books.members[values["member"]].claim += values["owed"]


def _claim_paid(books: Books, values: Values) -> None:
    books.pay(UTILITY, values["member"], values["amount"])
    books.members[values["member"]].claim -= values["amount"]


def _held(books: Books, values: Values) -> None:
    books.hold(values["slot"], values["member"], values["amount"])


def _released(books: Books, values: Values) -> None:
    books.hold(values["slot"], values["member"], -values["amount"])
    books.collect(values["slot"])


def _metered(books: Books, values: Values) -> None:
    slot, number = values["slot"], values["member"]
    one = books.member(number)
    one.import_register_wh += values["importedWh"]
    one.export_register_wh += values["exportedWh"]
    one.last_slot = slot
    books.move(slot, number, values["exportedWh"] - values["importedWh"])


def _closed(books: Books, values: Values) -> None:
    slot, number = values["slot"], values["member"]
    books.closings += 1
    books.collect(slot)
    expected = books.positions[slot, number]
    if expected != values["positionWh"]:
        found = values["positionWh"]
        where = {"member": number, "slot": slot, "tx_hash": books.tx}
        books.contradictions.append(Difference(what="position closed", expected=expected, found=found, **where))


def _cancelled(books: Books, values: Values) -> None:
    books.cancelled[values["order"]] = values["member"]
    books.touched["order", values["order"]] = books.tx


def _anchored(books: Books, values: Values) -> None:
    books.models.append(values["model"])
    books.touched["model", values["model"]] = books.tx


def _tariff(books: Books, values: Values) -> None:
    books.tariffs[values["slot"]] = (values["retailPrice"], values["feedInPrice"])
    books.touched["tariff", values["slot"]] = books.tx


def _advanced(books: Books, values: Values) -> None:
    books.current_slot = values["slot"]


def _pause(books: Books, values: Values) -> None:
    books.paused = values["paused"]


def _settler(books: Books, values: Values) -> None:
    books.settler = values["settler"]


def _plain(value: Any) -> Any:
    """Addresses in small letters, as views answer them."""
    return value.lower() if isinstance(value, str) else value


HANDLERS: dict[str, Callable[[Books, Values], None]] = {
    "MemberRegistered": _registered,
    "MemberActive": _active,
    "OwnerChanged": _owner,
    "MeterChanged": _meter,
    "Deposited": _deposited,
    "Withdrawn": _withdrawn,
    "DebtRecorded": _debt_recorded,
    "DebtRepaid": _debt_repaid,
    "UtilityShort": _utility_short,
    "ClaimPaid": _claim_paid,
    "CollateralHeld": _held,
    "CollateralReleased": _released,
    "EnergyMetered": _metered,
    "SlotClosed": _closed,
    "OrderCancelled": _cancelled,
    "ModelAnchored": _anchored,
    "TariffPosted": _tariff,
    "SlotAdvanced": _advanced,
    "PauseChanged": _pause,
    "SettlerChanged": _settler,
}
"""What each event does to the books; `EnergyTransferred` is a record of its own."""

WITHOUT_EFFECT = frozenset(
    "EIP712DomainChanged FillRejected MeterProposed OrderRejected OrdersCancelled OwnerProposed ReadingRejected "
    "SlotEmpty".split()
)
"""Events that change nothing which a view of the contract shows."""
