"""What a slot costs a building's agent: read, forecast, plan, bid, sign, submit, meter, learn; on a real hub and chain.

The clock is turned by hand. Only the agent's own thread is measured: not node, hub, operator or the simulated house.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from eth_account import Account
from pydantic import PrivateAttr

from benchmarks._chain import start_chain
from benchmarks._processes import Processes, free_port
from building_clients.agent import Agent, Wallets
from building_clients.architecture import initial_weights
from building_clients.learner import FORECAST_DAYS, Learner
from building_clients.model_store import ModelStore
from building_clients.readings_store import ReadingsStore
from building_clients.simulator_thread import backfill
from contracts.deployment import deploy
from contracts.hub_client import HubClient
from contracts.ledger import Ledger
from contracts.member import Member
from contracts.operator import Operator
from contracts.settings import ChainConfig, MarketConfig
from contracts.tariff_schedule import TariffPoster
from dashboard.hub.app import create_app
from simulation.building import BuildingSimulation
from simulation.clock import MINUTE, SimClock
from simulation.settings import BuildingConfig, SiteConfig
from simulation.simulator import SimulatedBuilding

START = datetime(2026, 6, 17, 9, 0, tzinfo=UTC)
SLOT_MINUTES = 15
WARM_UP = 2
"""Slots that are not counted: joining the market, the first correction of the forecasts, imports."""
LOOKS = 30
"""How often an agent looks in a slot at what is due, at 60 times real time [1]"""
HOUSES = (
    BuildingConfig(id="B1", peak_solar_kw=9, battery_capacity_kwh=10),
    BuildingConfig(id="B2"),
)
MARKET = MarketConfig()


class TurnedClock(SimClock):
    """Stands still until it is turned."""

    _now: datetime = PrivateAttr(default=START)

    def now(self) -> datetime:
        return self._now

    def turn(self, now: datetime) -> None:
        self._now = now


class House:
    """A building with its agent."""

    def __init__(self, number: int, config: BuildingConfig, clock: SimClock, hub: HubClient, folder: Path) -> None:
        wallets = Wallets(Account.create(), Account.create())
        self.building = BuildingSimulation(config, SimulatedBuilding(config, SiteConfig(), number))
        self.store = ReadingsStore(folder / "readings", config.id)
        backfill(self.store, self.building, START, FORECAST_DAYS)
        horizon = 24 * 60 // SLOT_MINUTES
        ModelStore(folder, horizon).keep(initial_weights(horizon, number), None)
        learner = Learner(config.id, folder, self.store.frame, SLOT_MINUTES)
        slot = clock.slot_at(START)
        parts = (self.store, self.building, learner, clock, MARKET, hub, slot)
        self.agent = Agent(number, config, wallets, *parts, folder)
        owner, meter = wallets.owner.address, wallets.meter.address
        member = Member(number=number, building_id=config.id, name=config.id, owner=owner, meter=meter)
        hub.post("/api/members", member.model_dump(mode="json"))

    def live_until(self, moment: datetime) -> None:
        """Record the minutes that are over."""
        last = self.store.last()
        assert last is not None
        for at in _minutes(last.timestamp + MINUTE, moment):
            reading = self.building.step(at, self.store.count)
            assert reading is not None
            self.store.append(reading)


def _minutes(start: datetime, stop: datetime) -> Iterator[datetime]:
    while start < stop:
        yield start
        start += MINUTE


def agent_slot_ms(slots: int) -> float:
    """CPU time of an agent for each slot, the mean of two buildings [ms]"""
    with tempfile.TemporaryDirectory(prefix="microgrid-bench-") as name, Processes(Path(name)) as processes:
        folder = Path(name)
        clock = TurnedClock(start=START, wall_start=START, speed=60.0, slot_minutes=SLOT_MINUTES)
        url, _ = start_chain(processes, folder)
        with _hub(folder / "hub", clock) as hub:
            operator = _operator(url, hub, clock, folder)
            houses = [
                House(number, config, clock, hub, folder / config.id) for number, config in enumerate(HOUSES, start=1)
            ]
            costs = [_slot(turn, clock, operator, houses) for turn in range(WARM_UP + slots)]
    return 1000 * sum(costs[WARM_UP:]) / slots / len(houses)


def _slot(turn: int, clock: TurnedClock, operator: Operator, houses: list[House]) -> float:
    """One slot of all houses; what their agents took [CPU s]"""
    begin, used = START + turn * timedelta(minutes=SLOT_MINUTES), 0.0
    for look in range(LOOKS):
        now = begin + (look + 0.5) * timedelta(minutes=SLOT_MINUTES) / LOOKS
        clock.turn(now)
        for house in houses:
            house.live_until(now - MINUTE)
            before = time.thread_time()
            house.agent.step(now)
            used += time.thread_time() - before
        operator.step(now)
    return used


def _operator(url: str, hub: HubClient, clock: SimClock, folder: Path) -> Operator:
    key = Account.create()
    deployment = deploy(ChainConfig(rpc_url=url), MARKET, SLOT_MINUTES, clock.slot_at(START), key)
    hub.put("/api/market", deployment.model_dump(mode="json"))
    ledger = Ledger(deployment, key)
    capacities = {number: house.connection_kw for number, house in enumerate(HOUSES, start=1)}
    tariffs = TariffPoster(ledger, MARKET, clock, "UTC")
    return Operator(hub, ledger, clock, MARKET, capacities, folder / "operator", tariffs)


@contextmanager
def _hub(folder: Path, clock: SimClock) -> Iterator[HubClient]:
    port = free_port()
    app = create_app(folder, clock, SiteConfig(), MARKET, [house.id for house in HOUSES])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    hub = HubClient(f"http://127.0.0.1:{port}")
    hub.wait_until_up(60)
    try:
        yield hub
    finally:
        hub.close()
        server.should_exit = True
        thread.join()
