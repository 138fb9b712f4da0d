"""What a building learns of local prices: by hand, and by a weighted sum over all that it saw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from building_clients.price_outlook import FORGETTING, START, AuctionResult, PriceOutlook

FEED_IN, RETAIL = 0.08, 0.30
MIDDLE = 0.19


def expected(outlook: PriceOutlook, slot: int, feed_in: float = FEED_IN, retail: float = RETAIL) -> float:
    return float(outlook.expected(slot, np.array([feed_in]), np.array([retail]))[0])


def after(*results: AuctionResult, slot: int = 5) -> PriceOutlook:
    outlook = PriceOutlook(96)
    for day, result in enumerate(results):
        outlook.observe(slot + 96 * day, result, FEED_IN, RETAIL)
    return outlook


def traded(price: float) -> AuctionResult:
    return AuctionResult(price, 1000, 1000)


def test_before_any_auction_the_price_is_the_middle() -> None:
    assert expected(PriceOutlook(96), 7) == pytest.approx(MIDDLE)


@given(st.lists(st.integers(80, 300), max_size=30))
def test_it_is_a_mean_with_weights_that_fade(mille: list[int]) -> None:
    """The newest counts 0.2, the one before 0.2 x 0.8, and so on; what is left is the start's."""
    prices = [price / 1000 for price in mille]
    weights = [FORGETTING * (1 - FORGETTING) ** age for age in range(len(prices))]
    start = FEED_IN + START * (RETAIL - FEED_IN)
    mean = sum(weight * price for weight, price in zip(weights, reversed(prices), strict=True))
    outlook = after(*(traded(price) for price in prices))
    assert expected(outlook, 5) == pytest.approx(mean + (1 - sum(weights)) * start)


@pytest.mark.parametrize(
    ("result", "price"),
    [
        (AuctionResult(None, 0, 500), 0.8 * MIDDLE + 0.2 * RETAIL),
        (AuctionResult(None, 500, 400), 0.8 * MIDDLE + 0.2 * FEED_IN),
        (AuctionResult(None, 0, 0), MIDDLE),
        (AuctionResult(0.90, 500, 400), 0.8 * MIDDLE + 0.2 * RETAIL),
        (AuctionResult(0.01, 500, 400), 0.8 * MIDDLE + 0.2 * FEED_IN),
    ],
    ids=["nobody sells", "nobody buys", "nobody came", "above the tariffs", "below the tariffs"],
)
def test_what_an_auction_without_a_usual_price_tells(result: AuctionResult, price: float) -> None:
    assert expected(after(result), 5) == pytest.approx(price)


def test_each_time_of_day_has_its_own_price_on_every_day() -> None:
    outlook = after(*[traded(0.10)] * 40)
    ahead = outlook.expected(4, np.full(100, FEED_IN), np.full(100, RETAIL))
    assert ahead[[1, 97]] == pytest.approx([0.10, 0.10], abs=1e-4)
    assert np.delete(ahead, [0, 1, 97]) == pytest.approx(np.full(97, MIDDLE))
    assert np.flatnonzero(outlook.known(4, 100)).tolist() == [1, 97]


def test_the_next_slot_is_like_the_newest_while_none_was_seen_at_its_time_of_day() -> None:
    outlook = after(traded(0.10))
    assert expected(outlook, 6) == pytest.approx(0.10)
    assert expected(PriceOutlook(96), 6) == pytest.approx(MIDDLE)


def test_the_price_moves_with_the_tariffs() -> None:
    """A quarter of the way from feed-in to retail stays a quarter of the way when the tariffs change."""
    outlook = after(*[traded(0.135)] * 60)
    assert expected(outlook, 5, feed_in=0.0, retail=0.40) == pytest.approx(0.10, abs=1e-4)


@given(st.lists(st.tuples(st.none() | st.floats(0, 1), st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_the_price_never_leaves_the_tariffs(seen: list[tuple[float | None, int, int]]) -> None:
    outlook = after(*(AuctionResult(*one) for one in seen))
    assert FEED_IN - 1e-9 <= expected(outlook, 5) <= RETAIL + 1e-9


def test_of_equal_tariffs_nothing_is_learned() -> None:
    """The contract allows them; there is no place between them."""
    outlook = PriceOutlook(96)
    outlook.observe(5, traded(0.2), 0.2, 0.2)
    assert expected(outlook, 5) == pytest.approx(MIDDLE)


def test_likely_prices_are_those_of_the_last_weeks_weighed_by_age_and_by_what_came_before_them() -> None:
    """Worked by hand: yesterday followed on a price like now's, the day before on one from the other end."""
    outlook = PriceOutlook(24)
    for slot, price in ((4, 0.30), (5, 0.10), (28, 0.08), (29, 0.20), (52, 0.08)):
        outlook.observe(slot, traded(price), FEED_IN, RETAIL)
    likely = outlook.likely(53, FEED_IN, RETAIL)
    weights = np.array([0.93 * np.exp(-1 / 0.25), 1.0, 0.1])
    assert likely.prices == pytest.approx([0.10, 0.20, MIDDLE])
    assert likely.chances == pytest.approx(weights / weights.sum())


def test_before_any_auction_the_middle_is_the_only_likely_price() -> None:
    likely = PriceOutlook(24).likely(5, FEED_IN, RETAIL)
    assert (likely.prices.tolist(), likely.chances.tolist()) == ([pytest.approx(MIDDLE)], [1.0])
