"""A setting or command without documentation fails here."""

import re
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from cli.main import app
from cli.scenario import Scenario
from contracts.settings import TariffPeriod
from simulation.settings import BuildingConfig, ReplayOfBuilding, TradingConfig

ROOT = Path(__file__).parents[1]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def sections() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {
        "building": BuildingConfig,
        "replay of a building": ReplayOfBuilding,
        "trading of a building": TradingConfig,
        "period of a tariff": TariffPeriod,
    }
    for name, field in Scenario.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found[name] = field.annotation
    return found


@pytest.mark.parametrize("section", sorted(sections()))
def test_every_setting_is_documented(section: str) -> None:
    missing = [
        name
        for name in sections()[section].model_fields
        if not re.search(rf"`([a-z]+\.)?{name}`|^{name} =", CONFIGURATION, re.MULTILINE)
        and name not in ("replay", "trading")
    ]
    assert missing == []


def test_every_command_is_documented_and_helps() -> None:
    names = set()
    for group, prefix in ((app, ""), *((typed.typer_instance, f"{typed.name} ") for typed in app.registered_groups)):
        assert isinstance(group, typer.Typer)
        for command in group.registered_commands:
            assert command.callback is not None
            assert command.callback.__doc__
            names.add(prefix + (command.name or command.callback.__name__))
    assert [name for name in sorted(names) if f"| `{name}" not in COMMANDS] == []


def test_documented_links_and_places_exist() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for place in re.findall(r"^\| `([^`]+)` \|", README, re.MULTILINE):
        assert (ROOT / place).exists(), f"the file map names {place}"


def test_every_folder_is_in_the_file_map() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert [name for name in sorted(folders) if f"`{name}/`" not in README] == []
