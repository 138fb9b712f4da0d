"""From the scenario to one running building: the simulator or a recording, and its SuperNode."""

from __future__ import annotations

import socket
from pathlib import Path

from building_clients.process import BuildingParts, run_building
from cli.scenario import Scenario
from fl_server.run import flower_environment, supernode_command
from simulation.replay import ReplayedBuilding, assign_files, read_replay_folder
from simulation.settings import BuildingConfig
from simulation.simulator import BuildingSource, SimulatedBuilding


def start_building(scenario: Scenario, building_id: str, home: Path) -> None:
    """Run one building of the scenario until it is told to stop."""
    config = scenario.building_by_id(building_id)
    source = source_of(scenario, config)
    parts = BuildingParts(
        config=as_replayed(config) if scenario.replay.directory else config,
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
    run_building(parts, source)


def source_of(scenario: Scenario, config: BuildingConfig) -> BuildingSource:
    """The recording that belongs to the building when the scenario replays one, else the simulator."""
    if scenario.replay.directory is None:
        return SimulatedBuilding(config, scenario.site, scenario.clock.seed)
    files = assign_files(read_replay_folder(Path(scenario.replay.directory)), scenario.building)
    return ReplayedBuilding(files[config.id], config.replay, scenario.replay)


def as_replayed(config: BuildingConfig) -> BuildingConfig:
    """What is simulated next to recorded measurements: only the battery that `replay` declares."""
    battery = {"battery_capacity_kwh": config.replay.battery_capacity_kwh, "battery_power_kw": None}
    return config.model_copy(update=battery)


def _free_port() -> int:
    """A port for the SuperNode's own interface, which only its child processes use."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
