"""What an audit of the ledger found, as frozen records."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, computed_field

from simulation.settings import Settings

Value = int | str | bool
Relation = Literal["equal", "at least", "at most"]
MONEY, ENERGY = "base units", "Wh"


class Difference(Settings):
    """One place where two sources disagree."""

    what: str
    """The quantity or field."""
    member: int | None
    """Whose; None for what belongs to no member."""
    slot: int | None
    """Slot of the energy; None for what belongs to no slot."""
    tx_hash: str | None
    """Transaction that changed it last, as far as the events tell; of a trade, its own."""
    expected: Value | None
    """What the events say; None when they know nothing of it."""
    found: Value | None
    """What the contract or the hub says; None when it is missing there."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def by(self) -> int | None:
        """Found less expected, of numbers."""
        if type(self.expected) is not int or type(self.found) is not int:
            return None
        return self.found - self.expected


class Check(Settings):
    """All comparisons of one kind."""

    name: str
    """What was compared."""
    unit: str
    """Of `expected` and `found`: money and energy are sums, anything else is counted."""
    compared: int
    """Comparisons made [1]"""
    relation: Relation = "equal"
    """What is found must be so, compared with what is expected."""
    expected: int
    """By the events."""
    found: int
    """By the contract, or by the hub."""
    differences: tuple[Difference, ...]
    """Where they disagree."""
    advice: str
    """What to do when they do."""

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


class AuditReport(Settings):
    """One audit of one market."""

    contract: str
    """Address of SmartMicrogrid."""
    chain_id: int
    """Id of the chain."""
    first_block: int
    """Block from which events were read."""
    last_block: int
    """Newest block that was read."""
    events: int
    """Events that were replayed [1]"""
    members: int
    """Members that were registered [1]"""
    trades: int
    """Transfers of energy, the utility's included [1]"""
    energy_wh: int
    """Energy that changed hands in them [Wh]"""
    total_escrow: int
    """Money of members and utility in the contract, by the events [base units]"""
    surplus: int
    """Tokens that somebody sent to the contract without a deposit: nobody's [base units]"""
    currency: str
    """Name of the money."""
    hub: str | None
    """Hub whose trades were compared; None for none."""
    checks: tuple[Check, ...] = Field(min_length=1)
    """Everything that was compared."""
    notes: tuple[str, ...] = ()
    """What a reader should know: what could not be compared, and why."""

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def ok(self) -> bool:
        """Whether nothing differs anywhere."""
        return all(check.ok for check in self.checks)
