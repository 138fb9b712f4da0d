"""What a person types and reads, in a real process: one clear line per mistake, exit code 1, no traceback."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.duration import DurationError, parse_duration
from cli.effective import effective_scenario
from cli.scenario import ScenarioError

ROOT = Path(__file__).parents[2]


def microgrid(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def says(done: subprocess.CompletedProcess[str], *pieces: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("microgrid: ")
    for piece in pieces:
        assert piece in done.stderr


def test_help_names_every_command() -> None:
    text = microgrid("--help").stdout
    for name in (
        "up",
        "down",
        "status",
        "logs",
        "doctor",
        "test",
        "train",
        "models",
        "bench",
        "clear",
        "config",
        "chain",
        "building",
    ):
        assert f" {name} " in text


def test_unknown_key(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[[building]]\nid = "B1"\nsolar_kw = 3\n')
    says(microgrid("up", "--scenario", path, "--home", tmp_path / "h"), "s.toml", "unknown key building[B1].solar_kw")
    assert not (tmp_path / "h").exists()


def test_bad_replay(tmp_path: Path) -> None:
    (tmp_path / "building_1.csv").write_text("interval_start_local,load_kwh\n")
    done = microgrid("up", "--replay", tmp_path, "--buildings", "1", "--home", tmp_path / "h")
    says(done, "building_1.csv: line 1: column pv_kwh is missing")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "s.toml"
        path.write_text(f'[chain]\nrpc_url = "http://127.0.0.1:{port}"\n[[building]]\nid = "B1"\n')
        says(
            microgrid("up", "--scenario", path, "--home", tmp_path / "h"), f"port {port}", "chain.rpc_url", "--scenario"
        )


def test_a_hub_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from building_clients import process
    from cli.building import start_building
    from contracts.hub_client import HubError

    monkeypatch.setattr(process, "HUB_WAIT_S", 0.5)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    scenario = effective_scenario(None)
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    scenario = scenario.model_copy(update={"hub": scenario.hub.model_copy(update={"url": url})})
    with pytest.raises(HubError, match=rf"no hub answers at {url}.*start it with \./microgrid hub"):
        start_building(scenario, "B1", tmp_path)


def test_unknown_building(tmp_path: Path) -> None:
    says(microgrid("building", "--id", "B9", "--home", tmp_path), "no building 'B9'", "B1, B2, B3, B4, B5")


def test_status_before_the_first_up(tmp_path: Path) -> None:
    says(microgrid("status", "--home", tmp_path / "none"), "start one with ./microgrid up")


def test_config_show_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "shown.toml"
    path.write_text(microgrid("config", "show", "--home", tmp_path / "h").stdout)
    assert effective_scenario(path) == effective_scenario(None)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("4m", 240), ("1h30m", 5400), ("0.5h", 1800)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "4", "m", "4x", "-4m", "4m!"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(DurationError, match="is not a duration; write 90s, 4m or 1h30m"):
        parse_duration(text)


def test_number_of_buildings() -> None:
    assert [b.id for b in effective_scenario(None, buildings=2).building] == ["B1", "B2"]
    many = effective_scenario(None, buildings=12).building
    assert len({b.id for b in many}) == 12
    with pytest.raises(ScenarioError, match="at least one building"):
        effective_scenario(None, buildings=0)
