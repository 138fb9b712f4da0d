"""The auction against worked examples, brute force over small books, and properties."""

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clearing import BookEntry, Clearing, clear
from contracts.orders import Order, Side

SLOT = 7


def entry(number: int, side: Side, energy_wh: int, price: int, member: int | None = None) -> BookEntry:
    order = Order(
        member=number if member is None else member,
        slot=SLOT,
        side=side,
        energy_wh=energy_wh,
        limit_price=price,
        expiry_slot=SLOT,
        salt=number,
    )
    return BookEntry(order_hash=f"0x{number:064x}", order=order)


def sell(number: int, energy_wh: int, price: int) -> BookEntry:
    return entry(number, Side.SELL, energy_wh, price)


def buy(number: int, energy_wh: int, price: int) -> BookEntry:
    return entry(number, Side.BUY, energy_wh, price)


@pytest.mark.parametrize(
    ("book", "volume", "interval"),
    [
        # worked by hand after the cases of GridLAB-D's auction (market module)
        ([sell(1, 10, 20), buy(2, 10, 30)], 10, (20, 30)),  # both exhausted: agree between the limits
        ([sell(1, 10, 20), buy(2, 6, 30)], 6, (20, 20)),  # marginal seller: its price
        ([sell(1, 6, 20), buy(2, 10, 30)], 6, (30, 30)),  # marginal buyer: its price
        ([sell(1, 5, 10), sell(2, 5, 26), buy(3, 5, 30)], 5, (10, 26)),  # the next seller narrows from above
        ([sell(1, 5, 10), buy(2, 5, 30), buy(3, 5, 18)], 5, (18, 30)),  # the next buyer narrows from below
        ([sell(1, 10, 31), buy(2, 10, 30)], 0, None),  # no crossing
        ([sell(1, 10, 30), buy(2, 10, 30)], 10, (30, 30)),  # equal limits trade
        ([], 0, None),
        ([sell(1, 10, 20)], 0, None),
    ],
)
def test_worked_examples(book: list[BookEntry], volume: int, interval: tuple[int, int] | None) -> None:
    result = clear(SLOT, book)
    assert result.volume_wh == volume
    if interval is None:
        assert result.price is None
        assert result.fills == ()
    else:
        assert (result.price_low, result.price_high) == interval
        assert result.price == sum(interval) // 2


def test_price_ties_go_by_order_hash() -> None:
    result = clear(SLOT, [sell(9, 10, 20), sell(3, 10, 20), buy(5, 10, 30)])
    assert [int(fill.sell, 16) for fill in result.fills] == [3]


def test_a_member_never_trades_with_itself() -> None:
    own = [entry(1, Side.SELL, 10, 10, member=1), entry(2, Side.BUY, 4, 30, member=1)]
    result = clear(SLOT, [*own, buy(3, 10, 25)])
    assert [(int(f.sell, 16), int(f.buy, 16), f.energy_wh) for f in result.fills] == [(1, 3, 10)]


def test_an_order_of_another_slot_is_an_error() -> None:
    with pytest.raises(ValueError, match="is for slot 7, the auction is of slot 8"):
        clear(8, [sell(1, 1, 1)])


side_prices = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 12)), max_size=6)


def make_book(sells: list[tuple[int, int]], buys: list[tuple[int, int]]) -> list[BookEntry]:
    book = [sell(i + 1, energy, price) for i, (energy, price) in enumerate(sells)]
    return book + [buy(i + 100, energy, price) for i, (energy, price) in enumerate(buys)]


def welfare(book: list[BookEntry], result: Clearing) -> int:
    limits = {e.order_hash: e.order.limit_price for e in book}
    return sum((limits[fill.buy] - limits[fill.sell]) * fill.energy_wh for fill in result.fills)


@given(side_prices, side_prices)
def test_properties(sells: list[tuple[int, int]], buys: list[tuple[int, int]]) -> None:
    book = make_book(sells, buys)
    result = clear(SLOT, book)
    orders = {e.order_hash: e.order for e in book}
    filled: dict[str, int] = {}
    for fill in result.fills:
        assert fill.energy_wh > 0
        for order_hash in (fill.sell, fill.buy):
            filled[order_hash] = filled.get(order_hash, 0) + fill.energy_wh
    for order_hash, energy_wh in filled.items():
        order = orders[order_hash]
        assert energy_wh <= order.energy_wh
        assert result.price is not None
        assert order.limit_price <= result.price if order.side is Side.SELL else order.limit_price >= result.price
    for e in book:  # nobody who would gain at the price is left out
        if result.price is not None and filled.get(e.order_hash, 0) < e.order.energy_wh:
            gain = (e.order.limit_price - result.price) * (1 if e.order.side is Side.BUY else -1)
            assert gain <= 0 or (result.price_low == result.price and gain < 1)


@given(side_prices, side_prices, st.randoms(use_true_random=False))
def test_order_of_the_input_changes_nothing(
    sells: list[tuple[int, int]], buys: list[tuple[int, int]], shuffle: random.Random
) -> None:
    book = make_book(sells, buys)
    expected = clear(SLOT, book)
    shuffle.shuffle(book)
    assert clear(SLOT, book) == expected


small = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=3)


@given(small, small)
def test_welfare_and_volume_equal_brute_force(sells: list[tuple[int, int]], buys: list[tuple[int, int]]) -> None:
    """Every split of whole Wh over the orders is tried."""
    book = make_book(sells, buys)
    best = (0, 0)
    for sold in product(*(range(energy + 1) for energy, _ in sells)):
        for bought in product(*(range(energy + 1) for energy, _ in buys)):
            if sum(sold) == sum(bought):
                cost = sum(n * price for n, (_, price) in zip(sold, sells, strict=True))
                value = sum(n * price for n, (_, price) in zip(bought, buys, strict=True))
                best = max(best, (value - cost, sum(sold)))
    result = clear(SLOT, book)
    assert (welfare(book, result), result.volume_wh) == best
