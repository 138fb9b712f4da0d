"""What a book refuses, and what becomes of an actor's own orders that cross."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.order_book import LARGEST, BookError
from contracts.self_trade import without_self_trade
from tests.contracts.books import Lot, bids, book, lots_of, offers


@pytest.mark.parametrize(
    ("lots", "words"),
    [
        ([Lot("a", 1, True, 5, 0)], "order a: energy 0 must be above 0"),
        ([Lot("a", 1, True, 5, -3)], "order a: energy -3 must be above 0"),
        ([Lot("a", 1, True, -1, 3)], "order a: price -1 must be at least 0"),
        ([Lot("a", 1, True, LARGEST, 3)], "order a: price 4611686018427387904 must be at least 0 and below"),
        ([Lot("a", 1, True, 2**70, 3)], "order a: price 1180591620717411303424 is not below"),
        ([Lot("a", 1, True, 1, 3), Lot("a", 2, False, 1, 3)], "order a is there twice"),
        ([Lot("a", 1, True, 1, 3), Lot("b", 2, False, 1, 2**62)], "the largest is that of order b"),
    ],
)
def test_orders_that_cannot_be(lots: list[Lot], words: str) -> None:
    with pytest.raises(BookError, match=words):
        book(lots)


def test_a_book_is_sorted_by_id() -> None:
    lots = [*bids((3, 7), (4, 8)), *offers((1, 2))]
    found = book(lots[::-1])
    assert found.ids.tolist() == ["b0", "b1", "o0"]
    assert (found.energies.tolist(), found.prices.tolist()) == ([3, 4, 1], [7, 8, 2])
    assert (found.supply, found.demand) == (1, 7)


def test_the_smaller_of_two_own_orders_goes_and_the_larger_keeps_the_difference() -> None:
    lots = [Lot("o", 1, True, 10, 10), Lot("b", 1, False, 30, 4), Lot("c", 2, False, 25, 10)]
    left, own_use = without_self_trade(book(lots), grid_fee=0)
    assert dict(zip(left.ids.tolist(), left.energies.tolist(), strict=True)) == {"b": 0, "c": 10, "o": 6}
    assert [(left.ids[sell], left.ids[buy], energy) for sell, buy, energy in own_use] == [("o", "b", 4)]


def test_best_goes_against_best() -> None:
    lots = [
        Lot("o1", 1, True, 10, 5),
        Lot("o2", 1, True, 12, 5),
        Lot("b1", 1, False, 11, 5),
        Lot("b2", 1, False, 20, 3),
    ]
    _, own_use = without_self_trade(book(lots), grid_fee=0)
    ids = book(lots).ids
    assert [(ids[sell], ids[buy], energy) for sell, buy, energy in own_use] == [("o1", "b1", 2), ("o1", "b2", 3)]


def test_own_orders_that_do_not_cross_after_the_fee_stay() -> None:
    lots = [Lot("o", 1, True, 10, 5), Lot("b", 1, False, 12, 5)]
    assert without_self_trade(book(lots), grid_fee=2)[1]
    assert not without_self_trade(book(lots), grid_fee=3)[1]


@given(lots_of(actors=3, most=12), st.integers(0, 4))
def test_what_is_kept_never_crosses_and_nothing_is_lost(lots: list[Lot], fee: int) -> None:
    before = book(lots)
    after, own_use = without_self_trade(before, fee)
    for actor in {lot.actor for lot in lots}:
        kept = [(lot, energy) for lot, energy in _with(lots, after.ids.tolist(), after.energies.tolist()) if energy]
        own = [lot for lot, _ in kept if lot.actor == actor]
        lowest = min((lot.price for lot in own if lot.is_sell), default=10**9)
        highest = max((lot.price - fee for lot in own if not lot.is_sell), default=-(10**9))
        assert lowest > highest
    taken = sum(energy for _, _, energy in own_use)
    assert (before.supply - after.supply, before.demand - after.demand) == (taken, taken)


def _with(lots: list[Lot], ids: list[str], energies: list[int]) -> list[tuple[Lot, int]]:
    found = dict(zip(ids, energies, strict=True))
    return [(lot, found[lot.id]) for lot in lots]
