"""One community through recorded slots: decide, clear, deliver, meter, settle, and what it came to for each member."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from building_clients.bidding import Bid, Strategy
from building_clients.planning import BatteryPlan, GreedyPlanner, NoBattery, OptimalPlanner, Planner
from building_clients.price_outlook import AuctionResult, PriceOutlook
from building_clients.tariffs import Tariffs
from building_clients.trader import Trader
from contracts.balances import Tariff
from contracts.clearing import Clearing, clear
from contracts.market_model import MarketModel
from contracts.matching import Terms
from contracts.metering import MeterReading
from contracts.order_book import BookEntry
from contracts.orders import Order, Side
from contracts.settlement_rules import MarketRules, ModelOrder, ModelReading, Transfer
from contracts.units import from_base_units, kwh_to_wh, to_base_units, wh_to_kwh
from simulation.battery import Battery, BatteryLimits

FUNDS = 100_000_000_000
"""What each account begins with: enough for a year [base units]"""
FIRST = 2
"""Number of the first slot on the market: tariffs are posted two slots ahead."""
CAPACITY_WH = 1_000_000
"""More than any home's connection carries in a slot [Wh]"""


@dataclass(frozen=True)
class Site:
    """A member of the back-test."""

    name: str
    """Of the recorded home."""
    net_flow_kw: np.ndarray
    """What was measured, solar less load; shape (slots,) [kW]"""
    battery: BatteryLimits | None
    """None without one."""


@dataclass(frozen=True)
class Community:
    """Everything that all arms share."""

    sites: Sequence[Site]
    """Members, numbered from 1 in this order."""
    hours: float
    """Length of a slot [h]"""
    feed_in: np.ndarray
    """shape (slots,) [currency/kWh]"""
    retail: np.ndarray
    """shape (slots,) [currency/kWh]"""
    grid_fee: float = 0.0
    """[currency/kWh]"""
    mechanism: str = "uniform"
    """How auctions are cleared; one with one price for all."""

    @property
    def slots(self) -> int:
        """How many there are."""
        return len(self.retail)

    @property
    def per_day(self) -> int:
        """Slots of a day, which is also the horizon of forecasts and plans."""
        return round(24 / self.hours)


@dataclass(frozen=True)
class Arm:
    """One way of running the community."""

    forecasts: np.ndarray
    """Quantiles known before each slot; shape (sites, slots, horizon, 3) [kW]"""
    strategy: Strategy | None
    """How members bid; None for no trading."""
    plans: bool = True
    """Whether batteries are planned; otherwise they only keep the own surplus."""


@dataclass(frozen=True)
class Result:
    """What an arm came to; arrays have a row for each slot and a column for each site."""

    money: np.ndarray
    """What each member paid (> 0) or earned [currency]"""
    grid_kwh: np.ndarray
    """Exchange with the grid, > 0 imports [kWh]"""
    battery_kwh: np.ndarray
    """> 0 charged [kWh]"""
    traded_kwh: np.ndarray
    """Bought (> 0) or sold in the auction [kWh]"""
    price: np.ndarray
    """Of the auction; NaN without a trade; shape (slots,) [currency/kWh]"""


class _Member:
    """A site's agent and battery."""

    def __init__(self, number: int, site: Site, arm: Arm, community: Community, outlook: PriceOutlook) -> None:
        self.number = number
        self.site = site
        self.battery = Battery(site.battery, site.battery.min_soc) if site.battery else None
        self.plan: BatteryPlan | None = None
        self.registers_wh = [0, 0]
        planner = _planner(site, arm, community)
        self.trader = Trader(planner, site.battery, outlook, arm.strategy, community.hours)

    @property
    def soc(self) -> float | None:
        return self.battery.soc if self.battery else None

    def reading(self, slot: int, grid_wh: int) -> ModelReading:
        """What the meter signs after so much was imported (> 0) or exported."""
        self.registers_wh[grid_wh < 0] += abs(grid_wh)
        imported, exported = self.registers_wh
        return ModelReading(
            MeterReading.model_construct(
                member=self.number,
                slot=slot,
                sequence=slot,
                import_register_wh=imported,
                export_register_wh=exported,
            )
        )


def _planner(site: Site, arm: Arm, community: Community) -> Planner:
    if site.battery is None:
        return NoBattery()
    if not arm.plans:
        return GreedyPlanner(site.battery, community.hours)
    return OptimalPlanner(site.battery, CAPACITY_WH / 1000 / community.hours, community.per_day, community.hours)


class Year:
    """One run; `run` may be called once."""

    def __init__(self, community: Community, arm: Arm) -> None:
        self._community = community
        self._arm = arm
        self._outlook = PriceOutlook(community.per_day)
        self._members = [_Member(i, site, arm, community, self._outlook) for i, site in enumerate(community.sites, 1)]
        self._market = MarketModel(_rules(community))
        for number in range(len(self._members) + 1):
            if number:
                self._market.register(number, CAPACITY_WH)
            self._market.fund(number, FUNDS)
        self._market.post_tariffs(
            FIRST, [_tariff(*pair) for pair in zip(community.feed_in, community.retail, strict=True)]
        )
        shape = community.slots, len(self._members)
        self._grid, self._battery, self._traded = (np.zeros(shape) for _ in range(3))
        self._money = np.zeros(shape)
        self._price = np.full(community.slots, np.nan)

    def run(self, step: Callable[[], None] = lambda: None) -> Result:
        """All slots in order; `step` is called after each."""
        for slot in range(self._community.slots):
            self._one(slot)
            step()
        window = self._market.rules.settlement_window_slots
        self._market.advance_to(FIRST + self._community.slots + window + 1)
        for slot in range(max(0, self._community.slots - window), self._community.slots):
            self._close(slot)
        return Result(self._money, self._grid, self._battery, self._traded, self._price)

    def _one(self, slot: int) -> None:
        tariffs = self._tariffs(slot)
        book = self._bids(slot, tariffs)
        terms = Terms(self._market.rules.grid_fee, self._market.tariff(FIRST + slot))
        clearing = clear(FIRST + slot, list(book.values()), self._community.mechanism, terms)
        self._note(slot, book, clearing)
        self._deliver(slot, tariffs)
        self._market.advance_to(FIRST + slot + 1)
        self._market.submit_readings(
            [member.reading(FIRST + slot, kwh_to_wh(self._grid[slot, i])) for i, member in enumerate(self._members)]
        )
        self._settle(slot, book, clearing)
        closing = slot - self._market.rules.settlement_window_slots
        if closing >= 0:
            self._close(closing)

    def _tariffs(self, slot: int) -> Tariffs:
        """Of the horizon; beyond the end of the data the last day's go on."""
        wanted = np.arange(slot, slot + self._community.per_day)
        past_end = wanted >= self._community.slots
        wanted = np.where(past_end, wanted - self._community.per_day, wanted)
        return Tariffs(self._community.feed_in[wanted], self._community.retail[wanted], self._community.grid_fee)

    def _bids(self, slot: int, tariffs: Tariffs) -> dict[str, BookEntry]:
        book = {}
        for index, member in enumerate(self._members):
            decision = member.trader.decide(slot, self._arm.forecasts[index, slot], member.soc, tariffs)
            member.plan = decision.plan
            if decision.bid is not None:
                entry = _entry(member.number, FIRST + slot, decision.bid)
                book[entry.order_hash] = entry
        return book

    def _note(self, slot: int, book: dict[str, BookEntry], clearing: Clearing) -> None:
        """The auction's result, as everybody sees it."""
        for fill in clearing.fills:
            for order_hash, sign in ((fill.sell, -1), (fill.buy, 1)):
                self._traded[slot, book[order_hash].order.member - 1] += sign * wh_to_kwh(fill.energy_wh)
        supply, demand = (
            sum(entry.order.energy_wh for entry in book.values() if entry.order.side is side)
            for side in (Side.SELL, Side.BUY)
        )
        price = None if clearing.price is None else from_base_units(clearing.price)
        if price is not None:
            self._price[slot] = price
        feed_in, retail = float(self._community.feed_in[slot]), float(self._community.retail[slot])
        self._outlook.observe(slot, AuctionResult(price, supply, demand), feed_in, retail)

    def _deliver(self, slot: int, tariffs: Tariffs) -> None:
        hours = self._community.hours
        for index, member in enumerate(self._members):
            assert member.plan is not None
            wanted_kw = net_flow_kw = float(member.site.net_flow_kw[slot])
            if self._arm.plans:
                contracted_kw = self._traded[slot, index] / hours
                wanted_kw = member.trader.rule(member.plan, tariffs).set_point_kw(net_flow_kw, contracted_kw)
            battery_kw = member.battery.step(wanted_kw, hours) if member.battery else 0.0
            grid_kw = battery_kw - net_flow_kw
            self._grid[slot, index], self._battery[slot, index] = grid_kw * hours, battery_kw * hours

    def _settle(self, slot: int, book: dict[str, BookEntry], clearing: Clearing) -> None:
        sells = sorted({fill.sell for fill in clearing.fills})
        buys = sorted({fill.buy for fill in clearing.fills})
        fills = [(sells.index(fill.sell), buys.index(fill.buy), fill.energy_wh) for fill in clearing.fills]
        orders = [[ModelOrder(book[key].order) for key in side] for side in (sells, buys)]
        self._book_money(self._market.settle(FIRST + slot, clearing.price or 0, orders[0], orders[1], fills))

    def _close(self, slot: int) -> None:
        self._book_money(self._market.close_slot(FIRST + slot, range(1, len(self._members) + 1)))

    def _book_money(self, transfers: Sequence[Transfer]) -> None:
        for one in transfers:
            if one.seller:
                self._money[one.slot - FIRST, one.seller - 1] -= from_base_units(one.proceeds)
            if one.buyer:
                self._money[one.slot - FIRST, one.buyer - 1] += from_base_units(one.cost)


def _rules(community: Community) -> MarketRules:
    cap, fee = to_base_units(float(community.retail.max())), to_base_units(community.grid_fee)
    return MarketRules(first_slot=0, tariff=_tariff(0.0, 1.0), price_cap=max(cap, to_base_units(1.0)), grid_fee=fee)


def _tariff(feed_in: float, retail: float) -> Tariff:
    return Tariff(retail_price=to_base_units(retail), feed_in_price=to_base_units(feed_in))


def _entry(number: int, slot: int, bid: Bid) -> BookEntry:
    order = Order.model_construct(
        member=number,
        slot=slot,
        side=bid.side,
        energy_wh=bid.energy_wh,
        limit_price=bid.limit_price,
        expiry_slot=slot,
        salt=0,
    )
    return BookEntry.model_construct(order_hash=f"{number:04d}", order=order)
