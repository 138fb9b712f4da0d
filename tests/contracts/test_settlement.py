"""What trades do to energy and money, against the rules by hand and against an independent model."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from fractions import Fraction

import pytest

from contracts.orders import Side
from tests.contracts.market_world import FEED_IN, FIRST_SLOT, FUNDS, RETAIL, MarketWorld

S = FIRST_SLOT


@pytest.fixture
def world(chain: str) -> MarketWorld:
    return MarketWorld(chain, 3)


def test_a_slot_from_order_to_close(world: MarketWorld) -> None:
    seller, buyer, _ = world.members
    sell, buy = world.order(seller, Side.SELL, 1000, 90_001), world.order(buyer, Side.BUY, 700, 290_000)
    world.ledger.advance_to(S + 1)
    world.ledger.submit_readings([world.reading(seller, 0, 1200), world.reading(buyer, 900, 0)])
    (trade,) = world.ledger.settle(S, 190_001, [sell], [buy], [(0, 0, 701 - 1)])
    assert (trade.seller, trade.buyer, trade.energy_wh, trade.kind) == (1, 2, 700, "auction")
    assert (trade.cost, trade.proceeds) == (133_001, 133_000)  # 133,000.7 rounded up and down
    assert world.ledger.slot_state(S) == "settled"
    offer = world.order(seller, Side.SELL, 500, 150_000, expiry=S + 4)
    bought = buyer.ledger.transfer_energy(offer, 2, 100)
    assert (bought.cost, bought.kind) == (15_000, "offer")
    world.ledger.advance_to(S + 5)
    assert world.ledger.slot_state(S) == "closed"
    to_utility, from_utility = world.ledger.close_slot(S, [1, 2, 3])
    assert (to_utility.seller, to_utility.energy_wh, to_utility.proceeds) == (1, 400, 400 * FEED_IN // 1000)
    assert (from_utility.buyer, from_utility.energy_wh, from_utility.cost) == (2, 100, 100 * RETAIL // 1000)
    assert world.ledger.balance(1).escrow == FUNDS + 133_000 + 15_000 + 32_000
    assert world.ledger.balance(2).escrow == FUNDS - 133_001 - 15_000 - 30_000
    world.assert_nothing_is_lost()
    assert len(world.ledger.transfers()) == world.ledger.totals([1, 2, 3]).transactions == 4


def test_what_is_too_much_for_one_transaction_goes_in_several(
    world: MarketWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contracts.ledger.READINGS_AT_ONCE", 2)
    monkeypatch.setattr("contracts.ledger.CLOSED_AT_ONCE", 2)
    world.ledger.advance_to(S + 1)
    readings = world.ledger.submit_readings([world.reading(member, 0, 100) for member in world.members])
    assert [event.values["member"] for event in readings] == [1, 2, 3]
    assert len({event.tx_hash for event in readings}) == 2
    world.ledger.advance_to(S + 5)
    transfers = world.ledger.close_slot(S, [1, 2, 3])
    assert [transfer.seller for transfer in transfers] == [1, 2, 3]
    assert len({transfer.tx_hash for transfer in transfers}) == 2
    world.assert_nothing_is_lost()


def test_closing_twice_changes_nothing(world: MarketWorld) -> None:
    world.ledger.advance_to(S + 1)
    world.ledger.submit_readings([world.reading(world.members[0], 0, 500)])
    world.ledger.advance_to(S + 5)
    assert len(world.ledger.close_slot(S, [1])) == 1
    assert world.ledger.close_slot(S, [1]) == []


def test_what_escrow_cannot_pay_becomes_debt_and_the_next_deposit_pays_it(world: MarketWorld) -> None:
    poor = world.members[0]
    poor.ledger.withdraw(1, FUNDS - 1000)
    world.ledger.advance_to(S + 1)
    world.ledger.submit_readings([world.reading(poor, 100, 0)])
    world.ledger.advance_to(S + 5)
    (trade,) = world.ledger.close_slot(S, [1])
    assert (trade.cost, trade.proceeds) == (30_000, 30_000)
    assert (world.ledger.balance(1).escrow, world.ledger.balance(1).debt) == (0, 29_000)
    poor.ledger.fund(1, 40_000)
    assert (world.ledger.balance(1).escrow, world.ledger.balance(1).debt) == (11_000, 0)
    world.assert_nothing_is_lost()


class PlainModel:
    """The settlement rules in fractions of money, written without looking at the contract."""

    def __init__(self) -> None:
        self.money: dict[int, int] = defaultdict(int)
        self.position: dict[int, int] = defaultdict(int)

    def trade(self, seller: int, buyer: int, wh: int, price: int) -> None:
        exact = Fraction(wh * price, 1000)
        self.money[buyer] -= math.ceil(exact)
        self.money[seller] += math.floor(exact)
        self.money[0] += math.ceil(exact) - math.floor(exact)
        self.position[seller] -= wh
        self.position[buyer] += wh

    def close(self, member: int) -> None:
        left = self.position.pop(member, 0)
        exact = Fraction(abs(left) * (FEED_IN if left > 0 else RETAIL), 1000)
        amount = math.floor(exact) if left > 0 else -math.ceil(exact)
        self.money[member] += amount
        self.money[0] -= amount


@pytest.mark.parametrize("seed", range(3))
def test_random_slots_equal_a_plain_model(chain: str, seed: int) -> None:
    rng, world, model = random.Random(seed), MarketWorld(chain, 4), PlainModel()
    before = {number: world.ledger.balance(number).escrow for number in range(5)}
    for slot in range(S, S + 18, 6):
        sides = {m.number: rng.choice(list(Side)) for m in world.members}
        book = {m.number: world.order(m, sides[m.number], rng.randint(1, 5000), 190_000, slot) for m in world.members}
        sells = [book[n] for n, side in sides.items() if side is Side.SELL]
        buys = [book[n] for n, side in sides.items() if side is Side.BUY]
        fills, price = [], 190_000
        for i, sell in enumerate(sells):
            for j, buy in enumerate(buys):
                share = min(sell.order.energy_wh, buy.order.energy_wh) // (len(sells) + len(buys))
                if share:
                    fills.append((i, j, share))
                    model.trade(sell.order.member, buy.order.member, share, price)
        world.ledger.advance_to(slot + 1)
        readings = []
        for member in world.members:
            imported, exported = rng.randint(0, 3000), rng.randint(0, 3000)
            readings.append(world.reading(member, imported, exported, slot))
            model.position[member.number] += exported - imported
        world.ledger.submit_readings(readings)
        assert len(world.ledger.settle(slot, price, sells, buys, fills)) == len(fills)
        for member in world.members:
            assert world.ledger.balance(member.number).energy_balance_wh == model.position[member.number]
        world.assert_nothing_is_lost()
        world.ledger.advance_to(slot + 5)
        world.ledger.close_slot(slot, [1, 2, 3, 4])
        for member in world.members:
            model.close(member.number)
        world.assert_nothing_is_lost()
    gained = {number: world.ledger.balance(number).escrow - before[number] for number in range(5)}
    assert gained == {number: model.money[number] for number in range(5)}
