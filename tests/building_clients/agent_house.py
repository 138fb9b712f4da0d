"""A house with a steady roof, its agent, a real hub and a real chain; the test turns the clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from building_clients.agent import Agent, Wallets
from building_clients.learner import Learner
from building_clients.readings_store import ReadingsStore
from contracts.hub_client import HubClient
from contracts.member import Member
from contracts.orders import SignedOrder
from contracts.settings import MarketConfig
from simulation.building import BuildingSimulation
from simulation.settings import BuildingConfig
from simulation.simulator import Flows
from tests.contracts.market_world import MarketWorld
from tests.dashboard.hub_server import BUILDINGS, START, HandClock, HubServer

SOLAR_KW, LOAD_KW = 5.0, 1.0
PLAIN = BuildingConfig(id="B1")


class Steady:
    """A roof and a load that never change."""

    quality = "simulated"

    def minutes(self, start: datetime, count: int) -> Flows:
        return Flows(np.full(count, LOAD_KW), np.full(count, SOLAR_KW))


class House:
    """Building B1 with its own keys, at half past ten, when the market of the hub has just been announced."""

    def __init__(self, folder: Path, world: MarketWorld, store: ReadingsStore, config: BuildingConfig = PLAIN) -> None:
        self.clock = HandClock(start=START, wall_start=START, speed=1.0, slot_minutes=15)
        hub = HubServer(folder / "hub", clock=self.clock).start()
        self.world, self.hub, self.store = world, hub, store
        self.wallets = Wallets(world.members[0].owner, world.members[0].meter)
        self.client = HubClient(hub.url)
        member = Member(
            number=1,
            building_id="B1",
            name="Linden home",
            owner=self.wallets.owner.address,
            meter=self.wallets.meter.address,
            profile=BUILDINGS[0][2],
        )
        hub.post("/api/members", member.model_dump(mode="json"))
        self.slot = self.clock.slot_at(START)
        self.config = config
        self.simulation = BuildingSimulation(self.config, Steady())
        self.agent = self.new_agent(folder)

    def new_agent(self, folder: Path, contract_address: str | None = None) -> Agent:
        learner = Learner("B1", folder, self.store.frame, 15)
        parts = (self.store, self.simulation, learner, self.clock, MarketConfig(), self.client, self.slot)
        return Agent(1, self.config, self.wallets, *parts, folder, contract_address)

    def announce(self) -> None:
        answer = self.hub.http.put("/api/market", json=self.world.deployment.model_dump(mode="json"))
        assert answer.is_success

    def record(self, until: datetime) -> None:
        last = self.store.last()
        moment = START - timedelta(days=2) if last is None else last.timestamp + timedelta(minutes=1)
        while moment < until:
            reading = self.simulation.step(moment, self.store.count)
            assert reading is not None
            self.store.append(reading)
            moment += timedelta(minutes=1)

    def step(self, minutes: float) -> None:
        """Turn all clocks to so many minutes after the start, and let the agent do what is due."""
        self.clock.turn(START + timedelta(minutes=minutes))
        self.agent.step(self.clock.now())

    def orders(self) -> list[SignedOrder]:
        listed = self.hub.http.get(f"/api/orders?slot={self.slot + 1}").json()
        return [SignedOrder.model_validate({key: one[key] for key in ("order", "signature")}) for one in listed]
