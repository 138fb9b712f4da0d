"""Who takes part: buildings announce themselves, people join as guests from number 1001."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from eth_utils.address import is_checksum_address, to_checksum_address
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from contracts.member import FIRST_GUEST, Member
from dashboard.hub import tables
from dashboard.hub.bodies import shorten
from dashboard.hub.database import Database
from dashboard.hub.errors import Conflict, Invalid, NotFound

UTILITY = 0
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
BUILDING_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class Members:
    """All members, in memory and on disk. A number keeps its owner for ever."""

    def __init__(self, database: Database, expected: Sequence[str]) -> None:
        self._database = database
        self._expected = tuple(expected)
        self._members: dict[int, Member] = {}
        self._registered_on: dict[int, str | None] = {}
        with database.read() as connection:
            for row in connection.execute(select(tables.members)):
                self._members[row.number] = Member.model_validate_json(row.payload)
                self._registered_on[row.number] = row.registered_on

    def all(self) -> list[Member]:
        """All members by number."""
        return [self._members[number] for number in sorted(self._members)]

    def get(self, number: int) -> Member:
        """One member. Raises NotFound."""
        if number not in self._members:
            known = ", ".join(str(known) for known in sorted(self._members)) or "none yet"
            raise NotFound(f"no member {number}; known: {known}")
        return self._members[number]

    def of_building(self, building_id: str) -> Member | None:
        """The member that is this building; None before it joined."""
        return next((member for member in self._members.values() if member.building_id == building_id), None)

    def building_ids(self) -> list[str]:
        """Expected buildings first, then those that joined besides."""
        joined = [member.building_id for member in self.all() if member.number < FIRST_GUEST]
        return [*self._expected, *(name for name in joined if name not in self._expected)]

    def number_of(self, building_id: str) -> int | None:
        """Number of a building: the one it joined with, or its place in the scenario."""
        member = self.of_building(building_id)
        if member is not None:
            return member.number
        return self._expected.index(building_id) + 1 if building_id in self._expected else None

    def name_of(self, number: int) -> str:
        """Name for people; the utility is number 0."""
        if number == UTILITY:
            return "Utility"
        member = self._members.get(number)
        return (member.name or member.building_id) if member else f"Member {number}"

    def join(self, member: Member) -> Member:
        """A building announces itself; again with the same owner updates it. Raises Invalid or Conflict."""
        member = member.model_copy(update=_checksummed(member))
        with self._database.lock:
            self._check(member)
            self._store(member)
        return member

    def join_guest(self, owner: str, name: str) -> Member:
        """The guest with this wallet, new or known. Raises Invalid when the address is none."""
        address = checksum_address("owner", owner)
        with self._database.lock:
            known = next((member for member in self._members.values() if member.owner == address), None)
            if known is not None:
                return known
            number = max([FIRST_GUEST - 1, *self._members]) + 1
            guest = Member(
                number=number,
                building_id=f"guest:{number}",
                name=name.strip() or f"Guest {number}",
                owner=address,
            )
            self._store(guest)
        return guest

    def is_registered(self, number: int, contract: str | None) -> bool:
        """Whether the operator registered this member on `contract`."""
        return contract is not None and self._registered_on.get(number) == contract

    def mark_registered(self, number: int, contract: str) -> Member:
        """The operator has registered the member on `contract`. Raises NotFound."""
        member = self.get(number)
        statement = update(tables.members).where(tables.members.c.number == number).values(registered_on=contract)
        with self._database.lock:
            with self._database.write() as connection:
                connection.execute(statement)
            self._registered_on[number] = contract
        return member

    def _check(self, member: Member) -> None:
        if not BUILDING_ID.fullmatch(member.building_id):
            name = shorten(member.building_id)
            raise Invalid(
                f"building_id = {name}: use up to 32 letters, digits, dashes or underscores, as in the scenario"
            )
        if not UTILITY < member.number < FIRST_GUEST:
            raise Invalid(
                f"number = {member.number}: buildings have 1 to {FIRST_GUEST - 1}; "
                "a person's wallet joins with POST /api/guests"
            )
        if self.number_of(member.building_id) not in (None, member.number):
            place = self.number_of(member.building_id)
            raise Conflict(
                f"building {member.building_id} has number {place}, not {member.number}; use one scenario everywhere"
            )
        known = self._members.get(member.number)
        if known is not None:
            _check_identity(known, member)
        _check_owner_is_free(self._members.values(), member)

    def _store(self, member: Member) -> None:
        values = {"building_id": member.building_id, "owner": member.owner, "payload": member.model_dump_json()}
        statement = insert(tables.members).values(number=member.number, **values)
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["number"], set_=values))
        self._members[member.number] = member
        self._registered_on.setdefault(member.number, None)


def checksum_address(field: str, value: str) -> str:
    """The EIP-55 form of an address. Raises Invalid naming the field."""
    digits = value[2:]
    one_case = digits in (digits.lower(), digits.upper())
    if not ADDRESS.fullmatch(value) or not (one_case or is_checksum_address(value)):
        raise Invalid(
            f"{field} = {shorten(value)} is not an address; send 0x and 40 hexadecimal digits "
            "(with mixed case its EIP-55 checksum counts)"
        )
    return to_checksum_address(value)


def _checksummed(member: Member) -> dict[str, str | None]:
    meter = None if member.meter is None else checksum_address("meter", member.meter)
    return {"owner": checksum_address("owner", member.owner), "meter": meter}


def _check_identity(known: Member, member: Member) -> None:
    """What the contract binds to a number never changes."""
    for field in ("building_id", "owner", "meter"):
        old, new = getattr(known, field), getattr(member, field)
        if old != new:
            raise Conflict(
                f"member {member.number} has {field} {old}, not {new}; start the building with its own folder and "
                "keys, or give it another number"
            )


def _check_owner_is_free(members: Iterable[Member], member: Member) -> None:
    for other in members:
        if other.owner == member.owner and other.number != member.number:
            raise Conflict(
                f"owner {member.owner} belongs to member {other.number}; every member needs a key of its own"
            )
