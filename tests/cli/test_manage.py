"""Flower's own command line, as `./microgrid flwr` passes it on."""

from pathlib import Path

import pytest
from flwr.common.config import parse_config_args

from cli import manage
from cli.effective import effective_scenario
from cli.home import Home


def passed_on(arguments: list[str], monkeypatch: pytest.MonkeyPatch, home: Home) -> list[str]:
    seen: list[list[str]] = []

    class Done:
        returncode = 3

    def run(command: list[str], **_: object) -> Done:
        seen.append(command)
        return Done()

    monkeypatch.setattr("subprocess.run", run)
    assert manage.run_flwr(arguments, home, effective_scenario(None)) == 3
    return seen[0][1:]


def test_a_run_by_hand_has_the_scenarios_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, scenario = Home(tmp_path), effective_scenario(None)
    command = passed_on(["run", ".", "--stream", "--run-config", "rounds=9"], monkeypatch, home)
    given = [command[index + 1] for index, word in enumerate(command) if word == "--run-config"]
    values = parse_config_args(given)
    assert values["hub-url"] == scenario.hub.url
    assert values["checkpoint-dir"] == str(home.federation)
    assert (values["rounds"], values["local-steps"]) == (9, scenario.learning.local_steps)
    assert command[0] == "run"
    assert command[-4:] == [".", "--stream", "--run-config", "rounds=9"]


def test_other_commands_go_through_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert passed_on(["list", "--format", "json"], monkeypatch, Home(tmp_path)) == ["list", "--format", "json"]
    assert passed_on([], monkeypatch, Home(tmp_path)) == []
