"""What a state machine draws: orders, fills, readings and offers, often wrong in one way or another."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from contracts.balances import Tariff
from tests.contracts.paired_market import FEED_IN, GUEST, LATE, NOBODY, NUMBERS, POOR, RETAIL, RICH, WIDE

RARELY = st.sampled_from([False] * 19 + [True])
MEMBERS = st.sampled_from([RICH, WIDE, POOR, GUEST] * 5 + [LATE, NOBODY])
ANYBODY = st.sampled_from(NUMBERS)
ENERGY_WH = st.sampled_from([100, 333, 500, 1000, 1001, 5000] * 3 + [1, 2**31 - 1, 2**31, 2**40])
FILLED_WH = st.sampled_from([1, 7, 33, 50, 90, 100, 101, 333] * 3 + [0, 2**31 - 1, 2**31])
PRICES = st.sampled_from([0, 1, 90_001, 190_001, 190_001, 250_000, 990_000])
SLOTS_AGO = st.sampled_from([1, 1, 1, 1, 1, 2, 3, 0])
QUARTERS = st.sampled_from([0, 1, 2, 3, 4, 5])
"""Of what there is; the fifth is one unit too much."""
NO_SUCH = 4
INDEXES = st.sampled_from([0, 1, 2, 3] * 5 + [NO_SUCH])
"""Of orders, modulo how many there are; the last stands for one that does not exist."""
FILLS = st.lists(st.tuples(INDEXES, INDEXES, FILLED_WH), max_size=8)
STEPS = st.sampled_from([1, 1, 1, 2, 3, 0, -1, 126, 128])
"""How far the clock is moved: 128 slots later a slot has the same place in the ring."""
TARIFFS = st.sampled_from([(RETAIL, FEED_IN), (333_333, 77_777), (100, 0), (100, 100), (1_000_001, 0), (100, 101)]).map(
    lambda prices: Tariff(retail_price=prices[0], feed_in_price=prices[1])
)


class OrderDraw(NamedTuple):
    """An order that fits the slot and the price, except where it does not."""

    member: int
    energy_wh: int
    margin: int
    """How far the limit is on the good side of the price [base units/kWh]"""
    salt: int
    is_forged: bool
    is_of_other_slot: bool
    is_of_other_side: bool
    earlier: int | None
    """Takes an earlier order instead."""


class ReadingDraw(NamedTuple):
    """A reading that follows the member's last one, except where it does not."""

    member: int
    slots_ago: int
    sequence_step: int
    imported_wh: int
    exported_wh: int
    is_forged: bool
    is_stale: bool
    """Takes an earlier reading instead."""


class OfferDraw(NamedTuple):
    """An offer of energy that somebody has, except where it is not."""

    member: int
    is_of_owner: bool
    """Offered by whoever has energy, if anybody."""
    energy_wh: int
    price: int
    slots_ago: int
    lasts: int
    is_forged: bool
    is_to_buy: bool
    earlier: int | None
    """Takes an earlier offer instead."""


class SlotDraw(NamedTuple):
    """A slot as a community has it: metered, settled, its energy offered; and an older one closed."""

    readings: list[ReadingDraw]
    price: int
    sells: list[OrderDraw]
    buys: list[OrderDraw]
    fills: list[tuple[int, int, int]]
    offers: list[tuple[OfferDraw, int, int]]
    """Offer, buyer, and how many quarters of the energy."""
    closing: list[int]


EARLIER = st.sampled_from([None] * 40 + list(range(6)))
MARGINS = st.sampled_from([0, 1, 40_000, 90_000] * 3 + [-1])
ORDERS = st.lists(
    st.builds(OrderDraw, MEMBERS, ENERGY_WH, MARGINS, st.integers(0, 2), RARELY, RARELY, RARELY, EARLIER),
    min_size=1,
    max_size=4,
)
REGISTER_STEPS = st.sampled_from([0, 0, 1, 400, 500, 1000, 1000, 1001, -1])
SEQUENCE_STEPS = st.sampled_from([1, 1, 1, 1, 4, 0])
WIDE_STEPS = st.sampled_from([0, 0, 500, 2**31 - 1, 2**31, 2**32])
READINGS = st.lists(
    st.one_of(
        st.builds(ReadingDraw, MEMBERS, SLOTS_AGO, SEQUENCE_STEPS, REGISTER_STEPS, REGISTER_STEPS, RARELY, RARELY),
        st.builds(ReadingDraw, MEMBERS, SLOTS_AGO, st.just(1), st.just(0), REGISTER_STEPS, st.just(False), RARELY),
        st.builds(ReadingDraw, st.just(WIDE), SLOTS_AGO, st.just(1), WIDE_STEPS, WIDE_STEPS, RARELY, RARELY),
    ),
    max_size=6,
)
OFFERS = st.builds(
    OfferDraw,
    MEMBERS,
    st.sampled_from([True, True, True, False]),
    ENERGY_WH,
    PRICES,
    SLOTS_AGO,
    st.sampled_from([9, 9, 9, 2, 1, 0]),
    RARELY,
    RARELY,
    EARLIER,
)
MEANT_STEPS = st.sampled_from([0, 0, 300, 500, 1000])
MEANT_READINGS = st.tuples(
    *(
        st.builds(ReadingDraw, st.just(n), st.just(1), st.just(1), MEANT_STEPS, MEANT_STEPS, RARELY, RARELY)
        for n in (RICH, WIDE, POOR)
    )
)
SLOTS = st.builds(
    SlotDraw,
    st.tuples(MEANT_READINGS, READINGS).map(lambda parts: [*parts[0], *parts[1][:1]]),
    PRICES,
    ORDERS,
    ORDERS,
    FILLS,
    st.lists(st.tuples(OFFERS, ANYBODY, QUARTERS), max_size=2),
    st.permutations(NUMBERS) | st.lists(ANYBODY, max_size=4),
)
