"""Every mechanism: the formulas of its paper, and what all of them promise."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.balances import Tariff
from contracts.clearing import MECHANISMS, Outcome
from contracts.matching import Terms
from contracts.order_book import BookError
from contracts.settings import ONE_PRICE, PRICE_PER_PAIR
from tests.contracts.books import FEED_IN, RETAIL, TARIFF, Lot, best_welfare, bids, cleared, lots_of, offers

CROSSING = ("uniform", "pay_as_bid", "mid_price")
LOCAL = ("mid_market_rate", "supply_demand_ratio")
fees = st.integers(0, 4)
every = pytest.mark.parametrize("mechanism", sorted(MECHANISMS))


def test_settings_and_program_know_the_same_mechanisms() -> None:
    assert sorted((*ONE_PRICE, *PRICE_PER_PAIR)) == sorted(MECHANISMS)


# ---- each by itself


def test_pay_as_bid_and_mid_price_by_hand() -> None:
    book = offers((5, 10), (5, 13)) + bids((5, 30), (4, 20))
    pairs = [("b0", "o0", 5), ("b1", "o1", 4)]
    for mechanism, fee, prices in (
        ("pay_as_bid", 0, [30, 20]),
        ("pay_as_bid", 2, [28, 18]),
        ("mid_price", 2, [19, 15]),
    ):
        assert cleared(book, mechanism, Terms(fee)).trades() == [
            (*pair, price) for pair, price in zip(pairs, prices, strict=True)
        ]


def test_pymarkets_mid_price() -> None:
    """pymarket, docstring of p2p_random: of the offers at 1 and 2, the one at 2 meets the bid at 3 for 2.5."""
    assert cleared(offers((10, 20)) + bids((10, 30)), "mid_price").trades() == [("b0", "o0", 10, 25)]


def average(outcome: Outcome, is_sell: bool) -> Fraction:
    """What a side pays or receives for each unit, neighbours and utility together."""
    local = sum(energy * price for _, _, energy, price in outcome.trades())
    book = outcome.book
    rest = int(outcome.left[book.is_sell == is_sell].sum())
    total = book.supply if is_sell else book.demand
    return Fraction(local + rest * (FEED_IN if is_sell else RETAIL), total)


energies = st.lists(st.integers(1, 500), min_size=1, max_size=6)


@given(energies, energies)
def test_mid_market_rate_of_long_et_al(supply: list[int], demand: list[int]) -> None:
    """The paper's three cases: generation equal to, below and above demand."""
    outcome = cleared(
        offers(*[(wh, FEED_IN) for wh in supply]) + bids(*[(wh, RETAIL) for wh in demand]),
        "mid_market_rate",
        Terms(0, TARIFF),
    )
    middle, made, used = Fraction(FEED_IN + RETAIL, 2), sum(supply), sum(demand)
    assert outcome.match.price == middle
    buyers = middle if made >= used else (middle * made + (used - made) * RETAIL) / used
    sellers = middle if made <= used else (middle * used + (made - used) * FEED_IN) / made
    assert (average(outcome, is_sell=False), average(outcome, is_sell=True)) == (buyers, sellers)


@given(energies, energies)
def test_supply_demand_ratio_of_liu_et_al(supply: list[int], demand: list[int]) -> None:
    """The paper's internal prices, in finer units, for the price is rounded down."""
    fine = 10**6
    tariff = Tariff(retail_price=RETAIL * fine, feed_in_price=FEED_IN * fine)
    outcome = cleared(
        offers(*[(wh, FEED_IN * fine) for wh in supply]) + bids(*[(wh, RETAIL * fine) for wh in demand]),
        "supply_demand_ratio",
        Terms(0, tariff),
    )
    ratio = Fraction(sum(supply), sum(demand))
    selling = Fraction(FEED_IN)
    if ratio <= 1:
        selling = Fraction(FEED_IN * RETAIL) / ((RETAIL - FEED_IN) * ratio + FEED_IN)
    buying = selling * ratio + RETAIL * (1 - ratio) if ratio <= 1 else Fraction(FEED_IN)
    price = outcome.match.price
    assert price is not None
    assert 0 <= selling * fine - price < 1
    local = Fraction(outcome.volume, sum(demand))
    assert abs(price * local + RETAIL * fine * (1 - local) - buying * fine) < 1


@pytest.mark.parametrize(("supply", "price"), [(0, None), (1, 23), (5, 12), (10, 8), (20, 8)])
def test_the_ratio_moves_the_price_from_retail_to_feed_in(supply: int, price: int | None) -> None:
    """10 units are wanted; 240 / (22 * SDR + 8), by hand: 23.5, 12.6, 8, and feed-in beyond."""
    book = [*bids((10, RETAIL)), *(offers((supply, FEED_IN)) if supply else [])]
    assert cleared(book, "supply_demand_ratio", Terms(0, TARIFF)).match.price == price


def test_the_fee_is_shared_by_both_sides_of_the_mid_market_rate() -> None:
    outcome = cleared(offers((5, FEED_IN)) + bids((5, RETAIL)), "mid_market_rate", Terms(4, TARIFF))
    assert outcome.match.price == 17
    assert RETAIL - 4 - 17 == 17 - FEED_IN == 9


@pytest.mark.parametrize("mechanism", LOCAL)
def test_a_fee_that_eats_the_gain_leaves_no_trade(mechanism: str) -> None:
    book = offers((5, FEED_IN)) + bids((5, RETAIL))
    assert cleared(book, mechanism, Terms(RETAIL, TARIFF)).volume == 0


@pytest.mark.parametrize("mechanism", LOCAL)
def test_a_local_price_needs_the_tariffs(mechanism: str) -> None:
    with pytest.raises(BookError, match=f"{mechanism} needs the utility's tariffs"):
        cleared(offers((5, 1)) + bids((5, 9)), mechanism)


def test_who_refuses_the_local_price_is_left_out_and_the_long_side_is_shared_out() -> None:
    book = offers((3, FEED_IN), (6, FEED_IN), (1, 25)) + bids((5, RETAIL), (4, 18))
    outcome = cleared(book, "mid_market_rate", Terms(0, TARIFF))  # 19: neither o2 nor b1
    assert outcome.trades() == [("b0", "o0", 2, 19), ("b0", "o1", 3, 19)]  # 5/3 and 10/3: the larger remainder is o0's
    assert outcome.left.tolist() == [0, 4, 1, 3, 1]  # b0 b1 o0 o1 o2


# ---- all of them


@every
@given(lots=lots_of(actors=5, most=14), fee=fees)
def test_promises(mechanism: str, lots: list[Lot], fee: int) -> None:
    outcome = cleared(lots, mechanism, Terms(fee, TARIFF))
    by_id = {lot.id: lot for lot in lots}
    used: Counter[str] = Counter()
    for bid, offer, energy, price in outcome.trades():
        buyer, seller = by_id[bid], by_id[offer]
        assert energy > 0
        assert buyer.actor != seller.actor, "nobody trades with itself"
        assert seller.price <= price <= buyer.price - fee, "nobody loses"
        used.update({bid: energy, offer: energy})
    ids = outcome.book.ids.tolist()
    for sell, buy, energy in outcome.own_use:
        assert by_id[ids[sell]].actor == by_id[ids[buy]].actor
        used.update({ids[sell]: energy, ids[buy]: energy})
    left = dict(zip(ids, outcome.left.tolist(), strict=True))
    assert {lot.id: lot.energy for lot in lots} == {one: used[one] + left[one] for one in ids}
    assert min(left.values(), default=0) >= 0
    assert sum(left[lot.id] * (1 if lot.is_sell else -1) for lot in lots) == outcome.book.supply - outcome.book.demand


@every
@given(lots=lots_of(actors=5, most=14), fee=fees, shuffle=st.randoms(use_true_random=False))
def test_order_of_the_input_changes_nothing(mechanism: str, lots: list[Lot], fee: int, shuffle: random.Random) -> None:
    expected = cleared(lots, mechanism, Terms(fee, TARIFF))
    shuffled = list(lots)
    shuffle.shuffle(shuffled)
    found = cleared(shuffled, mechanism, Terms(fee, TARIFF))
    assert found.trades() == expected.trades()
    assert found.left.tolist() == expected.left.tolist()
    assert found.own_use == expected.own_use


small = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9)), min_size=1, max_size=3)


@every
@given(supply=small, demand=small, fee=fees)
def test_welfare_is_maximal_or_below(
    mechanism: str, supply: list[tuple[int, int]], demand: list[tuple[int, int]], fee: int
) -> None:
    lots = offers(*supply) + bids(*demand)
    outcome = cleared(lots, mechanism, Terms(fee, TARIFF))
    best, volume = best_welfare(lots, fee)
    if mechanism in CROSSING:
        assert (outcome.welfare, outcome.volume) == (best, volume)
    else:
        assert 0 <= outcome.welfare <= best


@pytest.mark.parametrize("mechanism", LOCAL)
@given(lots=lots_of(actors=50, most=12), fee=fees)
def test_the_long_side_is_filled_pro_rata_and_the_short_side_whole(mechanism: str, lots: list[Lot], fee: int) -> None:
    outcome = cleared(lots, mechanism, Terms(fee, TARIFF))
    price = outcome.match.price
    if price is None or outcome.own_use:
        return
    book = outcome.book
    for is_sell in (True, False):
        willing = [
            (int(book.energies[row]), int(book.energies[row] - outcome.left[row]))
            for row in range(len(book))
            if book.is_sell[row] == is_sell
            and (book.prices[row] <= price if is_sell else book.prices[row] - fee >= price)
        ]
        share = Fraction(outcome.volume, sum(wanted for wanted, _ in willing))
        assert all(abs(filled - wanted * share) < 1 for wanted, filled in willing)


def test_an_unknown_mechanism_is_named() -> None:
    with pytest.raises(BookError, match="no mechanism 'vickrey'; there are: uniform, pay_as_bid"):
        cleared([], "vickrey")
