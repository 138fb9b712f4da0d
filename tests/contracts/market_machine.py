"""What may happen in a market, good and bad, in any order: a state machine that does it to a chain and to the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from contracts.balances import Tariff
from contracts.deployment import UTILITY
from contracts.metering import MeterReading
from contracts.orders import Order, Side
from tests.contracts import market_draws as draws
from tests.contracts.market_draws import OfferDraw, OrderDraw, ReadingDraw, SlotDraw
from tests.contracts.paired_market import (
    GRID_FEE,
    LATE,
    NUMBERS,
    RICH,
    WINDOW,
    PairedMarket,
    PairedOrder,
    PairedReading,
)

Fills = list[tuple[int, int, int]]


class MarketMachine(RuleBasedStateMachine):
    """One market, twice."""

    rpc_url: ClassVar[str] = ""
    """The chain, which whoever runs the machine says."""
    seen: ClassVar[Counter[str]] = Counter()
    """How often what happened, in all markets."""

    def __init__(self) -> None:
        super().__init__()
        self.market = PairedMarket(self.rpc_url)
        self.model = self.market.model
        self.orders: list[PairedOrder] = []
        self.offers: list[PairedOrder] = []
        self.readings: list[PairedReading] = []

    def teardown(self) -> None:
        MarketMachine.seen.update(self.market.seen)
        self.market.assert_sums_agree()

    # ---- slots

    @rule(slots=st.lists(draws.SLOTS, min_size=1, max_size=3))
    def run_slots(self, slots: list[SlotDraw]) -> None:
        """As in a community, so that the rest happens in a market with energy and money on the move."""
        for slot in slots:
            self.market.advance_to(self.model.current_slot() + 1)
            self._submit(slot.readings)
            self._settle(1, slot.price, slot.sells, slot.buys, slot.fills, True)
            for offer, buyer, quarters in slot.offers:
                self._transfer(offer, buyer, quarters)
            self.market.close_slot(self.model.current_slot() - WINDOW - 1, slot.closing)

    @rule(steps=draws.STEPS)
    def advance(self, steps: int) -> None:
        self.market.advance_to(self.model.current_slot() + steps)

    @rule(readings=draws.READINGS)
    def submit_readings(self, readings: list[ReadingDraw]) -> None:
        self._submit(readings)

    @rule(
        slots_ago=draws.SLOTS_AGO,
        price=draws.PRICES,
        sells=draws.ORDERS,
        buys=draws.ORDERS,
        fills=draws.FILLS,
        is_settler=st.booleans(),
    )
    def settle(
        self,
        slots_ago: int,
        price: int,
        sells: list[OrderDraw],
        buys: list[OrderDraw],
        fills: Fills,
        is_settler: bool,
    ) -> None:
        self._settle(slots_ago, price, sells, buys, fills, is_settler)

    @rule(slots_ago=st.sampled_from([3, 3, 3, 4, 5, 129, 131, 2]), numbers=st.lists(draws.ANYBODY, max_size=8))
    def close_slot(self, slots_ago: int, numbers: list[int]) -> None:
        self.market.close_slot(max(0, self.model.current_slot() - slots_ago), numbers)

    @rule(slots_ahead=st.sampled_from([2, 2, 3, 1]), tariffs=st.lists(draws.TARIFFS, min_size=1, max_size=3))
    def post_tariffs(self, slots_ahead: int, tariffs: list[Tariff]) -> None:
        self.market.post_tariffs(self.model.current_slot() + slots_ahead, tariffs)

    # ---- offers

    @rule(draw=draws.OFFERS, buyer=draws.ANYBODY, quarters=draws.QUARTERS)
    def transfer_energy(self, draw: OfferDraw, buyer: int, quarters: int) -> None:
        self._transfer(draw, buyer, quarters)

    @rule(index=st.integers(0, 20))
    def cancel_offer(self, index: int) -> None:
        if self.offers:
            self.market.cancel_order(self.offers[index % len(self.offers)])

    # ---- orders withdrawn

    @rule(draw=draws.ORDERS, slots_ahead=st.sampled_from([1, 1, 2, 0]), is_sell=st.booleans())
    def cancel_order(self, draw: list[OrderDraw], slots_ahead: int, is_sell: bool) -> None:
        """It is signed, withdrawn, and will be settled nevertheless, or another that looks nearly the same."""
        slot = self.model.current_slot() + slots_ahead
        side, limit = (Side.SELL, 0) if is_sell else (Side.BUY, 10**6)
        order = self._order(draw[0], slot, side, limit)
        self.market.cancel_order(order)
        self.orders.append(order)

    @rule(number=draws.MEMBERS, slots_ahead=st.sampled_from([1, 2, 3, 1, 0]))
    def cancel_through(self, number: int, slots_ahead: int) -> None:
        self.market.cancel_through(number, self.model.current_slot() + slots_ahead)

    # ---- money and members

    @rule(number=draws.ANYBODY, amount=st.sampled_from([0, 1, 30_000, 10**6, 10**9, 10**12]))
    def fund(self, number: int, amount: int) -> None:
        self.market.fund(number, amount)

    @rule(number=draws.ANYBODY, quarters=draws.QUARTERS)
    def withdraw(self, number: int, quarters: int) -> None:
        self.market.withdraw(number, _share(self.model.balance(number).free, quarters))

    @rule(quarters=draws.QUARTERS)
    def empty_the_utility(self, quarters: int) -> None:
        """So that it cannot pay for what it must buy."""
        self.market.withdraw(UTILITY, _share(self.model.balance(UTILITY).free, max(4, quarters)))

    @rule(number=draws.ANYBODY)
    def pay_claim(self, number: int) -> None:
        self.market.pay_claim(number)

    @rule(slot=draws.SLOTS, offer=draws.OFFERS, number=draws.ANYBODY)
    def pause_for_a_while(self, slot: SlotDraw, offer: OfferDraw, number: int) -> None:
        self.market.set_paused(True)
        self.market.fund(number, 1)
        self.market.withdraw(number, 1)
        self._submit(slot.readings)
        self._settle(1, slot.price, slot.sells, slot.buys, slot.fills, True)
        self._transfer(offer, number, 1)
        self.market.set_paused(False)

    @rule(number=draws.ANYBODY, is_active=st.sampled_from([True, True, False]))
    def set_active(self, number: int, is_active: bool) -> None:
        self.market.set_active(number, is_active)

    @rule(number=st.sampled_from([LATE, RICH]))
    def register(self, number: int) -> None:
        self.market.register(number)

    # ---- from draws to what is signed

    def _submit(self, readings: list[ReadingDraw]) -> None:
        batch = [self._reading(draw) for draw in readings]
        self.market.submit_readings(batch)
        self.readings += batch

    def _settle(
        self,
        slots_ago: int,
        price: int,
        sells: list[OrderDraw],
        buys: list[OrderDraw],
        fills: Fills,
        is_settler: bool,
    ) -> None:
        slot = self.model.current_slot() - slots_ago
        selling = [self._order(draw, slot, Side.SELL, price - draw.margin) for draw in sells]
        buying = [self._order(draw, slot, Side.BUY, price + GRID_FEE + draw.margin) for draw in buys]
        chosen = [(_index(sell, selling), _index(buy, buying), energy_wh) for sell, buy, energy_wh in fills]
        self.market.settle(slot, price, selling, buying, chosen, is_settler)
        self.orders += [*selling, *buying]

    def _transfer(self, draw: OfferDraw, buyer: int, quarters: int) -> None:
        offer = self._offer(draw)
        order = offer.model.order
        has_wh = max(0, self.model.position_wh(order.member, order.slot))
        self.market.transfer_energy(offer, buyer, _share(min(has_wh, order.energy_wh), quarters))
        self.offers.append(offer)

    def _order(self, draw: OrderDraw, slot: int, side: Side, limit_price: int) -> PairedOrder:
        fitting = [o for o in self.orders if o.model.order.slot == slot and o.model.order.side is side]
        if draw.earlier is not None and (fitting or self.orders):
            known = fitting or self.orders
            return known[draw.earlier % len(known)]
        signed_slot = slot + draw.is_of_other_slot
        order = Order(
            member=draw.member,
            slot=signed_slot,
            side=Side(1 - side) if draw.is_of_other_side else side,
            energy_wh=draw.energy_wh,
            limit_price=max(0, limit_price),
            expiry_slot=signed_slot + (draw.is_of_other_slot and draw.is_of_other_side),
            salt=draw.salt,
        )
        return self.market.order(order, draw.is_forged)

    def _reading(self, draw: ReadingDraw) -> PairedReading:
        if draw.is_stale and self.readings:
            return self.readings[-1]
        last = self.model.meter(draw.member)
        reading = MeterReading(
            member=draw.member,
            slot=self.model.current_slot() - draw.slots_ago,
            sequence=last.sequence + draw.sequence_step,
            import_register_wh=max(0, last.import_register_wh + draw.imported_wh),
            export_register_wh=max(0, last.export_register_wh + draw.exported_wh),
        )
        return self.market.reading(reading, draw.is_forged)

    def _offer(self, draw: OfferDraw) -> PairedOrder:
        if draw.earlier is not None and self.offers:
            return self.offers[draw.earlier % len(self.offers)]
        slot = self.model.current_slot() - draw.slots_ago
        owners = [number for number in NUMBERS if self.model.position_wh(number, slot) > 0]
        order = Order(
            member=owners[0] if draw.is_of_owner and owners else draw.member,
            slot=slot,
            side=Side.BUY if draw.is_to_buy else Side.SELL,
            energy_wh=draw.energy_wh,
            limit_price=draw.price,
            expiry_slot=slot + draw.lasts,
            salt=0,
        )
        return self.market.order(order, draw.is_forged)


def _index(drawn: int, orders: Sequence[PairedOrder]) -> int:
    return len(orders) if drawn == draws.NO_SUCH else drawn % len(orders)


def _share(amount: int, quarters: int) -> int:
    return amount + 1 if quarters > 4 else amount * quarters // 4
