"""Everything that one hub holds, put together in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from contracts.settings import MarketConfig
from dashboard.hub.buildings import Buildings
from dashboard.hub.database import Database
from dashboard.hub.forecasts import Forecasts
from dashboard.hub.market import Connect, Market
from dashboard.hub.members import Members
from dashboard.hub.meters import MeterReadings
from dashboard.hub.orders import OrderBook
from dashboard.hub.readings import LiveReadings
from dashboard.hub.records import Summary
from dashboard.hub.rounds import Rounds
from dashboard.hub.slots import Slots
from dashboard.hub.trades import Trades
from simulation.clock import SimClock
from simulation.settings import SiteConfig


@dataclass(frozen=True)
class Hub:
    """The state behind the routes."""

    clock: SimClock
    """The community's simulated time."""
    site: SiteConfig
    """Where the community stands."""
    rules: MarketConfig
    """Tariffs and market rules."""
    expected: tuple[str, ...]
    """Ids of the scenario's buildings, in the order of their numbers."""
    database: Database
    """Where everything is kept."""
    readings: LiveReadings
    """Live readings."""
    members: Members
    """Who takes part."""
    market: Market
    """The contract."""
    forecasts: Forecasts
    """What the buildings expect."""
    buildings: Buildings
    """State of each building."""
    orders: OrderBook
    """Signed orders."""
    meters: MeterReadings
    """Signed meter readings."""
    slots: Slots
    """State of each market slot."""
    trades: Trades
    """Energy transfers."""
    rounds: Rounds
    """Federated rounds."""

    def summary(self) -> Summary:
        """Counters of the whole community."""
        live = {building_id: self.readings.of(building_id).last for building_id in self.buildings.ids()}
        last_seq = {building_id: reading.seq for building_id, reading in live.items() if reading is not None}
        return Summary(
            buildings_reporting=len(last_seq),
            readings_received=self.readings.total,
            last_seq=last_seq,
            federated_rounds=self.rounds.count(),
            slots_settled=self.slots.settled(),
            trades=self.trades.count(),
        )


def open_hub(
    folder: Path, clock: SimClock, site: SiteConfig, rules: MarketConfig, expected: Sequence[str], connect: Connect
) -> Hub:
    """Open the database in `folder` and load what is kept in memory. Raises HubError when it is damaged."""
    database = Database(folder)
    members = Members(database, expected)
    market = Market(database, clock, connect)
    readings = LiveReadings(database)
    forecasts = Forecasts(database)
    return Hub(
        clock=clock,
        site=site,
        rules=rules,
        expected=tuple(expected),
        database=database,
        readings=readings,
        members=members,
        market=market,
        forecasts=forecasts,
        buildings=Buildings(clock, readings, members, forecasts),
        orders=OrderBook(database, clock, rules, market, members),
        meters=MeterReadings(database, clock, market, members),
        slots=Slots(database),
        trades=Trades(database, clock, market, members),
        rounds=Rounds(database),
    )


async def hub_of(request: Request) -> Hub:
    """The hub that serves this request."""
    hub: Hub = request.app.state.hub
    return hub


HubDep = Annotated[Hub, Depends(hub_of)]
