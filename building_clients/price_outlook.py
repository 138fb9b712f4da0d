"""What a building expects of local prices, from the auctions that it could see."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

FORGETTING = 0.2
"""Weight of the newest auction in the mean of those at the same time of day [1]"""
START = 0.5
"""Before any auction: the middle between the tariffs [1]"""
MEMORY_DAYS = 28
"""Auctions at the same time of day that the likely prices come from [d]"""
DAY_WEIGHT = 0.93
"""Weight of an auction over that of the day after it [1]"""
DOUBT = 0.1
"""Weight of the price that is expected before any auction, where a like auction of yesterday has 1 [1]"""
LIKENESS = 0.25
"""An auction counts by how near the one before it was to the newest one; at this distance 1/e [1]"""


@dataclass(frozen=True)
class AuctionResult:
    """What everybody may know of one slot's auction."""

    price: float | None
    """None when nothing was traded [currency/kWh]"""
    supply_wh: int
    """Energy in all sell orders [Wh]"""
    demand_wh: int
    """Energy in all buy orders [Wh]"""


@dataclass(frozen=True)
class LikelyPrices:
    """What the next auction may come to."""

    prices: np.ndarray
    """shape (n,) [currency/kWh]"""
    chances: np.ndarray
    """Of each; together 1; shape (n,) [1]"""


class PriceOutlook:
    """Where prices lie between the tariffs: 0 is the feed-in tariff, 1 the retail tariff.

    Without a trade the price lies where the longer side had to go: there is nobody to buy from (1), or nobody to sell
    to (0).
    """

    def __init__(self, per_day: int) -> None:
        self._mean = np.full(per_day, START)
        self._seen: list[deque[tuple[float, float]]] = [deque(maxlen=MEMORY_DAYS) for _ in range(per_day)]
        self._newest = START

    def observe(self, slot: int, result: AuctionResult, feed_in: float, retail: float) -> None:
        """Learn from the auction of `slot`, in which these tariffs held [currency/kWh]"""
        place = _place(result, feed_in, retail)
        if place is None:
            return
        index = slot % len(self._mean)
        self._mean[index] += FORGETTING * (place - self._mean[index])
        self._seen[index].append((place, self._newest))
        self._newest = place

    def expected(self, slot: int, feed_in: np.ndarray, retail: np.ndarray) -> np.ndarray:
        """Mean prices of the slots from `slot` on, as many as there are tariffs [currency/kWh]

        An exponentially weighted mean of those at the same time of day; for `slot` itself the newest one while there
        is none.
        """
        places = self._mean[(slot + np.arange(len(retail))) % len(self._mean)]
        if not self._seen[slot % len(self._mean)]:
            places[0] = self._newest
        return np.asarray(feed_in + places * (retail - feed_in))

    def known(self, slot: int, steps: int) -> np.ndarray:
        """Whether there was an auction at the time of day of each slot from `slot` on; shape (steps,)"""
        return np.array([bool(self._seen[number % len(self._mean)]) for number in range(slot, slot + steps)])

    def likely(self, slot: int, feed_in: float, retail: float) -> LikelyPrices:
        """What `slot` may come to: the prices of the last weeks at this time of day.

        Those that followed on a price like the newest one are more likely. The middle between the tariffs always
        stays possible: who no longer saw any gain would stay away from the auction for good.
        """
        places, before = np.array(self._seen[slot % len(self._mean)]).reshape(-1, 2).T
        weights = DAY_WEIGHT ** np.arange(len(places))[::-1] * np.exp(-np.abs(before - self._newest) / LIKENESS)
        places, weights = np.append(places, START), np.append(weights, DOUBT)
        return LikelyPrices(feed_in + places * (retail - feed_in), weights / weights.sum())


def _place(result: AuctionResult, feed_in: float, retail: float) -> float | None:
    """None where there is nothing to learn; the contract allows equal tariffs, and between them is no place."""
    if retail <= feed_in:
        return None
    if result.price is not None:
        return float(np.clip((result.price - feed_in) / (retail - feed_in), 0, 1))
    if result.supply_wh or result.demand_wh:
        return float(result.demand_wh > result.supply_wh)
    return None
