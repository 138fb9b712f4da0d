"""What to ask the contract, and what its events let expect as an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.audit_report import ENERGY, MONEY, Difference, Relation, Value
from contracts.books import NOBODY, RING_SLOTS, Books
from contracts.deployment import UTILITY
from contracts.views import Call

UNITS: Mapping[str, str] = {
    "owners and meters": "members",
    "wallets": "wallets",
    "escrow": MONEY,
    "debt": MONEY,
    "claims on the utility": MONEY,
    "collateral": MONEY,
    "utility's money": MONEY,
    "not collected by the utility": MONEY,
    "total escrow": MONEY,
    "total collateral": MONEY,
    "total claims": MONEY,
    "energy balance": ENERGY,
    "open positions": ENERGY,
    "meter registers": "meters",
    "hashes over trades": "places",
    "audit array": "entries",
    "cancelled orders": "orders",
    "models": "answers",
    "tariffs": "slots",
    "clock and roles": "values",
}
"""The checks in the order in which they are shown, and what each counts."""


@dataclass(frozen=True)
class Question:
    """Something that the contract answers and the events know."""

    check: str
    """Name of the check that it belongs to."""
    calls: tuple[Call, ...]
    """One view; the answers of several are added up."""
    expected: tuple[Value | None, ...]
    """The fields of the answer; None for one that the events do not tell."""
    fields: tuple[str, ...]
    """Their names."""
    relation: Relation = "equal"
    """How the answer relates to what is expected."""
    member: int | None = None
    slot: int | None = None
    tx_hash: str | None = None

    def fits(self, answer: Sequence[Value]) -> bool:
        """Whether the answer is as expected."""
        return not self.differences(answer)

    def differences(self, answer: Sequence[Value]) -> list[Difference]:
        """The fields that are not as expected."""
        return [
            Difference(
                what=what, member=self.member, slot=self.slot, tx_hash=self.tx_hash, expected=expected, found=found
            )
            for what, expected, found in zip(self.fields, self.expected, answer, strict=True)
            if expected is not None and not _holds(self.relation, expected, found)
        ]


def _holds(relation: Relation, expected: Value, found: Value) -> bool:
    if relation == "equal" or isinstance(expected, str) or isinstance(found, str):
        return expected == found
    return found >= expected if relation == "at least" else found <= expected


def questions(books: Books, entries: int, anchored: int, audited: bool) -> Iterator[Question]:
    """Everything that can be compared; the contract has so many audit entries and models, and audits batches or not."""
    yield from _members(books)
    yield from _money(books)
    yield from _energy(books)
    yield from _trades(books, entries, audited)
    yield from _orders_and_models(books, anchored)
    yield from _market(books)


def _one(check: str, view: str, arguments: tuple[Any, ...], expected: Value, **where: Any) -> Question:
    return Question(check, ((view, arguments),), (expected,), (where.pop("what", check),), **where)


def _of(books: Books, number: int) -> dict[str, Any]:
    return {"member": number, "tx_hash": books.touched.get(("member", number))}


def _members(books: Books) -> Iterator[Question]:
    for number in [UTILITY, *books.numbers()]:
        one = books.members[number]
        expected = (one.owner, one.meter, one.active, one.capacity_wh)
        fields = ("owner", "meter", "active", "capacity_wh")
        yield Question("owners and meters", (("buildings", (number,)),), expected, fields, **_of(books, number))
    for wallet, number in books.wallets.items():
        yield _one("wallets", "memberOf", (wallet,), number, what=f"member of {wallet}", **_of(books, number))


def _money(books: Books) -> Iterator[Question]:
    for number in books.numbers():
        one, of = books.members[number], _of(books, number)
        yield _one("escrow", "escrowOf", (number,), one.escrow, **of)
        yield _one("debt", "debtOf", (number,), one.debt, **of)
        yield _one("claims on the utility", "claimOf", (number,), one.claim, what="claim", **of)
    for (slot, number), amount in books.collateral.items():
        yield _one("collateral", "collateralOf", (slot, number), amount, slot=slot, **_of(books, number))
    yield from _sums(books)


def _sums(books: Books) -> Iterator[Question]:
    """`closeSlot` collects for the utility without an event when no position is left, so its two purses are one sum."""
    left = sum(books.uncollected)
    utility, check = books.members[UTILITY].escrow + left, "utility's money"
    calls: tuple[Call, ...] = (("escrowOf", (UTILITY,)), ("uncollected", ()))
    yield Question(check, calls, (utility,), (check,), **_of(books, UTILITY))
    yield _one("not collected by the utility", "uncollected", (), left, relation="at most")
    yield _one("total escrow", "totalEscrow", (), books.total_escrow)
    yield _one("total collateral", "totalCollateral", (), sum(books.collateral.values()))
    yield _one("total claims", "totalClaims", (), sum(one.claim for one in books.members.values()))


def _energy(books: Books) -> Iterator[Question]:
    for number in [UTILITY, *books.numbers()]:
        balance = books.members[number].energy_balance_wh
        yield _one("energy balance", "energyBalance", (number,), balance, **_of(books, number))
    for slot, number in _places(books):
        expected, tx_hash = books.positions.get((slot, number), 0), books.touched.get(("position", slot, number))
        where = {"slot": slot, "member": number, "tx_hash": tx_hash, "what": "position"}
        yield _one("open positions", "positions", (slot, number), expected, **where)
    fields = ("member", "last_slot", "sequence", "capacity_wh", "import_register_wh", "export_register_wh")
    for number in books.numbers():
        one = books.members[number]
        capacity = one.capacity_wh if one.active else 0
        expected_fields = (number, one.last_slot, None, capacity, one.import_register_wh, one.export_register_wh)
        if one.meter != NOBODY:
            call = ("meterOf", (number,))
            yield Question("meter registers", (call,), expected_fields, fields, **_of(books, number))


def _places(books: Books) -> list[tuple[int, int]]:
    """Every member in the slots that storage still holds, and older positions that nobody closed."""
    newest = max((slot for slot, _ in books.positions), default=0)
    slots = {slot for slot, _ in books.positions if slot > newest - RING_SLOTS}
    open_ones = {key for key, energy_wh in books.positions.items() if energy_wh}
    return sorted(open_ones | {(slot, number) for slot in slots for number in books.numbers()})


def _trades(books: Books, entries: int, audited: bool) -> Iterator[Question]:
    for place, value in enumerate(books.hashes):
        tx_hash = books.touched.get(("place", place))
        yield _one("hashes over trades", "tradesHash", (place,), value, what=f"place {place}", tx_hash=tx_hash)
    kept = [trade for trade in books.trades if audited or trade.kind == "offer"]
    yield _one("audit array", "transactionCount", (), len(kept), what="entries")
    names = ("slot", "seller", "buyer", "energy_wh", "cost")
    for index, trade in enumerate(kept[:entries]):
        fields = tuple(f"entry {index}, {name}" for name in names)
        expected = tuple(getattr(trade, name) for name in names)
        where: dict[str, Any] = {"slot": trade.slot, "tx_hash": trade.tx_hash}
        yield Question("audit array", (("transactions", (index,)),), expected, fields, **where)


def _orders_and_models(books: Books, anchored: int) -> Iterator[Question]:
    for order, number in books.cancelled.items():
        where = {"member": number, "tx_hash": books.touched["order", order], "what": f"order {order}"}
        yield _one("cancelled orders", "filledWh", (order,), 2**256 - 1, **where)
    yield _one("models", "modelCount", (), len(books.models), what="models")
    for index, model in enumerate(books.models):
        where = {"tx_hash": books.touched["model", model]}
        yield _one("models", "releaseOf", (model,), index + 1, what=f"release of {model}", **where)
        if index < anchored:
            yield _one("models", "models", (index,), model, what=f"model {index + 1}", **where)


def _market(books: Books) -> Iterator[Question]:
    for slot, expected in books.tariffs.items():
        where: dict[str, Any] = {"slot": slot, "tx_hash": books.touched["tariff", slot]}
        yield Question("tariffs", (("tariffAt", (slot,)),), expected, ("retail price", "feed-in price"), **where)
    if books.current_slot is not None:
        yield _one("clock and roles", "currentSlot", (), books.current_slot, what="running slot")
    yield _one("clock and roles", "paused", (), books.paused, what="paused")
    if books.settler is not None:
        yield _one("clock and roles", "settler", (), books.settler, what="settler")
