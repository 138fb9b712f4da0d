"""A statement adds up to the contract's money, to the base unit, also when it is cut anywhere."""

from __future__ import annotations

import pytest

from contracts.orders import Side
from contracts.settings import MarketConfig
from contracts.statement import statement_of
from tests.contracts.market_world import FIRST_SLOT, FUNDS, MarketWorld

S = FIRST_SLOT


@pytest.fixture
def world(chain: str) -> MarketWorld:
    """Member 1 sells what it has, 2 sells ahead what it lacks, 3 buys; then the window closes."""
    world = MarketWorld(chain, 3)
    seller, late, buyer = world.members
    sells = [world.order(seller, Side.SELL, 1000, 90_001), world.order(late, Side.SELL, 300, 100_000)]
    buys = [world.order(buyer, Side.BUY, 1500, 290_000)]
    world.ledger.advance_to(S + 1)
    world.ledger.submit_readings([world.reading(seller, 0, 1200), world.reading(buyer, 1600, 0)])
    world.ledger.settle(S, 190_001, sells, buys, [(0, 0, 1000), (1, 0, 300)])
    buyer.ledger.transfer_energy(world.order(seller, Side.SELL, 200, 150_000, expiry=S + 4), 3, 100)
    world.ledger.advance_to(S + 5)
    world.ledger.close_slot(S, [1, 2, 3])
    late.ledger.withdraw(2, 1_000_000)
    return world


@pytest.mark.parametrize("member", [1, 2, 3])
def test_it_ends_with_what_the_contract_has(world: MarketWorld, member: int) -> None:
    statement = statement_of(world.ledger.events(), member, 0, 2**32)
    balance = world.ledger.balance(member)
    assert statement.opening == 0
    assert statement.lines[0].what == "deposit"
    assert statement.lines[0].amount == FUNDS
    assert sum(line.amount for line in statement.lines) == statement.closing == balance.escrow
    for before, after in zip(statement.lines, statement.lines[1:], strict=False):
        assert before.balance + after.amount == after.balance
    assert (statement.debt, statement.claim, statement.held) == (balance.debt, 0, 0)


def test_its_words_and_amounts_by_hand(world: MarketWorld) -> None:
    lines = statement_of(world.ledger.events(), 1, 0, 2**32).lines
    assert [(line.what, line.energy_wh, line.price, line.amount) for line in lines[1:]] == [
        ("sold to member 3 in the auction", -1000, 190_001, 190_001),
        ("sold to member 3 by offer", -100, 150_000, 15_000),
        ("sold to the utility", -100, 80_000, 8_000),
    ]
    assert {line.slot for line in lines[1:]} == {S}
    assert [line.booked_slot for line in lines[1:]] == [S + 1, S + 1, S + 5]


def test_a_buyer_sees_the_grid_fee_in_what_it_paid(chain: str) -> None:
    """1 kWh at 0.15 with a fee of 0.02 per kWh."""
    world = MarketWorld(chain, 2, MarketConfig(grid_fee_per_kwh=0.02))
    seller, buyer = world.members
    world.ledger.advance_to(S + 1)
    world.ledger.submit_readings([world.reading(seller, 0, 1000), world.reading(buyer, 1000, 0)])
    sells, buys = [world.order(seller, Side.SELL, 1000, 90_000)], [world.order(buyer, Side.BUY, 1000, 290_000)]
    world.ledger.settle(S, 150_000, sells, buys, [(0, 0, 1000)])
    for member, line in ((1, (0, 150_000)), (2, (20_000, -170_000))):
        last = statement_of(world.ledger.events(), member, 0, 2**32).lines[-1]
        assert (last.price, last.grid_fee, last.amount) == (150_000, *line)


def test_energy_sold_ahead_is_held_back_and_released(world: MarketWorld) -> None:
    statement = statement_of(world.ledger.events(), 2, 0, 2**32)
    words = [line.what for line in statement.lines]
    assert words.count("held back for energy sold ahead of delivery") == 1
    assert words.count("released") == 1
    assert words[-1] == "withdrawal"
    amounts = {line.what: line.amount for line in statement.lines}
    assert amounts["held back for energy sold ahead of delivery"] == -amounts["released"] < 0
    assert amounts["bought from the utility"] == -300 * 300_000 // 1000


@pytest.mark.parametrize("member", [1, 2, 3])
@pytest.mark.parametrize("cut", [S, S + 1, S + 3, S + 5])
def test_two_parts_are_the_whole(world: MarketWorld, member: int, cut: int) -> None:
    events = world.ledger.events()
    whole = statement_of(events, member, 0, 2**32)
    first, second = statement_of(events, member, 0, cut - 1), statement_of(events, member, cut, 2**32)
    assert first.closing == second.opening
    assert [*first.lines, *second.lines] == list(whole.lines)
    assert first.imported_wh + second.imported_wh == whole.imported_wh == (1600 if member == 3 else 0)
    assert first.exported_wh + second.exported_wh == whole.exported_wh == (1200 if member == 1 else 0)


def test_a_month_without_anything_is_empty(world: MarketWorld) -> None:
    statement = statement_of(world.ledger.events(), 1, S + 100, S + 200)
    assert statement.lines == ()
    assert statement.opening == statement.closing == world.ledger.balance(1).escrow
