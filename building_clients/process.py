"""One building: simulator thread, own CSV, LSTM, trading agent with its own keys, own Flower SuperNode.

This file is the composition; read it from top to bottom to see what runs inside a building.
"""

from __future__ import annotations

import json
import logging
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from building_clients.agent import Agent, Wallets
from building_clients.anchors import ModelAnchors
from building_clients.learner import Learner
from building_clients.readings_store import ReadingsStore
from building_clients.settings import LearningConfig
from building_clients.simulator_thread import Heartbeat, backfill, floor_minute
from building_clients.supernode import SuperNode
from building_clients.telemetry import Outbox
from building_clients.trainer_socket import TrainerServer
from building_clients.workers import Workers
from contracts.hub_client import HubClient
from contracts.keys import load_or_create_key
from contracts.member import Member
from contracts.settings import MarketConfig
from simulation.building import Building
from simulation.clock import SimClock
from simulation.files import write_atomically
from simulation.reading import Reading
from simulation.settings import BuildingConfig, HistoryConfig, SiteConfig

log = logging.getLogger(__name__)

HUB_WAIT_S = 60.0
FLUSH_S = 10.0


@dataclass(frozen=True)
class BuildingParts:
    """What a building process needs from the scenario."""

    config: BuildingConfig
    """The building itself."""
    open_building: Callable[[Reading | None, SimClock], Building]
    """(newest reading, clock) -> the building's physics: simulated, replayed or measured."""
    number: int
    """Its member number on the contract, from 1."""
    site: SiteConfig
    """Where it stands."""
    history: HistoryConfig
    """What it knows on its first day."""
    learning: LearningConfig
    """How it learns with the others."""
    market: MarketConfig
    """Tariffs and market rules."""
    contract_address: str | None
    """The only contract to trade on; None for the one that the hub announces."""
    hub_url: str
    """Address of the hub."""
    folder: Path
    """The building's own folder: readings, keys, weights. Nothing of it leaves the building."""
    supernode: Callable[[str, Path, Path], tuple[list[str], dict[str, str]]]
    """(building id, trainer socket, folder) -> command and environment of its SuperNode."""


def run_building(parts: BuildingParts) -> None:
    """Run one building until SIGTERM or SIGINT. Raises HubError when no hub answers at the start."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    parts.folder.mkdir(parents=True, exist_ok=True)
    wallets = Wallets(
        load_or_create_key(parts.folder / "keys" / "owner.key"), load_or_create_key(parts.folder / "keys" / "meter.key")
    )
    hub = HubClient(parts.hub_url)
    hub.wait_until_up(HUB_WAIT_S)
    clock = SimClock.model_validate(hub.get("/api/clock"))
    with (
        ReadingsStore(parts.folder / "readings", parts.config.id) as store,
        closing(parts.open_building(store.last(), clock)) as building,
    ):
        backfill(store, building, floor_minute(clock.now()), parts.history.backfill_days)
        _run_threads(parts, store, building, wallets, clock, hub, stop)
        log.info("stopped; %d readings in %s", store.count, store.folder)


def _run_threads(
    parts: BuildingParts,
    store: ReadingsStore,
    building: Building,
    wallets: Wallets,
    clock: SimClock,
    hub: HubClient,
    stop: threading.Event,
) -> None:
    first_seq, first_slot = _live_from(parts.folder / "live_from.json", store, clock)
    hub.post("/api/members", _member(parts, wallets).model_dump(mode="json"))
    outbox = Outbox(hub, store, first_seq)
    heartbeat = Heartbeat(store, building, clock, outbox.notify)
    learner = Learner(parts.config.id, parts.folder, store.frame, clock.slot_minutes)
    agent = Agent(
        parts.number,
        parts.config,
        wallets,
        store,
        building,
        learner,
        clock,
        parts.market,
        hub,
        first_slot,
        parts.folder,
        parts.contract_address,
    )
    rendezvous = Path(tempfile.mkdtemp(prefix="microgrid-"))
    anchors = ModelAnchors(hub, parts.contract_address)
    trainer = TrainerServer(learner, rendezvous / "trainer.sock", anchors.require)
    command, environment = parts.supernode(parts.config.id, rendezvous / "trainer.sock", parts.folder)
    supernode = SuperNode(command, environment, parts.folder / "supernode.log")
    try:
        workers = Workers(stop)
        workers.start("simulator", heartbeat.run)
        workers.start("outbox", outbox.run)
        workers.start("trainer", trainer.run)
        workers.start("supernode", supernode.run)
        workers.start("agent", lambda: agent.run(stop))
        log.info("building %s is live at simulated %s", parts.config.id, f"{clock.now():%Y-%m-%d %H:%M} UTC")
        workers.wait()
    finally:
        heartbeat.stop()
        if not outbox.stop(FLUSH_S):
            log.warning("some readings are not at the hub yet; they are kept and sent at the next start")
        supernode.stop()
        trainer.stop()
        shutil.rmtree(rendezvous, ignore_errors=True)


def _live_from(path: Path, store: ReadingsStore, clock: SimClock) -> tuple[int, int]:
    """Row and slot from which on the building reports and trades; written once, kept through restarts."""
    if not path.exists():
        slot = clock.slot_at(clock.now())
        content = json.dumps({"first_live_seq": store.count, "first_live_slot": slot})
        write_atomically(path, content.encode())
    known = json.loads(path.read_text(encoding="utf-8"))
    return int(known["first_live_seq"]), int(known["first_live_slot"])


def _member(parts: BuildingParts, wallets: Wallets) -> Member:
    return Member(
        number=parts.number,
        building_id=parts.config.id,
        name=parts.config.label,
        owner=wallets.owner.address,
        meter=wallets.meter.address,
        profile=parts.config.profile,
        peak_solar_kw=parts.config.peak_solar_kw,
        battery_capacity_kwh=parts.config.battery_capacity_kwh,
    )
