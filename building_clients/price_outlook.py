"""What a building expects of local prices, from the auctions that it could see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FORGETTING = 0.2
"""Weight of the newest auction among those at the same time of day [1]"""
START = 0.5
"""Before any auction: the middle between the tariffs [1]"""


@dataclass(frozen=True)
class AuctionResult:
    """What everybody may know of one slot's auction."""

    price: float | None
    """None when nothing was traded [currency/kWh]"""
    supply_wh: int
    """Energy in all sell orders [Wh]"""
    demand_wh: int
    """Energy in all buy orders [Wh]"""


class PriceOutlook:
    """An exponentially weighted mean for each slot of the day of where the price lies between the tariffs.

    0 is the feed-in tariff, 1 the retail tariff. Without a trade the price lies where the longer side had to go: there
    is nobody to buy from (1), or nobody to sell to (0).
    """

    def __init__(self, per_day: int) -> None:
        self._place = np.full(per_day, START)

    def observe(self, slot: int, result: AuctionResult, feed_in: float, retail: float) -> None:
        """Learn from the auction of `slot`, in which these tariffs held [currency/kWh]"""
        if retail <= feed_in:
            return  # the contract allows equal tariffs: between them is no place
        if result.price is not None:
            place = float(np.clip((result.price - feed_in) / (retail - feed_in), 0, 1))
        elif result.supply_wh or result.demand_wh:
            place = float(result.demand_wh > result.supply_wh)
        else:
            return
        index = slot % len(self._place)
        self._place[index] += FORGETTING * (place - self._place[index])

    def expected(self, slot: int, feed_in: np.ndarray, retail: np.ndarray) -> np.ndarray:
        """Local prices of the slots from `slot` on, as many as there are tariffs [currency/kWh]"""
        places = self._place[(slot + np.arange(len(retail))) % len(self._place)]
        return np.asarray(feed_in + places * (retail - feed_in))
