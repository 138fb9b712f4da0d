"""Time-of-use tariffs: what the utility charges and pays at which local time, and posting it ahead on the contract."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.balances import Tariff
from contracts.ledger import Ledger
from contracts.settings import MarketConfig, TariffPeriod
from contracts.units import to_base_units
from simulation.clock import SimClock

log = logging.getLogger(__name__)

AHEAD, LEAST = timedelta(hours=48), timedelta(hours=30)
"""Tariffs are posted so far ahead, once fewer than the least are: a plan of 24 h always sees the true ones."""
NOTICE_SLOTS = 2
"""The contract takes no tariff of an earlier slot [1]"""
SATURDAY = 5


def tariff_at(market: MarketConfig, moment: datetime) -> Tariff:
    """Of the slot that starts at `moment`, in local time: the first period that fits, else the market's own."""
    period = next((one for one in market.time_of_use if _fits(one, moment)), None)
    retail, feed_in = market.retail_per_kwh, market.feed_in_per_kwh
    if period is not None:
        retail = period.retail_per_kwh
        feed_in = feed_in if period.feed_in_per_kwh is None else period.feed_in_per_kwh
    return Tariff(retail_price=to_base_units(retail), feed_in_price=to_base_units(feed_in))


def _fits(period: TariffPeriod, moment: datetime) -> bool:
    hour = moment.hour + moment.minute / 60
    weekend = moment.weekday() >= SATURDAY
    if period.days != "all" and weekend != (period.days == "weekend"):
        return False
    if period.from_hour < period.to_hour:
        return period.from_hour <= hour < period.to_hour
    return hour >= period.from_hour or hour < period.to_hour


class TariffPoster:
    """Posts the tariffs of the coming day and a half; what was posted before is read from the chain."""

    def __init__(self, ledger: Ledger, market: MarketConfig, clock: SimClock, timezone: str) -> None:
        self._ledger = ledger
        self._market = market
        self._clock = clock
        self._zone = ZoneInfo(timezone)
        self._posted_until: int | None = None

    def step(self, now: datetime) -> None:
        """Post when it is time. Nothing to do for a market without time-of-use periods. Raises LedgerError."""
        if not self._market.time_of_use:
            return
        first = max(self._next(), self._ledger.current_slot() + NOTICE_SLOTS)
        if self._clock.slot_start(first) >= now + LEAST:
            return
        slots = range(first, self._clock.slot_at(now + AHEAD) + 1)
        self._ledger.post_tariffs(first, self._tariffs(slots))
        self._posted_until = slots[-1]
        log.info("posted the tariffs of %d slots, until slot %d", len(slots), slots[-1])

    def _next(self) -> int:
        """First slot without a posted tariff."""
        if self._posted_until is None:
            posted = [event.values["slot"] for event in self._ledger.events() if event.name == "TariffPosted"]
            self._posted_until = max(posted, default=-1)
        return self._posted_until + 1

    def _tariffs(self, slots: Sequence[int]) -> list[Tariff]:
        return [tariff_at(self._market, self._clock.slot_start(slot).astimezone(self._zone)) for slot in slots]
