"""What the community is doing as a whole, computed from what its buildings report. Pure functions, no display."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from building_clients.forecast import Forecast
from contracts.events import EnergyTransfer
from contracts.units import from_base_units
from dashboard.hub.records import BuildingState, SiteInfo, SlotReport, TradeEntry
from simulation.clock import slot_start
from simulation.reading import Reading
from simulation.settings import Settings

UTILITY = 0
WH_PER_KWH = 1000


class Totals(Settings):
    """Sum over the buildings that report."""

    solar_kw: float
    """Solar generation [kW]"""
    use_kw: float
    """Consumption [kW]"""
    grid_kw: float
    """Exchange with the utility, > 0 imports [kW]"""

    @property
    def self_sufficiency(self) -> float | None:
        """Share of the use that needs no import, 0 to 1; None when nothing is used."""
        return None if self.use_kw <= 0 else min(1.0, max(0.0, 1 - max(0.0, self.grid_kw) / self.use_kw))

    @property
    def solar_used_here(self) -> float | None:
        """Share of the solar energy that is not exported, 0 to 1; None without sun."""
        return None if self.solar_kw <= 0.05 else min(1.0, max(0.0, 1 - max(0.0, -self.grid_kw) / self.solar_kw))


class Minute(Totals):
    """Sum over the buildings in one minute."""

    at: datetime
    """Start of the minute, UTC."""


class OutlookSlot(Settings):
    """What all buildings together expect of one slot; the band is the sum of their bands: on the safe side."""

    at: datetime
    """Start of the slot, UTC."""
    p10_kw: float
    """[kW]"""
    p50_kw: float
    """[kW]"""
    p90_kw: float
    """[kW]"""


class Flow(Settings):
    """Energy that went from one party to another."""

    seller: int
    """Member number, 0 the utility."""
    buyer: int
    """Member number, 0 the utility."""
    seller_name: str
    """For people."""
    buyer_name: str
    """For people."""
    energy_wh: int
    """[Wh]"""


def totals_now(buildings: Iterable[BuildingState]) -> Totals:
    """Sum of the newest readings."""
    return _sum([building.reading for building in buildings if building.reading is not None])


def _sum(readings: Sequence[Reading]) -> Totals:
    return Totals(
        solar_kw=sum(reading.pv_kw for reading in readings),
        use_kw=sum(reading.load_kw for reading in readings),
        grid_kw=sum(reading.grid_kw for reading in readings),
    )


def minutes(histories: Mapping[str, Sequence[Reading]]) -> list[Minute]:
    """Community totals of each minute in which every building with readings reported."""
    by_minute: dict[datetime, dict[str, Reading]] = defaultdict(dict)
    for building_id, readings in histories.items():
        for reading in readings:
            by_minute[reading.timestamp][building_id] = reading
    complete = sum(1 for readings in histories.values() if readings)
    return [
        Minute(at=at, **_sum(list(found.values())).model_dump())
        for at, found in sorted(by_minute.items())
        if len(found) == complete
    ]


def outlook(forecasts: Mapping[str, Forecast], now: datetime) -> list[OutlookSlot]:
    """Sum of the buildings' forecasts for each coming slot that all of them cover."""
    by_slot: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    minutes_per_slot = {forecast.slot_minutes for forecast in forecasts.values()}
    if len(minutes_per_slot) != 1:
        return []
    for forecast in forecasts.values():
        bands = zip(forecast.net_flow_kw_p10, forecast.net_flow_kw_p50, forecast.net_flow_kw_p90, strict=True)
        for step, band in enumerate(bands):
            by_slot[forecast.slot + step].append(band)
    length = minutes_per_slot.pop()
    covered = [slot for slot, bands in sorted(by_slot.items()) if len(bands) == len(forecasts)]
    coming = [slot for slot in covered if slot_start(slot, length) + timedelta(minutes=length) > now]
    return [_outlook_slot(slot_start(slot, length), by_slot[slot]) for slot in coming]


def _outlook_slot(at: datetime, bands: Sequence[tuple[float, float, float]]) -> OutlookSlot:
    low, middle, high = (sum(values) for values in zip(*bands, strict=True))
    return OutlookSlot(at=at, p10_kw=low, p50_kw=middle, p90_kw=high)


def local_trades(trades: Iterable[TradeEntry]) -> list[TradeEntry]:
    """Trades between neighbours: neither side is the utility."""
    return [trade for trade in trades if trade.seller != UTILITY and trade.buyer != UTILITY]


def today(trades: Iterable[TradeEntry], now: datetime, site: SiteInfo) -> list[TradeEntry]:
    """Trades of slots that began on the site's calendar day."""
    zone = ZoneInfo(site.timezone)
    day = now.astimezone(zone).date()
    return [trade for trade in trades if slot_start(trade.slot, site.slot_minutes).astimezone(zone).date() == day]


def saved(trades: Iterable[EnergyTransfer], slots: Iterable[SlotReport], site: SiteInfo) -> float:
    """What neighbours gained together by not going through the utility [currency].

    The buyer saves retail - price, the seller gains price - feed-in: together retail - feed-in of the slot, at any
    price, less the grid fee, which is in the buyer's cost and not in the seller's proceeds.
    """
    gaps = {slot.slot: from_base_units(slot.retail_price - slot.feed_in_price) for slot in slots}
    usual = site.retail_per_kwh - site.feed_in_per_kwh
    return sum(
        trade.energy_wh / WH_PER_KWH * gaps.get(trade.slot, usual) - from_base_units(trade.cost - trade.proceeds)
        for trade in trades
    )


def flows(trades: Iterable[TradeEntry]) -> list[Flow]:
    """Energy per pair of seller and buyer, the largest first."""
    energy_wh: dict[tuple[int, int, str, str], int] = defaultdict(int)
    for trade in trades:
        energy_wh[trade.seller, trade.buyer, trade.seller_name, trade.buyer_name] += trade.energy_wh
    found = [
        Flow(seller=seller, buyer=buyer, seller_name=seller_name, buyer_name=buyer_name, energy_wh=wh)
        for (seller, buyer, seller_name, buyer_name), wh in energy_wh.items()
    ]
    return sorted(found, key=lambda flow: -flow.energy_wh)


def latest_slot(trades: Sequence[TradeEntry]) -> list[TradeEntry]:
    """Trades between neighbours in the newest slot that has any."""
    local = local_trades(trades)
    newest = max((trade.slot for trade in local), default=None)
    return [trade for trade in local if trade.slot == newest]
