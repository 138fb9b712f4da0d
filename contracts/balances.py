"""What the contract holds: balances, meters, tariffs and their sums, as frozen records."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from simulation.settings import Settings


class MemberBalance(Settings):
    """What the contract says about one member."""

    number: int
    """Member number."""
    escrow: int
    """Money in the contract [base units]"""
    free: int
    """What the member may withdraw now: escrow less a reserve for energy that it lacks [base units]"""
    energy_balance_wh: int
    """Signed energy balance over all open slots [Wh]"""
    debt: int
    """Owed to the utility [base units]"""

    @property
    def stored_energy_wh(self) -> int:
        """Positive part of the energy balance [Wh]"""
        return max(0, self.energy_balance_wh)


class MeterState(Settings):
    """What the contract knows of one meter."""

    last_slot: int = Field(ge=0)
    """Slot of the newest reading; before the first one, the slot before registration."""
    sequence: int = Field(ge=0)
    """Sequence of the newest reading."""
    capacity_wh: int = Field(ge=0)
    """The most that may be counted in a slot in each direction; 0 for no meter [Wh]"""
    import_register_wh: int = Field(ge=0)
    """Energy taken from the grid since registration [Wh]"""
    export_register_wh: int = Field(ge=0)
    """Energy given to the grid since registration [Wh]"""

    @classmethod
    def from_chain(cls, answer: Sequence[int]) -> MeterState:
        """From the contract's struct Meter."""
        names = ("last_slot", "sequence", "capacity_wh", "import_register_wh", "export_register_wh")
        return cls(**dict(zip(names, answer[1:], strict=True)))


class Tariff(Settings):
    """What the utility charges and pays in a slot."""

    retail_price: int = Field(gt=0)
    """The utility's price of energy [base units/kWh]"""
    feed_in_price: int = Field(ge=0)
    """What the utility pays for energy [base units/kWh]"""


class Totals(Settings):
    """Sums that show whether anything was lost or made up."""

    token_in_contract: int
    """Payment tokens that the contract holds [base units]"""
    sum_of_escrows: int
    """Escrow of all listed members and the utility, fees that it has not collected, and held collateral [base units]"""
    metered_net_wh: int
    """Exports minus imports of all meters [Wh]"""
    sum_of_balances_wh: int
    """Energy balance of all listed members [Wh]"""
    utility_net_wh: int
    """Bought minus sold by the utility [Wh]"""
    transactions: int
    """Entries in the audit array."""

    @property
    def money_balance(self) -> int:
        """Tokens that nobody owns; 0 when nothing is wrong [base units]"""
        return self.token_in_contract - self.sum_of_escrows

    @property
    def energy_balance_wh(self) -> int:
        """Metered energy that nobody has; 0 when nothing is wrong [Wh]"""
        return self.metered_net_wh - self.sum_of_balances_wh - self.utility_net_wh
