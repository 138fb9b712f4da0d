"""The uniform price against published examples, brute force over small books, and properties."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clearing import clear
from contracts.matching import Terms
from contracts.order_book import BookEntry
from contracts.orders import Order, Side
from tests.contracts.books import Lot, agreeing_prices, best_welfare, bids, cleared, lots_of, offers

SLOT = 7


@pytest.mark.parametrize(
    ("book", "volume", "interval"),
    [
        # worked by hand after the cases of GridLAB-D's auction (market module)
        (offers((10, 20)) + bids((10, 30)), 10, (20, 30)),  # both exhausted: agree between the limits
        (offers((10, 20)) + bids((6, 30)), 6, (20, 20)),  # marginal seller: its price
        (offers((6, 20)) + bids((10, 30)), 6, (30, 30)),  # marginal buyer: its price
        (offers((5, 10), (5, 26)) + bids((5, 30)), 5, (10, 26)),  # the next seller narrows from above
        (offers((5, 10)) + bids((5, 30), (5, 18)), 5, (18, 30)),  # the next buyer narrows from below
        (offers((10, 31)) + bids((10, 30)), 0, None),  # no crossing
        (offers((10, 30)) + bids((10, 30)), 10, (30, 30)),  # equal limits trade
        ([], 0, None),
        (offers((10, 20)), 0, None),
        (bids((10, 20)), 0, None),
    ],
)
def test_worked_examples(book: list[Lot], volume: int, interval: tuple[int, int] | None) -> None:
    result = cleared(book)
    assert (result.volume, result.match.interval) == (volume, interval)
    assert result.match.price == (None if interval is None else sum(interval) // 2)


@pytest.mark.parametrize(
    ("first", "second", "offer", "price", "volume"),
    [
        # market/autotest/test_market_auction_clearing_6_morebuyers.glm of GridLAB-D, its twelve cases, (energy, price)
        ((6, 40), (8, 40), (14, 30), 35, 14),
        ((5, 50), (5, 40), (12, 30), 30, 10),
        ((5, 40), (3, 40), (4, 30), 40, 4),
        ((3, 45), (3, 40), (5, 30), 40, 5),
        ((55, 40), (55, 40), (80, 30), 40, 80),  # tenfold: it has halves
        ((4, 40), (4, 40), (10, 30), 30, 8),
        ((4, 40), (4, 40), (10, 40), 40, 8),
        ((4, 40), (4, 40), (12, 35), 35, 8),
        ((4, 40), (4, 40), (6, 40), 40, 6),
        ((4, 50), (4, 40), (10, 45), 45, 4),
    ],
)
def test_gridlabd_two_buyers(
    first: tuple[int, int], second: tuple[int, int], offer: tuple[int, int], price: int, volume: int
) -> None:
    result = cleared(offers(offer) + bids(first, second))
    assert (result.match.price, result.volume) == (price, volume)


@pytest.mark.parametrize(
    ("buyers", "sellers", "doubled", "twice_the_price", "volume"),
    [
        # market/autotest/test_markets_auction_large_*.glm of GridLAB-D; prices twice as high, for one is 67.5
        (range(1, 101), range(2, 102), None, 2 * 51, 50),  # balanced exact
        (range(2, 201, 2), range(1, 101), None, 135, 67),  # balanced marginal price
        (range(1, 101), range(2, 152), 51, 2 * 51, 50),  # unbalanced marginal buyer
    ],
)
def test_gridlabd_large(buyers: range, sellers: range, doubled: int | None, twice_the_price: int, volume: int) -> None:
    wanted = [(2 if price == doubled else 1, 2 * price) for price in buyers]
    result = cleared(offers(*[(1, 2 * price) for price in sellers]) + bids(*wanted))
    assert (result.match.price, result.volume) == (twice_the_price, volume)


@pytest.mark.parametrize(
    ("demand", "supply", "gridlabd", "interval"),
    [
        # market/autotest/test_markets_auction_cases_4_and_5.glm: the next order lies between the marginal two.
        # GridLAB-D takes their middle and moves it just off the next order (20 + or - 0.0001).
        (((10, 25), (10, 20)), ((10, 10), (10, 30)), 20.0001, (20, 25)),
        (((10, 30), (10, 10)), ((10, 15), (10, 20)), 19.9999, (15, 20)),
    ],
)
def test_gridlabds_price_lies_in_the_interval(
    demand: tuple[tuple[int, int], ...],
    supply: tuple[tuple[int, int], ...],
    gridlabd: float,
    interval: tuple[int, int],
) -> None:
    result = cleared(offers(*supply) + bids(*demand))
    assert result.match.interval == interval
    assert interval[0] <= gridlabd <= interval[1]
    assert result.match.price == sum(interval) // 2


@pytest.mark.parametrize(
    ("book", "volume", "price", "welfare"),
    [
        # pymarket, tests/conftest.py and test_demand_curves.py, test_maximum_aggregated_utility.py; 1 for 0.1
        (offers((4, 2), (1, 1), (5, 6)) + bids((1, 3), (2, 4), (5, 1)), 3, 2, 6),
        (
            offers((1, 10), (1, 20), (2, 30), (2, 40), (1, 61))
            + bids((1, 67), (1, 66), (1, 65), (1, 64), (1, 63), (1, 60)),
            6,
            50,
            67 + 66 + 65 + 64 + 63 + 60 - 10 - 20 - 30 - 30 - 40 - 40,
        ),
        # dauction (github.com/kchristidis/dauction), README; 1 for 0.01
        (offers((2, 650), (2, 1100)) + bids((2, 650), (2, 1000)), 2, 825, 700),
        # course "Double Auction" of the Blockchain Academy Mittweida, average mechanism; 1 for 0.1
        (
            offers(*[(1, p) for p in (800, 850, 950, 1000, 1100)])
            + bids(*[(1, p) for p in (1000, 900, 800, 700, 600)]),
            2,
            875,
            1000 + 900 - 800 - 850,
        ),
    ],
)
def test_published_examples(book: list[Lot], volume: int, price: int, welfare: int) -> None:
    result = cleared(book)
    assert (result.volume, result.match.price, result.welfare) == (volume, price, welfare)


def test_assumes_price_is_the_lower_end_of_the_interval() -> None:
    """ASSUME, tests/test_simple_market_mechanisms.py, pay as clear: the dearest offer that is accepted."""
    result = cleared(offers((300, 100), (200, 50)) + bids((400, 3000), (100, 3000)))
    assert result.volume == 500
    assert result.match.interval == (100, 3000)


def test_price_ties_go_by_id() -> None:
    late, early = Lot("9", 1, True, 20, 10), Lot("3", 2, True, 20, 10)
    assert [offer for _, offer, _, _ in cleared([late, early, *bids((10, 30))]).trades()] == ["3"]


def test_a_partly_filled_order_is_shared_between_pairs() -> None:
    found = cleared(offers((10, 10), (10, 12)) + bids((4, 30), (12, 20))).trades()
    assert found == [("b0", "o0", 4, 12), ("b1", "o0", 6, 12), ("b1", "o1", 6, 12)]


def test_a_buyers_limit_includes_the_grid_fee() -> None:
    book = offers((10, 20)) + bids((10, 30))
    assert cleared(book, terms=Terms(grid_fee=4)).match.interval == (20, 26)
    assert cleared(book, terms=Terms(grid_fee=10)).match.price == 20
    assert cleared(book, terms=Terms(grid_fee=11)).volume == 0
    assert cleared(book, terms=Terms(grid_fee=4)).welfare == 60


fees = st.integers(0, 4)
small = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 6)), min_size=1, max_size=3)


@given(small, small, fees)
def test_welfare_volume_and_prices_equal_brute_force(
    supply: list[tuple[int, int]], demand: list[tuple[int, int]], fee: int
) -> None:
    lots = offers(*supply) + bids(*demand)
    result = cleared(lots, terms=Terms(fee))
    assert (result.welfare, result.volume) == best_welfare(lots, fee)
    if result.match.interval is not None:
        low, high = result.match.interval
        assert list(range(low, high + 1)) == agreeing_prices(lots, fee, 6)


@given(lots_of(actors=50, most=30), fees)
def test_nobody_who_would_gain_is_left_out(lots: list[Lot], fee: int) -> None:
    result = cleared(lots, terms=Terms(fee))
    price = result.match.price
    if price is None:
        return
    book = result.book
    for row in range(len(book)):
        gain = price - int(book.prices[row]) if book.is_sell[row] else int(book.prices[row]) - fee - price
        assert result.left[row] == 0 or gain <= 0


@given(lots_of(actors=6, most=20), fees, st.randoms(use_true_random=False))
def test_fills_are_fewer_than_orders(lots: list[Lot], fee: int, shuffle: random.Random) -> None:
    result = cleared(lots, terms=Terms(fee))
    assert len(result.trades()) <= max(0, len(lots) - 1)
    shuffled = list(lots)
    shuffle.shuffle(shuffled)
    assert cleared(shuffled, terms=Terms(fee)).trades() == result.trades()


# ---- the operator's records


def entry(number: int, side: Side, energy_wh: int, price: int) -> BookEntry:
    order = Order(
        member=number, slot=SLOT, side=side, energy_wh=energy_wh, limit_price=price, expiry_slot=SLOT, salt=number
    )
    return BookEntry(order_hash=f"0x{number:064x}", order=order)


def test_a_clearing_has_one_price_or_one_for_each_fill() -> None:
    book = [entry(1, Side.SELL, 10, 20), entry(2, Side.BUY, 4, 30), entry(3, Side.BUY, 6, 28)]
    one = clear(SLOT, book)
    assert (one.slot, one.price, one.price_low, one.price_high, one.volume_wh) == (SLOT, 24, 20, 28, 10)
    assert [(int(fill.sell, 16), int(fill.buy, 16), fill.energy_wh, fill.price) for fill in one.fills] == [
        (1, 2, 4, None),
        (1, 3, 6, None),
    ]
    own = clear(SLOT, book, "pay_as_bid")
    assert own.price is None
    assert [fill.price for fill in own.fills] == [30, 28]
    assert own.model_validate_json(own.model_dump_json()) == own


def test_without_trade_there_is_no_price() -> None:
    assert clear(SLOT, [entry(1, Side.SELL, 10, 20)]).model_dump() == {
        "slot": SLOT,
        "price": None,
        "price_low": None,
        "price_high": None,
        "volume_wh": 0,
        "fills": (),
    }


def test_an_order_of_another_slot_is_an_error() -> None:
    with pytest.raises(ValueError, match="is for slot 7, the auction is of slot 8"):
        clear(8, [entry(1, Side.SELL, 1, 1)])
