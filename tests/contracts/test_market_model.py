"""The market as a Python model: equal to the contract in all that it does, and sound by itself."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from contracts.balances import Tariff
from contracts.deployment import UTILITY
from contracts.events import FAULTS
from contracts.market_model import MarketModel
from contracts.metering import MeterReading
from contracts.orders import Order, Side
from contracts.settlement_rules import RING_SLOTS, Fault, MarketRules, ModelOrder, ModelReading
from contracts.settlement_rules import UTILITY as MODEL_UTILITY
from tests.contracts.market_machine import MarketMachine
from tests.contracts.paired_market import GUEST, POOR, RICH, WIDE, PairedMarket, PairedOrder

MARKETS, STEPS = 10, 20


@pytest.mark.slow
def test_the_model_does_what_the_contract_does(chain: str) -> None:
    """Balances, positions, slots, claims, collateral, sums, trades, refusals and what is left out, after every step."""
    MarketMachine.rpc_url = chain
    MarketMachine.seen.clear()
    run_state_machine_as_test(
        MarketMachine,
        settings=settings(
            max_examples=MARKETS,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],  # shrinking would take an hour: the failing steps are printed as they are
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(*sorted(MarketMachine.seen.items()), sep="\n")
    assert MarketMachine.seen["compared"] >= MARKETS * STEPS / 2


def signed(market: PairedMarket, member: int, side: Side, slot: int, wh: int = 500, lasts: int = 0) -> PairedOrder:
    limit = 0 if side is Side.SELL else CAP
    order = Order(
        member=member, slot=slot, side=side, energy_wh=wh, limit_price=limit, expiry_slot=slot + lasts, salt=lasts
    )
    return market.order(order, is_forged=False)


def settled(market: PairedMarket, slot: int, *fills_wh: int, wh: int = 500) -> None:
    """Member 1 sells to member 2."""
    sells, buys = [signed(market, RICH, Side.SELL, slot, wh)], [signed(market, WIDE, Side.BUY, slot, wh)]
    market.settle(slot, 1001, sells, buys, [(0, 0, filled_wh) for filled_wh in fills_wh], True)


def metered(market: PairedMarket, member: int, slot: int, imported_wh: int, exported_wh: int) -> None:
    last = market.model.meter(member)
    reading = MeterReading(
        member=member,
        slot=slot,
        sequence=last.sequence + 1,
        import_register_wh=last.import_register_wh + imported_wh,
        export_register_wh=last.export_register_wh + exported_wh,
    )
    market.submit_readings([market.reading(reading, is_forged=False)])


def test_withdrawn_orders_are_the_same_for_both(chain: str) -> None:
    market = PairedMarket(chain)
    market.cancel_through(RICH, 102)
    one = signed(market, WIDE, Side.BUY, 103)
    market.cancel_order(one)
    for slot in range(100, 104):
        market.advance_to(slot + 1)
        settled(market, slot, 300, 201)
        market.cancel_through(RICH, 104)
    market.advance_to(105)
    market.cancel_through(RICH, 106)  # refused: orders of slot 104 could come back
    market.advance_to(107)
    market.cancel_through(RICH, 108)
    for slot in (107, 108):
        market.advance_to(slot + 1)
        settled(market, slot, 300)
    assert market.seen["('CancelledBefore', 'none')"] == 1
    assert (market.seen["order: cancelled"], market.seen["auction"]) == (5, 2)
    market.assert_sums_agree()


def test_a_full_ring_is_the_same_for_both(chain: str) -> None:
    market = PairedMarket(chain)
    market.advance_to(101)
    settled(market, 100, 500)
    market.advance_to(100 + RING_SLOTS + 1)
    for numbers in ([RICH], [WIDE], []):
        metered(market, WIDE, 100 + RING_SLOTS, 0, 70)
        settled(market, 100 + RING_SLOTS, 2**31, 2**31 - 1, 2**31 - 71, wh=2**40)
        market.close_slot(100, numbers)
    assert market.seen["reading: position full"] == 2
    assert market.seen["fill: position full"] == 3
    market.assert_sums_agree()


def test_a_poor_utility_is_the_same_for_both(chain: str) -> None:
    market = PairedMarket(chain)
    market.advance_to(101)
    metered(market, WIDE, 100, 0, 9999)
    metered(market, POOR, 100, 999, 0)
    market.withdraw(UTILITY, market.model.balance(UTILITY).free)
    market.advance_to(103)
    market.close_slot(100, [WIDE, POOR])
    assert (market.model.claim(WIDE), market.model.balance(POOR).debt) == (799_920, 279_700)
    for number, amount in ((UTILITY, 1), (POOR, 100_000), (UTILITY, 10**6)):
        market.fund(number, amount)
        market.withdraw(UTILITY, 1)
        market.pay_claim(WIDE)
    market.assert_sums_agree()


def test_offers_are_the_same_for_both(chain: str) -> None:
    market = PairedMarket(chain)
    market.advance_to(101)
    metered(market, RICH, 100, 0, 1000)
    first, second = signed(market, RICH, Side.SELL, 100, lasts=1), signed(market, RICH, Side.SELL, 100, lasts=2)
    for buyer, energy_wh in ((WIDE, 400), (WIDE, 101), (GUEST, 100), (POOR, 1), (RICH, 1), (UTILITY, 1)):
        market.transfer_energy(first, buyer, energy_wh)
    market.transfer_energy(second, GUEST, 300)
    market.cancel_order(second)
    market.transfer_energy(second, GUEST, 1)
    market.advance_to(102)
    market.transfer_energy(first, WIDE, 1)
    assert market.seen["offer"] == 3
    assert market.seen["('OfferInvalid', 'cancelled')"] == 1
    market.assert_sums_agree()


def test_the_model_speaks_as_the_contract() -> None:
    assert set(FAULTS) - {"none"} == set(get_args(Fault))
    assert UTILITY == MODEL_UTILITY


# ---- the model by itself

FIRST, MEMBERS, CAP, FEE = 10, (1, 2, 3), 1_000_000, 20_000
TARIFF = Tariff(retail_price=300_000, feed_in_price=80_000)
WH = st.integers(0, 3000)
LIMITS = st.integers(0, CAP)
BIDS = st.lists(st.tuples(st.sampled_from(MEMBERS), st.integers(1, 3000), LIMITS), max_size=4)
FILLS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), WH), max_size=8)
STEADY = settings(deadline=None, derandomize=True)
METERED = st.tuples(*(st.tuples(WH, WH) for _ in MEMBERS))


def opened(funds: dict[int, int]) -> MarketModel:
    model = MarketModel(MarketRules(FIRST, TARIFF, CAP, FEE))
    for number in MEMBERS:
        model.register(number, 3000)
    for number, amount in funds.items():
        model.fund(number, amount)
    return model


def bids(side: Side, drawn: list[tuple[int, int, int]], slot: int) -> list[ModelOrder]:
    return [
        ModelOrder(
            Order(
                member=member, slot=slot, side=side, energy_wh=wh, limit_price=limit, expiry_slot=slot, salt=len(drawn)
            )
        )
        for member, wh, limit in drawn
    ]


def meter(model: MarketModel, slot: int, energy: Sequence[tuple[int, int]]) -> None:
    for number, (imported_wh, exported_wh) in zip(MEMBERS, energy, strict=True):
        last = model.meter(number)
        reading = MeterReading(
            member=number,
            slot=slot,
            sequence=slot,
            import_register_wh=last.import_register_wh + imported_wh,
            export_register_wh=last.export_register_wh + exported_wh,
        )
        assert model.submit_readings([ModelReading(reading)]) == []


def assert_nothing_is_lost(model: MarketModel) -> None:
    totals = model.totals(MEMBERS)
    assert (totals.money_balance, totals.energy_balance_wh) == (0, 0)
    assert min(model.balance(number).escrow for number in (UTILITY, *MEMBERS)) >= 0


@STEADY
@given(
    funds=st.fixed_dictionaries({number: st.integers(0, 2_000_000) for number in (UTILITY, *MEMBERS)}),
    slots=st.lists(st.tuples(METERED, LIMITS, BIDS, BIDS, FILLS), min_size=1, max_size=6),
)
def test_nothing_is_lost_and_no_limit_is_passed(funds: dict[int, int], slots: list[tuple[Any, ...]]) -> None:
    model = opened(funds)
    for slot, (energy, price, selling, buying, fills) in enumerate(slots, start=FIRST):
        sells, buys = bids(Side.SELL, selling, slot), bids(Side.BUY, buying, slot)
        model.advance_to(slot + 1)
        meter(model, slot, energy)
        trades = model.settle(slot, price, sells, buys, fills)
        assert_nothing_is_lost(model)
        for trade in trades:
            assert trade.seller != trade.buyer
            assert Fraction(trade.proceeds) <= Fraction(trade.energy_wh * price, 1000) < trade.proceeds + 1
            assert trade.cost - 1 < Fraction(trade.energy_wh * (price + FEE), 1000) <= trade.cost
        for number in MEMBERS:
            sold_wh = sum(trade.energy_wh for trade in trades if trade.seller == number)
            bought_wh = sum(trade.energy_wh for trade in trades if trade.buyer == number)
            assert sold_wh <= sum(wh for member, wh, limit in selling if member == number and limit <= price)
            assert bought_wh <= sum(wh for member, wh, limit in buying if member == number and limit >= price + FEE)
    model.advance_to(FIRST + 20)
    for slot in range(FIRST, FIRST + len(slots)):
        model.close_slot(slot, MEMBERS)
        assert_nothing_is_lost(model)
    assert model.total_collateral() == model.uncollected() == 0
    assert all(model.balance(number).energy_balance_wh == 0 for number in MEMBERS)


@STEADY
@given(exported_wh=WH, sold_wh=st.integers(1, 3000), escrow=st.integers(0, 3_000_000))
def test_who_sells_what_it_lacks_has_its_price_at_the_cap_held_back(
    exported_wh: int, sold_wh: int, escrow: int
) -> None:
    model = opened({UTILITY: 10**9, 1: escrow, 2: 10**9})
    sells, buys = bids(Side.SELL, [(1, 3000, 0)], FIRST), bids(Side.BUY, [(2, 3000, CAP)], FIRST)
    model.advance_to(FIRST + 1)
    meter(model, FIRST, [(0, exported_wh), (0, 0), (0, 0)])
    trades = model.settle(FIRST, 200_000, sells, buys, [(0, 0, sold_wh)])
    needed = max(0, sold_wh - exported_wh) * CAP // 1000
    assert bool(trades) == (needed <= escrow)
    assert model.collateral(1, FIRST) == (needed if trades else 0)
    assert model.balance(1).escrow == (escrow - needed + trades[0].proceeds if trades else escrow)


@STEADY
@given(imported_wh=WH, escrow=st.integers(0, 10**6), later=st.integers(0, 10**6))
def test_a_debt_is_repaid_first(imported_wh: int, escrow: int, later: int) -> None:
    model = opened({1: escrow})
    model.advance_to(FIRST + 1)
    meter(model, FIRST, [(imported_wh, 0), (0, 0), (0, 0)])
    model.advance_to(FIRST + 5)
    model.close_slot(FIRST, MEMBERS)
    model.fund(1, later)
    left = escrow + later - imported_wh * 300
    assert (model.balance(1).escrow, model.balance(1).debt) == (max(0, left), max(0, -left))
    assert_nothing_is_lost(model)


@STEADY
@given(exported_wh=WH, short=st.integers(0, 240_000))
def test_what_the_utility_cannot_pay_becomes_a_claim(exported_wh: int, short: int) -> None:
    model = opened({UTILITY: max(0, exported_wh * 80 - short)})
    model.advance_to(FIRST + 1)
    meter(model, FIRST, [(0, exported_wh), (0, 0), (0, 0)])
    model.advance_to(FIRST + 5)
    model.close_slot(FIRST, MEMBERS)
    assert model.claim(1) == (exported_wh * 80 if short and exported_wh else 0)
    assert model.balance(UTILITY).free == 0
    model.fund(UTILITY, short)
    model.pay_claim(1)
    assert (model.claim(1), model.balance(1).escrow) == (0, exported_wh * 80)
    assert_nothing_is_lost(model)
