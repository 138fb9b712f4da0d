"""Small books for tests, and what brute force says of them."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from hypothesis import strategies as st

from contracts.balances import Tariff
from contracts.clearing import Outcome, clear_book
from contracts.matching import NO_TERMS, Terms
from contracts.order_book import Book

FEED_IN, RETAIL = 8, 30
TARIFF = Tariff(retail_price=RETAIL, feed_in_price=FEED_IN)


class Lot(NamedTuple):
    """One order."""

    id: str
    actor: int
    is_sell: bool
    price: int
    energy: int


def offers(*lots: tuple[int, int]) -> list[Lot]:
    """Offers of (energy, price), each of an actor of its own."""
    return [Lot(f"o{number}", number, True, price, energy) for number, (energy, price) in enumerate(lots)]


def bids(*lots: tuple[int, int]) -> list[Lot]:
    """Bids of (energy, price), each of an actor of its own."""
    return [Lot(f"b{number}", 100 + number, False, price, energy) for number, (energy, price) in enumerate(lots)]


def book(lots: list[Lot]) -> Book:
    ids, actors, is_sell, prices, energies = zip(*lots, strict=True) if lots else ((),) * 5
    return Book.of(ids, actors, is_sell, prices, energies)


def cleared(lots: list[Lot], mechanism: str = "uniform", terms: Terms = NO_TERMS) -> Outcome:
    return clear_book(book(lots), mechanism, terms)


def best_welfare(lots: list[Lot], fee: int) -> tuple[int, int]:
    """Largest welfare, and the largest volume that has it: every split of whole units over the orders is tried."""
    best = (0, 0)
    for taken in product(*(range(lot.energy + 1) for lot in lots)):
        sold = sum(n for n, lot in zip(taken, lots, strict=True) if lot.is_sell)
        bought = sum(n for n, lot in zip(taken, lots, strict=True) if not lot.is_sell)
        if sold == bought:
            values = (-lot.price if lot.is_sell else lot.price - fee for lot in lots)
            best = max(best, (sum(n * value for n, value in zip(taken, values, strict=True)), sold))
    return best


def agreeing_prices(lots: list[Lot], fee: int, highest: int) -> list[int]:
    """Whole prices at which some volume suits both sides: who would gain trades all, who would lose nothing."""
    found = []
    for price in range(highest + 1):
        ranges = []
        for is_sell in (True, False):
            gains = [
                (lot.energy, price - lot.price if is_sell else lot.price - fee - price)
                for lot in lots
                if lot.is_sell is is_sell
            ]
            least = sum(energy for energy, gain in gains if gain > 0)
            ranges.append((least, least + sum(energy for energy, gain in gains if gain == 0)))
        (sell_low, sell_high), (buy_low, buy_high) = ranges
        if max(sell_low, buy_low) <= min(sell_high, buy_high):
            found.append(price)
    return found


def lots_of(actors: int, most: int = 6, energy: int = 40, price: int = RETAIL) -> st.SearchStrategy[list[Lot]]:
    """Books whose orders belong to a few actors, who may be on both sides."""
    parts = st.tuples(st.integers(1, actors), st.booleans(), st.integers(0, price), st.integers(1, energy))
    return st.lists(parts, max_size=most).map(
        lambda found: [Lot(f"{number:02}", *part) for number, part in enumerate(found)]
    )
