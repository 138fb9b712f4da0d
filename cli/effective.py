"""The scenario that really runs: the file, and what the options of `up` change in it."""

from __future__ import annotations

from pathlib import Path

from cli.scenario import Scenario, ScenarioError, load_scenario
from simulation.catalogue import virtual_building
from simulation.recording import read_recording
from simulation.replay import assign_files, recordings_in, replay_start
from simulation.settings import BuildingConfig

DEFAULT = Path(__file__).parents[1] / "microgrid.toml"


def effective_scenario(
    file: Path | None, replay: Path | None = None, buildings: int | None = None, speed: float | None = None
) -> Scenario:
    """Load and override. Raises ScenarioError or ReplayError before anything is started."""
    scenario = load_scenario(file or DEFAULT)
    if buildings is not None:
        scenario = _with_buildings(scenario, buildings)
    if speed is not None:
        scenario = _changed(scenario, clock=scenario.clock.model_dump() | {"speed": speed})
    if replay is not None:
        scenario = _changed(scenario, replay=scenario.replay.model_dump() | {"directory": str(replay.absolute())})
    return _at_recorded_time(scenario) if scenario.replay.directory else scenario


def _with_buildings(scenario: Scenario, count: int) -> Scenario:
    """The first `count` buildings; more than the scenario has come from the catalogue."""
    if count < 1:
        raise ScenarioError(f"--buildings {count}: a community has at least one building")
    known = {building.id.lower() for building in scenario.building}
    extra: list[BuildingConfig] = []
    index = len(scenario.building)
    while len(scenario.building) + len(extra) < count:
        candidate = virtual_building(index)
        index += 1
        if candidate.id.lower() not in known:
            extra.append(candidate)
    return scenario.model_copy(update={"building": (*scenario.building, *extra)[:count]})


def _at_recorded_time(scenario: Scenario) -> Scenario:
    """Replays begin at a time that was recorded; checks every file that will be played."""
    files = recordings_in(Path(str(scenario.replay.directory)))
    assigned = assign_files(files, scenario.building)
    played = {name: read_recording(file, scenario.replay.timezone) for name, file in assigned.items()}
    start = replay_start(scenario.replay, scenario.clock, scenario.history, scenario.site, played)
    return scenario.model_copy(update={"clock": scenario.clock.model_copy(update={"start": start})})


def _changed(scenario: Scenario, **sections: object) -> Scenario:
    """A copy with whole sections replaced, validated like a file."""
    try:
        return Scenario.model_validate({**scenario.model_dump(), **sections})
    except ValueError as error:
        raise ScenarioError(f"an option of the command line does not fit: {error}") from error
