"""From the scenario to one running building: the simulator or a recording, and its SuperNode."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from building_clients.process import BuildingParts, run_building
from cli.scenario import Scenario
from fl_server.run import flower_environment, supernode_command
from simulation.building import Building, BuildingSimulation
from simulation.clock import SimClock
from simulation.measured import MeasuredBuilding
from simulation.reading import Reading
from simulation.recording import read_recording
from simulation.replay import ReplayedBuilding, assign_files, recordings_in
from simulation.settings import BuildingConfig
from simulation.simulator import BuildingSource, SimulatedBuilding


def start_building(scenario: Scenario, building_id: str, home: Path) -> None:
    """Run one building of the scenario until it is told to stop."""
    config = scenario.building_by_id(building_id)
    parts = BuildingParts(
        config=as_run(scenario, config),
        open_building=opener(scenario, config, home / "buildings" / building_id),
        number=scenario.member_number(building_id),
        site=scenario.site,
        history=scenario.history,
        learning=scenario.learning,
        market=scenario.market,
        contract_address=scenario.chain.contract_address,
        hub_url=scenario.hub.url,
        folder=home / "buildings" / building_id,
        supernode=lambda name, path, folder: (
            supernode_command(scenario.learning.superlink, name, path, _free_port()),
            flower_environment(folder / "flwr"),
        ),
    )
    run_building(parts)


def opener(scenario: Scenario, config: BuildingConfig, folder: Path) -> Callable[[Reading | None, SimClock], Building]:
    """How the building's physics is made once its newest reading and the clock are known. Raises ReplayError early."""
    if config.meter is not None:
        return lambda last, clock: MeasuredBuilding(config, clock, folder, last)
    source = source_of(scenario, config)
    return lambda last, clock: BuildingSimulation(as_run(scenario, config), source, last)


def source_of(scenario: Scenario, config: BuildingConfig) -> BuildingSource:
    """The recording that belongs to the building when the scenario replays one, else the simulator."""
    if scenario.replay.directory is None:
        return SimulatedBuilding(config, scenario.site, scenario.clock.seed)
    file = assign_files(recordings_in(Path(scenario.replay.directory)), scenario.building)[config.id]
    return ReplayedBuilding(read_recording(file, scenario.replay.timezone), config.replay)


def as_run(scenario: Scenario, config: BuildingConfig) -> BuildingConfig:
    """The building as it is; next to recorded measurements only the battery that `replay` declares is simulated."""
    if scenario.replay.directory is None:
        return config
    battery = {
        "battery_capacity_kwh": config.replay.battery_capacity_kwh,
        "battery_charge_kw": None,
        "battery_discharge_kw": None,
    }
    return config.model_copy(update=battery)


def _free_port() -> int:
    """A port for the SuperNode's own interface, which only its child processes use."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
