"""One market twice, on a chain and as a Python model: each action is done to both, and everything compared after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts.balances import Tariff
from contracts.deployment import UTILITY, UTILITY_FUNDS, deploy
from contracts.events import FAULTS, EnergyTransfer, MarketEvent
from contracts.ledger import SLOT_STATES, Ledger
from contracts.market_model import MarketModel
from contracts.member import Member
from contracts.metering import MeterReading, SignedMeterReading, sign_reading
from contracts.orders import Order, SignedOrder, packed_terms, sign_order
from contracts.sender import ContractRejected
from contracts.settings import ChainConfig, MarketConfig
from contracts.settlement import NO_ORDER
from contracts.settlement_rules import MarketRules, ModelOrder, ModelReading, Refused, Transfer
from contracts.units import to_base_units
from tests.contracts.many_views import View, ask_all
from tests.contracts.market_world import FIRST_SLOT

WINDOW = 2
GRID_FEE, FEED_IN, RETAIL, PRICE_CAP = 20_000, 80_000, 300_000, 1_000_000
NOBODY = 99
RICH, WIDE, POOR, GUEST, LATE = 1, 2, 7, 8, 14
"""Members 1 and 2 share a word of the position ring, so do 7 and 8; 14 joins later."""
FUNDS = {RICH: [10**12] * 3, WIDE: [10**12], POOR: [20_000], GUEST: [10**7]}
CAPACITY_WH = {RICH: 1000, WIDE: 2**32 - 1, POOR: 1000, GUEST: 0, LATE: 1000}
NUMBERS = (UTILITY, RICH, WIDE, POOR, GUEST, LATE, NOBODY)


class PairedOrder(NamedTuple):
    """The same order for both."""

    model: ModelOrder
    chain: SignedOrder


class PairedReading(NamedTuple):
    """The same reading for both."""

    model: ModelReading
    chain: SignedMeterReading


class PairedMarket:
    """A new market, in which member 7 has little money, 8 has no meter, and local energy costs a grid fee."""

    def __init__(self, rpc_url: str) -> None:
        self.operator, self.stranger = Account.create(), Account.create()
        self.owners: dict[int, LocalAccount] = {number: Account.create() for number in NUMBERS[:-1]}
        self.meters: dict[int, LocalAccount] = {number: Account.create() for number in NUMBERS[1:-1]}
        wallet = self.owners[UTILITY].address
        market = MarketConfig(settlement_window_slots=WINDOW, utility_wallet=wallet, grid_fee_per_kwh=0.02)
        deployment = deploy(ChainConfig(rpc_url=rpc_url), market, 15, FIRST_SLOT, self.operator)
        self.ledger = Ledger(deployment, self.operator)
        self._views: dict[int, Ledger] = {}
        tariff = Tariff(retail_price=RETAIL, feed_in_price=FEED_IN)
        self.model = MarketModel(MarketRules(FIRST_SLOT, tariff, PRICE_CAP, GRID_FEE, WINDOW))
        self.model.fund(UTILITY, to_base_units(UTILITY_FUNDS))
        self.watched: list[int] = []
        self.seen: Counter[str] = Counter()
        """How often what came out of actions and parts of batches."""
        for number, amounts in FUNDS.items():
            self.register(number)
            for amount in amounts:
                self.fund(number, amount)

    # ---- actions

    def register(self, number: int) -> None:
        meter = None if number == GUEST else self.meters[number].address
        member = Member(number=number, building_id="B", name="x", owner=self.owners[number].address, meter=meter)
        wh = CAPACITY_WH[number]
        self._both(lambda: self.ledger.register(member, wh), lambda: self.model.register(number, wh, meter is not None))

    def fund(self, number: int, amount: int) -> None:
        self._both(lambda: self.ledger.fund(number, amount), lambda: self.model.fund(number, amount))

    def withdraw(self, number: int, amount: int) -> None:
        self._both(
            lambda: self._view(number).withdraw(number, amount),
            lambda: self.model.withdraw(number, amount),
        )

    def advance_to(self, slot: int) -> None:
        self._both(lambda: self.ledger.advance_to(slot), lambda: self.model.advance_to(slot))

    def post_tariffs(self, slot: int, tariffs: Sequence[Tariff]) -> None:
        self._watch(slot)
        self._both(lambda: self.ledger.post_tariffs(slot, tariffs), lambda: self.model.post_tariffs(slot, tariffs))

    def set_paused(self, is_paused: bool) -> None:
        self._both(lambda: self._send("setPaused", is_paused), lambda: self.model.set_paused(is_paused))

    def set_active(self, number: int, is_active: bool) -> None:
        self._both(lambda: self._send("setActive", number, is_active), lambda: self.model.set_active(number, is_active))

    def pay_claim(self, number: int) -> None:
        self._both(lambda: self._send("payClaim", number), lambda: self.model.pay_claim(number))

    def submit_readings(self, readings: Sequence[PairedReading]) -> None:
        self._watch(*(item.model.reading.slot for item in readings))
        self._both(  # what they return of it is among the events
            lambda: self.ledger.submit_readings([item.chain for item in readings]) and [],
            lambda: self.model.submit_readings([item.model for item in readings]) and [],
        )

    def settle(
        self,
        slot: int,
        price: int,
        sells: Sequence[PairedOrder],
        buys: Sequence[PairedOrder],
        fills: Sequence[tuple[int, int, int]],
        is_settler: bool,
    ) -> None:
        self._watch(slot)
        caller = self.ledger if is_settler else self._view(NOBODY)
        self._both(
            lambda: caller.settle(slot, price, [o.chain for o in sells], [o.chain for o in buys], fills),
            lambda: self.model.settle(
                slot, price, [o.model for o in sells], [o.model for o in buys], fills, is_settler
            ),
            places=(_places(sells, 0), _places(buys, len(sells))),
        )

    def transfer_energy(self, offer: PairedOrder, buyer: int, energy_wh: int) -> None:
        self._watch(offer.model.order.slot)
        self._both(
            lambda: [self._view(buyer).transfer_energy(offer.chain, buyer, energy_wh)],
            lambda: [self.model.transfer_energy(offer.model, buyer, energy_wh)],
        )

    def close_slot(self, slot: int, numbers: Sequence[int]) -> None:
        self._watch(slot)
        self._both(lambda: self.ledger.close_slot(slot, numbers), lambda: self.model.close_slot(slot, numbers))

    def cancel_order(self, order: PairedOrder) -> None:
        caller = self._view(order.model.order.member)
        self._both(lambda: caller.cancel_order(order.chain), lambda: self.model.cancel_order(order.model))

    def cancel_through(self, number: int, slot: int) -> None:
        self._both(
            lambda: self._view(number).cancel_through(number, slot),
            lambda: self.model.cancel_through(number, slot),
        )

    # ---- what is signed

    def order(self, order: Order, is_forged: bool) -> PairedOrder:
        """Signed by its member, or by somebody else."""
        is_signed = not is_forged and order.member in self.owners
        key = self.owners[order.member] if is_signed else self.stranger
        return PairedOrder(ModelOrder(order, is_signed), sign_order(order, self.ledger.domain, key))

    def reading(self, reading: MeterReading, is_forged: bool) -> PairedReading:
        """Signed by its member's meter, or by another member's."""
        is_signed = not is_forged and reading.member in self.meters
        other = self.meters[WIDE if reading.member == RICH else RICH]
        key = self.meters[reading.member] if is_signed else other
        return PairedReading(ModelReading(reading, is_signed), sign_reading(reading, self.ledger.domain, key))

    # ---- comparing

    def assert_sums_agree(self) -> None:
        """What the Ledger itself says of balances and sums; and nothing is lost."""
        assert self.ledger.balances(NUMBERS) == self.model.balances(NUMBERS)
        totals = self.ledger.totals(NUMBERS)
        assert totals == self.model.totals(NUMBERS)
        assert (totals.money_balance, totals.energy_balance_wh) == (0, 0)

    def _both(
        self,
        on_chain: Callable[[], Any],
        in_model: Callable[[], Any],
        places: tuple[dict[int, int], dict[int, int]] = ({}, {}),
    ) -> None:
        block, before = self.ledger.block_number(), len(self.model.left_out)
        found, expected = _outcome(on_chain), _outcome(in_model)
        assert found == expected, f"the chain says {found}, the model {expected}"
        events = self.ledger.events(block + 1)
        left_out = [_with_places(*item, *places) for item in self.model.left_out[before:]]
        said = [item for event in events if (item := _left_out(event))]
        assert said == left_out, f"the chain left out {said}, the model {left_out}"
        transfers = found if isinstance(found, list) else []
        assert sum(event.name == "EnergyTransferred" for event in events) == len(transfers)
        self.seen.update([str(found) if isinstance(found, tuple) else "done"])
        self.seen.update([f"{kind}: {fault}" for kind, _, _, fault in left_out])
        self.seen.update([transfer.kind for transfer in transfers])
        self._compare()

    def _compare(self) -> None:
        expected = self._expected()
        found = ask_all(self.ledger, {view: len(words) for view, words in expected.items()})
        assert {view: words for view, words in found.items() if words != expected[view]} == {}, (
            f"the model says { ({view: words for view, words in expected.items() if words != found[view]}) }"
        )
        self.seen["compared"] += 1
        self.seen["with claims"] += self.model.total_claims() > 0
        self.seen["with collateral"] += self.model.total_collateral() > 0
        self.seen["with debt"] += any(self.model.balance(number).debt for number in NUMBERS)

    def _expected(self) -> dict[View, tuple[int, ...]]:
        """All that is compared: each view, and what the model says."""
        model = self.model
        sums: dict[View, tuple[int, ...]] = {
            ("currentSlot", ()): (model.current_slot(),),
            ("totalEscrow", ()): (model.totals(NUMBERS).token_in_contract,),
            ("totalCollateral", ()): (model.total_collateral(),),
            ("totalClaims", ()): (model.total_claims(),),
            ("uncollected", ()): (model.uncollected(),),
            ("transactionCount", ()): (model.totals(NUMBERS).transactions,),
        }
        for number in NUMBERS:
            sums |= self._expected_of(number)
        for slot in self._watch():
            tariff = model.tariff(slot)
            sums["slotState", (slot,)] = (SLOT_STATES.index(model.slot_state(slot)),)
            sums["tariffAt", (slot,)] = tariff.retail_price, tariff.feed_in_price
            for number in NUMBERS[1:-1]:
                sums["positions", (slot, number)] = (model.position_wh(number, slot),)
                sums["collateralOf", (slot, number)] = (model.collateral(number, slot),)
        return sums

    def _expected_of(self, number: int) -> dict[View, tuple[int, ...]]:
        balance, meter = self.model.balance(number), self.model.meter(number)
        registers = meter.import_register_wh, meter.export_register_wh
        whose = number if meter.last_slot else 0
        return {
            ("escrowOf", (number,)): (balance.escrow,),
            ("freeFunds", (number,)): (balance.free,),
            ("energyBalance", (number,)): (balance.energy_balance_wh,),
            ("storedEnergy", (number,)): (balance.stored_energy_wh,),
            ("debtOf", (number,)): (balance.debt,),
            ("claimOf", (number,)): (self.model.claim(number),),
            ("meterOf", (number,)): (whose, meter.last_slot, meter.sequence, meter.capacity_wh, *registers),
        }

    def _watch(self, *slots: int) -> set[int]:
        """The slots that are compared: those that were used of late, and those around the running one."""
        self.watched = [*self.watched, *slots][-4:]
        current = self.model.current_slot()
        return {*self.watched, *range(current - WINDOW - 1, current + 1)}

    def _view(self, number: int) -> Ledger:
        """The market as a member sees it, or a stranger."""
        if number not in self._views:
            self._views[number] = Ledger(self.ledger.deployment, self.owners.get(number, self.stranger))
        return self._views[number]

    def _send(self, name: str, *arguments: Any) -> None:
        self.ledger._sender.send(self.ledger._call[name](*arguments))


def _outcome(action: Callable[[], Any]) -> list[Transfer] | tuple[str, str] | None:
    """The transfers, or how it was refused."""
    try:
        done = action()
    except ContractRejected as refusal:
        return refusal.name, FAULTS[refusal.values.get("fault", 0)]
    except Refused as refusal:
        return refusal.name, refusal.fault or "none"
    return None if done is None else [_plain(transfer) for transfer in done]


def _plain(transfer: EnergyTransfer | Transfer) -> Transfer:
    return Transfer(*(getattr(transfer, name) for name in Transfer._fields))


def _places(orders: Sequence[PairedOrder], first: int) -> dict[int, int]:
    """Where each order of a side stands in a settlement."""
    rising = sorted(range(len(orders)), key=lambda index: packed_terms(orders[index].model.order))
    return {index: place for place, index in enumerate(rising, start=first)}


def _with_places(
    kind: str, slot: int, who: tuple[int, ...], fault: str, sells: dict[int, int], buys: dict[int, int]
) -> tuple[str, int, tuple[int, ...], str]:
    if kind == "fill":
        who = sells.get(who[0], NO_ORDER), buys.get(who[1], NO_ORDER)
    return kind, slot, who, fault


def _left_out(event: MarketEvent) -> tuple[str, int, tuple[int, ...], str] | None:
    values = event.values
    who = {"OrderRejected": ("member",), "FillRejected": ("sell", "buy"), "ReadingRejected": ("member",)}
    if event.name not in who:
        return None
    kind = event.name.removesuffix("Rejected").lower()
    return kind, values["slot"], tuple(values[name] for name in who[event.name]), values["fault"]
