"""The contract's rules as plain Python: SmartMicrogrid.sol without a chain and without signatures.

A back-test of years of slots uses it in the place of a Ledger, and a test proves the two equal, step by step. Calls and
records have the ledger's names. Whether something is validly signed is said with it. Left out are changes of owner and
meter, contract wallets, roles, and the chain's own matters (events, hashes over trades, gas). Here: what happens after
the auction (model_auction) to the members (model_members).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from contracts.balances import Totals
from contracts.model_auction import AuctionModel
from contracts.orders import Order, Side, order_tuple
from contracts.settlement_rules import (
    RING_SLOTS,
    UTILITY,
    Account,
    Fault,
    MarketRules,
    ModelOrder,
    Refused,
    Transfer,
)
from contracts.units import cost_rounded_up, proceeds_rounded_down


class MarketModel(AuctionModel):
    """One market without a chain."""

    def __init__(self, rules: MarketRules) -> None:
        super().__init__(rules)
        self._filled_wh: dict[tuple[int, ...], int] = {}

    # ---- the settlement window

    def transfer_energy(self, offer: ModelOrder, buyer: int, energy_wh: int) -> Transfer:
        """Buy delivered energy at the price that its seller signed."""
        taker, giver = self._traders(buyer, offer.order.member)
        fault = self._offer_fault(offer, buyer, energy_wh)
        if fault is not None:
            raise Refused("OfferInvalid", fault)
        order = offer.order
        if min(self.position_wh(giver.number, order.slot), giver.energy_balance_wh) < energy_wh:
            raise Refused("InsufficientEnergy")
        done = self._swap((order.slot, energy_wh, order.limit_price), giver, taker, "offer")
        if not isinstance(done, Transfer):
            raise Refused("InsufficientEscrow") if done == "escrow short" else Refused("OfferInvalid", done)
        self._filled_wh[order_tuple(order)] = self.filled_wh(order) + energy_wh
        self._keep_owed_small(order.slot)
        self._transactions += 1
        return done

    def _traders(self, buyer: int, seller: int) -> tuple[Account, Account]:
        if self._is_paused:
            raise Refused("MarketPaused")
        if buyer != UTILITY and buyer not in self._accounts:
            raise Refused("NotOwner")
        taker, giver = self._account(buyer), self._account(seller)
        if not taker.is_active or not giver.is_active:
            raise Refused("UnknownMember")
        return taker, giver

    def _offer_fault(self, offer: ModelOrder, buyer: int, energy_wh: int) -> Fault | None:
        order = offer.order
        if order.side is not Side.SELL or order.expiry_slot <= order.slot:
            return "not an offer"
        if order.slot >= self._current_slot:
            return "slot not over"
        if order.expiry_slot < self._current_slot or self._is_window_over(order.slot):
            return "expired"
        if order.member == buyer:
            return "self trade"
        if energy_wh == 0:
            return "no energy"
        if order_tuple(order) in self._cancelled:
            return "cancelled"
        if self.filled_wh(order) + energy_wh > order.energy_wh:
            return "over-filled"
        return None if offer.is_signed else "not signed"

    def filled_wh(self, order: Order) -> int:
        """How much of an offer was already bought [Wh]"""
        return self._filled_wh.get(order_tuple(order), 0)

    # ---- after the window

    def close_slot(self, slot: int, numbers: Collection[int]) -> list[Transfer]:
        """Net what members have left of a slot with the utility; nothing happens to those that have nothing."""
        if not self._is_window_over(slot):
            raise Refused("WindowStillOpen")
        self._utility_escrow += self._owed[slot % RING_SLOTS]
        self._owed[slot % RING_SLOTS] = 0
        tariff = self.tariff(slot)
        transfers: list[Transfer] = []
        for account in (self._accounts[number] for number in numbers if number in self._accounts):
            self._credit(account, self._collateral.pop((slot, account.number), 0))
            position_wh = self._positions.get(slot, account.number)
            if position_wh > 0:
                transfers.append(self._sell_to_utility(slot, account, position_wh, tariff.feed_in_price))
            elif position_wh < 0:
                transfers.append(self._buy_from_utility(slot, account, -position_wh, tariff.retail_price))
        self._audit(len(transfers))
        return transfers

    def _sell_to_utility(self, slot: int, account: Account, energy_wh: int, price: int) -> Transfer:
        proceeds = proceeds_rounded_down(energy_wh, price)
        if self._utility_escrow < proceeds:
            account.claim += proceeds
        else:
            self._utility_escrow -= proceeds
            self._credit(account, proceeds)
        self._net(slot, account, -energy_wh)
        return Transfer(slot, account.number, UTILITY, energy_wh, price, proceeds, proceeds, "utility")

    def _buy_from_utility(self, slot: int, account: Account, energy_wh: int, price: int) -> Transfer:
        cost = cost_rounded_up(energy_wh, price)
        paid = min(cost, account.escrow)
        self._utility_escrow += paid
        account.escrow -= paid
        account.debt += cost - paid
        self._net(slot, account, energy_wh)
        return Transfer(slot, UTILITY, account.number, energy_wh, price, cost, cost, "utility")

    def _net(self, slot: int, account: Account, bought_wh: int) -> None:
        self._positions.try_add(slot, account.number, bought_wh)
        account.traded_wh += bought_wh
        self._utility_net_wh -= bought_wh

    def slot_state(self, slot: int) -> Literal["open", "settled", "closed"]:
        """Open until settled; closed when its window is over."""
        if slot >= self._current_slot:
            return "open"
        if self._is_window_over(slot):
            return "closed"
        return "settled" if self._settled_slot[slot % RING_SLOTS] == slot else "open"

    def collateral(self, number: int, slot: int) -> int:
        """Money that is held back for energy which a member sold in a slot and lacked [base units]"""
        return self._collateral.get((slot, number), 0)

    # ---- withdrawing orders

    def cancel_order(self, signed: ModelOrder) -> None:
        """Withdraw an order of one's own; one for a slot that runs is binding."""
        order = signed.order
        if order.member not in self._accounts:
            raise Refused("NotOwner")
        if order.expiry_slot <= order.slot <= self._current_slot:
            raise Refused("OrderBinding")
        self._cancelled.add(order_tuple(order))

    def cancel_through(self, number: int, slot: int) -> None:
        """Withdraw all auction orders of one's own for the slots after the running one and up to `slot`."""
        account = self._accounts.get(number)
        if account is None:
            raise Refused("NotOwner")
        before, current = account.cancelled_through, self._current_slot
        if slot <= current:
            raise Refused("OrderBinding")
        if before < current:
            if before and not self._is_window_over(before):
                raise Refused("CancelledBefore")
            account.cancelled_after = current
        account.cancelled_through = max(slot, before)

    # ---- sums

    def totals(self, numbers: Sequence[int]) -> Totals:
        """The sums over the utility and the given members."""
        balances = self.balances(sorted({UTILITY, *numbers}))
        meters = [self.meter(balance.number) for balance in balances]
        held = self.uncollected() + self.total_collateral()
        return Totals(
            token_in_contract=self._token_in_contract,
            sum_of_escrows=sum(balance.escrow for balance in balances) + held,
            metered_net_wh=sum(meter.export_register_wh - meter.import_register_wh for meter in meters),
            sum_of_balances_wh=sum(balance.energy_balance_wh for balance in balances[1:]),
            utility_net_wh=self._utility_net_wh,
            transactions=self._transactions,
        )

    def total_collateral(self) -> int:
        """Money that is held back of all members [base units]"""
        return sum(self._collateral.values())
