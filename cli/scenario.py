"""The scenario: `microgrid.toml` as one frozen, typed object that refuses unknown keys."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, ValidationError, model_validator

from building_clients.settings import LearningConfig
from contracts.settings import ChainConfig, MarketConfig
from dashboard.hub.settings import DashboardConfig, HubConfig
from simulation.errors import MicrogridError
from simulation.settings import BuildingConfig, ClockConfig, HistoryConfig, ReplayConfig, Settings, SiteConfig


class ScenarioError(MicrogridError):
    """The scenario cannot be used; the text names the file, the key and the fix."""


class Scenario(Settings):
    """Everything that one community needs to run."""

    site: SiteConfig = SiteConfig()
    """Where the community stands."""
    clock: ClockConfig = ClockConfig()
    """Simulated time."""
    history: HistoryConfig = HistoryConfig()
    """What a building knows on its first day."""
    replay: ReplayConfig = ReplayConfig()
    """Recorded measurements instead of the simulator."""
    building: tuple[BuildingConfig, ...] = Field(min_length=1, max_length=500)
    """The buildings, in the order of their numbers on the contract (1, 2, ...)."""
    learning: LearningConfig = LearningConfig()
    """How the buildings learn together."""
    market: MarketConfig = MarketConfig()
    """Tariffs and rules of the local market."""
    chain: ChainConfig = ChainConfig()
    """The Ethereum node that settles."""
    hub: HubConfig = HubConfig()
    """Where buildings, operator and dashboard meet."""
    dashboard: DashboardConfig = DashboardConfig()
    """The pages."""

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Scenario:
        counts = Counter(building.id.lower() for building in self.building)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"two buildings are called {twice[0]!r}; give each [[building]] its own id")
        return self

    @model_validator(mode="after")
    def _live_meters_live_in_real_time(self) -> Scenario:
        measured = next((building.id for building in self.building if building.meter is not None), None)
        if measured is not None and self.clock.speed != 1:
            raise ValueError(f"building {measured} has a live meter, which needs clock.speed = 1")
        if measured is not None and self.replay.directory is not None:
            raise ValueError(f"building {measured} has a live meter and cannot replay; leave out one of them")
        return self

    def building_by_id(self, building_id: str) -> BuildingConfig:
        """The building called `building_id`. Raises ScenarioError when there is none."""
        for building in self.building:
            if building.id == building_id:
                return building
        known = ", ".join(building.id for building in self.building)
        raise ScenarioError(f"no building {building_id!r} in the scenario; it has {known}")

    def member_number(self, building_id: str) -> int:
        """Number of a building on the contract: its place in the scenario, from 1."""
        return self.building.index(self.building_by_id(building_id)) + 1


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises ScenarioError naming the file, the line or key, and the fix."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ScenarioError(f"{path}: no such scenario; copy microgrid.toml and name it with --scenario") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not valid TOML: {error}") from error
    return parse_scenario(raw, str(path))


def parse_scenario(raw: dict[str, Any], source: str) -> Scenario:
    """Validate a scenario given as plain tables; `source` names it in errors."""
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        raise ScenarioError("\n".join(_explain(source, raw, item) for item in error.errors())) from error


def dump_scenario(scenario: Scenario) -> str:
    """The scenario as TOML that `load_scenario` reads back to an equal object."""
    return tomli_w.dumps(scenario.model_dump(mode="json", exclude_none=True))


def _explain(source: str, raw: dict[str, Any], item: Any) -> str:
    key = _key_of(raw, item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{source}: unknown key {key}; remove it, or see docs/configuration.md for the keys that exist"
    if item["type"] == "value_error":
        return f"{source}: {key + ': ' if key else ''}{item['msg'].removeprefix('Value error, ')}"
    return f"{source}: {key} = {item['input']!r}: {item['msg']}; see docs/configuration.md"


def _key_of(raw: dict[str, Any], location: tuple[int | str, ...]) -> str:
    """`building[B2].peak_solar_kw`: the path with a building's id in place of its index."""
    key = ""
    for part in location:
        if isinstance(part, int):
            table = raw["building"][part]
            key += f"[{table.get('id', part) if isinstance(table, dict) else part}]"
        else:
            key += f".{part}" if key else part
    return key
