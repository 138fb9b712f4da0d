"""The model's members, money, clock and tariffs: what Members.sol and MarketClock.sol hold.

Each call stands for the one of the account that may make it: whoever lacks the right is refused on a chain.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.balances import MemberBalance, MeterState, Tariff
from contracts.settlement_rules import MOST_MONEY, RING_SLOTS, UTILITY, Account, MarketRules, Refused
from contracts.units import cost_rounded_up

TARIFF_NOTICE = 2
"""A tariff is posted at least so many slots ahead [1]"""


class MembersModel:
    """A market that is opened with `rules`, its members and its money."""

    def __init__(self, rules: MarketRules) -> None:
        self.rules = rules
        self._current_slot = rules.first_slot
        self._is_paused = False
        self._accounts: dict[int, Account] = {}
        self._tariffs: dict[int, Tariff] = {}
        self._token_in_contract = 0
        self._utility_escrow = 0
        self._utility_net_wh = 0
        self._settled_slot = [-1] * RING_SLOTS
        self._owed = [0] * RING_SLOTS

    # ---- members

    def register(self, number: int, capacity_wh: int, has_meter: bool = True) -> None:
        """Register a member whose connection carries `capacity_wh` a slot [Wh]. Nothing happens when it already is."""
        if number == UTILITY:
            raise Refused("AlreadyRegistered")
        wh = capacity_wh if has_meter else 0
        self._accounts.setdefault(number, Account(number, has_meter, wh, self._current_slot - 1))

    def is_registered(self, number: int) -> bool:
        """Whether the market knows the member."""
        return number == UTILITY or number in self._accounts

    def set_active(self, number: int, is_active: bool) -> None:
        """Take a member out of trade and metering, or back."""
        self._account(number).is_active = is_active

    def meter(self, number: int) -> MeterState:
        """What the market knows of a member's meter; capacity 0 when it has none."""
        account = self._accounts.get(number)
        if account is None or not account.has_meter:
            return MeterState(last_slot=0, sequence=0, capacity_wh=0, import_register_wh=0, export_register_wh=0)
        return MeterState(
            last_slot=account.last_slot,
            sequence=account.sequence,
            capacity_wh=account.capacity_wh if account.is_active else 0,
            import_register_wh=account.import_register_wh,
            export_register_wh=account.export_register_wh,
        )

    # ---- money

    def fund(self, number: int, amount: int) -> None:
        """Deposit new money into a member's escrow, or the utility's; a debt is repaid first [base units]"""
        if self._is_paused:
            raise Refused("MarketPaused")
        if amount > MOST_MONEY - self._token_in_contract:
            raise Refused("TooLarge")
        if number == UTILITY:
            self._utility_escrow += amount
        else:
            self._credit(self._account(number), amount)
        self._token_in_contract += amount

    def withdraw(self, number: int, amount: int) -> None:
        """Take out of the free funds [base units]"""
        if not self.is_registered(number):
            raise Refused("NotOwner")
        if self.balance(number).free < amount:
            raise Refused("InsufficientEscrow")
        if number == UTILITY:
            self._utility_escrow -= amount
        else:
            self._accounts[number].escrow -= amount
        self._token_in_contract -= amount

    def pay_claim(self, number: int) -> None:
        """Pay a member what the utility could not pay before, as far as it can now."""
        account = self._accounts.get(number)
        if account is None:
            return
        amount = min(account.claim, self._utility_escrow)
        account.claim -= amount
        self._utility_escrow -= amount
        self._credit(account, amount)

    def balance(self, number: int) -> MemberBalance:
        """Escrow, debt and energy of a member."""
        account = self._accounts.get(number)
        if number == UTILITY:
            escrow, reserve, energy_wh, debt = self._utility_escrow, self.total_claims(), self._utility_net_wh, 0
        elif account is None:
            escrow = reserve = energy_wh = debt = 0
        else:
            escrow, energy_wh, debt = account.escrow, account.energy_balance_wh, account.debt
            reserve = cost_rounded_up(max(0, -energy_wh), self.rules.price_cap)
        free = max(0, escrow - reserve)
        return MemberBalance(number=number, escrow=escrow, free=free, energy_balance_wh=energy_wh, debt=debt)

    def balances(self, numbers: Sequence[int]) -> list[MemberBalance]:
        """The same of several members."""
        return [self.balance(number) for number in numbers]

    def claim(self, number: int) -> int:
        """What the utility still owes to a member [base units]"""
        account = self._accounts.get(number)
        return account.claim if account else 0

    def total_claims(self) -> int:
        """What the utility owes to all members [base units]"""
        return sum(account.claim for account in self._accounts.values())

    def uncollected(self) -> int:
        """Grid fees and dust that no `close_slot` has given to the utility yet [base units]"""
        return sum(self._owed)

    def _account(self, number: int) -> Account:
        account = self._accounts.get(number)
        if account is None:
            raise Refused("UnknownMember")
        return account

    def _credit(self, account: Account, amount: int) -> None:
        if account.debt:
            repaid = min(account.debt, amount)
            account.debt -= repaid
            self._utility_escrow += repaid
            amount -= repaid
        account.escrow += amount

    # ---- clock and tariffs

    def current_slot(self) -> int:
        """Where the market's clock stands."""
        return self._current_slot

    def advance_to(self, slot: int) -> None:
        """Move the market's clock forwards."""
        if slot <= self._current_slot:
            raise Refused("SlotNotInFuture")
        self._current_slot = slot

    def set_paused(self, is_paused: bool) -> None:
        """Stop new deposits, settlements and purchases, or go on."""
        self._is_paused = is_paused

    def tariff(self, slot: int) -> Tariff:
        """The utility's tariff in a slot."""
        return self._tariffs.get(slot, self.rules.tariff)

    def post_tariffs(self, from_slot: int, tariffs: Sequence[Tariff]) -> None:
        """Post the tariffs of `from_slot` and those after it: at least two slots ahead, and once."""
        if from_slot < self._current_slot + TARIFF_NOTICE:
            raise Refused("TariffTooLate")
        for slot, tariff in enumerate(tariffs, start=from_slot):
            if tariff.retail_price > self.rules.price_cap or tariff.feed_in_price > tariff.retail_price:
                raise Refused("TariffTooHigh")
            if slot in self._tariffs:
                raise Refused("TariffTooLate")
        self._tariffs.update(enumerate(tariffs, start=from_slot))

    def _is_window_over(self, slot: int) -> bool:
        return self._current_slot > slot + self.rules.settlement_window_slots
