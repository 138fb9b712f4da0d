"""Clearing: a uniform-price double auction of one slot, in integers, pure and deterministic.

Volume: bids sorted from the highest price, offers from the lowest, are matched until they no longer cross; that is the
welfare-maximal allocation. Price: the midpoint of the interval in which the marginal orders agree, as GridLAB-D's
auction does (its market module, "marginal midpoint"), rounded down. Ties: by price, then by order hash.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from contracts.orders import Order, Side
from simulation.settings import Settings


class BookEntry(Settings):
    """An order in the book of a slot."""

    order_hash: str
    """Identity of the order; the last rule for ties."""
    order: Order
    """The order."""


class Fill(Settings):
    """Energy that one sell order gives to one buy order."""

    sell: str
    """Hash of the sell order."""
    buy: str
    """Hash of the buy order."""
    energy_wh: int
    """[Wh]"""


class Clearing(Settings):
    """What the auction of one slot came to."""

    slot: int
    """The slot."""
    price: int | None
    """The one price of all fills; None when nothing was traded [base units/kWh]"""
    price_low: int | None
    """Lowest price on which the marginal orders agree [base units/kWh]"""
    price_high: int | None
    """Highest price on which the marginal orders agree [base units/kWh]"""
    volume_wh: int
    """Energy traded [Wh]"""
    fills: tuple[Fill, ...]
    """Who gives how much to whom."""


class _Lot(NamedTuple):
    price: int
    order_hash: str
    energy_wh: int


def clear(slot: int, book: Sequence[BookEntry]) -> Clearing:
    """Clear the orders of `slot`. Orders of other slots are an error; one member's two sides are netted out first."""
    for entry in book:
        if entry.order.slot != slot:
            raise ValueError(f"order {entry.order_hash} is for slot {entry.order.slot}, the auction is of slot {slot}")
    one_sided = _without_self_trade(book)
    sells = sorted(_lots(one_sided, Side.SELL), key=lambda lot: (lot.price, lot.order_hash))
    buys = sorted(_lots(one_sided, Side.BUY), key=lambda lot: (-lot.price, lot.order_hash))
    fills, sold, bought = _match(sells, buys)
    if not fills:
        return Clearing(slot=slot, price=None, price_low=None, price_high=None, volume_wh=0, fills=())
    low, high = _price_interval(sells, buys, sold, bought)
    return Clearing(
        slot=slot,
        price=(low + high) // 2,
        price_low=low,
        price_high=high,
        volume_wh=sum(fill.energy_wh for fill in fills),
        fills=tuple(fills),
    )


def _without_self_trade(book: Sequence[BookEntry]) -> list[BookEntry]:
    """A member on both sides keeps only its side with more energy (selling on a tie): it cannot trade with itself."""
    wanted: dict[int, int] = defaultdict(int)
    for entry in book:
        sign = 1 if entry.order.side is Side.SELL else -1
        wanted[entry.order.member] += sign * entry.order.energy_wh
    return [e for e in book if (e.order.side is Side.SELL) == (wanted[e.order.member] >= 0)]


def _lots(book: Sequence[BookEntry], side: Side) -> list[_Lot]:
    return [
        _Lot(entry.order.limit_price, entry.order_hash, entry.order.energy_wh)
        for entry in book
        if entry.order.side is side
    ]


def _match(sells: Sequence[_Lot], buys: Sequence[_Lot]) -> tuple[list[Fill], int, int]:
    """Sweep both sorted sides; returns the fills and the index of the last sell and buy that took part."""
    fills: list[Fill] = []
    sell = buy = 0
    left_sell = left_buy = 0
    last = (-1, -1)
    while sell < len(sells) and buy < len(buys) and sells[sell].price <= buys[buy].price:
        left_sell = left_sell or sells[sell].energy_wh
        left_buy = left_buy or buys[buy].energy_wh
        energy_wh = min(left_sell, left_buy)
        fills.append(Fill(sell=sells[sell].order_hash, buy=buys[buy].order_hash, energy_wh=energy_wh))
        last = (sell, buy)
        left_sell -= energy_wh
        left_buy -= energy_wh
        sell += left_sell == 0
        buy += left_buy == 0
    return fills, *last


def _price_interval(sells: Sequence[_Lot], buys: Sequence[_Lot], sold: int, bought: int) -> tuple[int, int]:
    """Prices at which exactly this volume is wanted by both sides: below the marginal buyer and the first seller left
    out, above the marginal seller and the first buyer left out. A partly filled order sets the price by itself."""
    volume_sold = sum(lot.energy_wh for lot in sells[: sold + 1])
    volume_bought = sum(lot.energy_wh for lot in buys[: bought + 1])
    if volume_sold > volume_bought:
        return sells[sold].price, sells[sold].price
    if volume_bought > volume_sold:
        return buys[bought].price, buys[bought].price
    low = max([sells[sold].price, *(lot.price for lot in buys[bought + 1 : bought + 2])])
    high = min([buys[bought].price, *(lot.price for lot in sells[sold + 1 : sold + 2])])
    return low, high
