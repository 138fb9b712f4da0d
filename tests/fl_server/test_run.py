"""Command lines, configuration and environment of Flower's processes; and words for when nobody answers."""

import socket
import stat
import tomllib
from contextlib import nullcontext
from pathlib import Path

import pytest

from fl_server import run
from fl_server.run import (
    FederationError,
    RunResult,
    end_run,
    flower_environment,
    run_status,
    start_run,
    superlink_command,
    supernode_command,
    wait_for_run,
    write_flwr_config,
)

ROOT = Path(__file__).parents[2]


def test_flower_phones_nobody_and_installs_nothing(tmp_path: Path) -> None:
    environment = flower_environment(tmp_path)
    assert environment["FLWR_HOME"] == str(tmp_path)
    assert environment["FLWR_TELEMETRY_ENABLED"] == "0"
    assert environment["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert environment["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"


def test_the_programs_are_those_of_this_environment(tmp_path: Path) -> None:
    link = superlink_command("127.0.0.1:8710", tmp_path)
    node = supernode_command("127.0.0.1:8710", "B2", tmp_path / "t.sock", 9001)
    for command in (link, node):
        assert Path(command[0]).stat().st_mode & stat.S_IXUSR
    assert link[link.index("--database") + 1].startswith(str(tmp_path))
    assert node[node.index("--superlink") + 1] == "127.0.0.1:8710"
    facts = node[node.index("--node-config") + 1]
    assert tomllib.loads(facts.replace(" socket", "\nsocket")) == {
        "building-id": "B2",
        "socket": str(tmp_path / "t.sock"),
    }


def test_the_running_superlink_becomes_the_default(tmp_path: Path) -> None:
    write_flwr_config(tmp_path / "new", "127.0.0.1:8710")
    config = tomllib.loads((tmp_path / "new" / "config.toml").read_text())
    assert config["superlink"]["default"] == run.CONNECTION
    assert config["superlink"][run.CONNECTION] == {"address": "127.0.0.1:8710", "insecure": True}


def test_only_one_end_is_success() -> None:
    ends = {"finished:completed": True, "finished:failed": False, "finished:stopped": False}
    assert {status: RunResult(run_id="1", status=status).completed for status in ends} == ends


def test_no_superlink_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    write_flwr_config(tmp_path, address)
    with pytest.raises(FederationError, match=r"flwr list|knows no run|SuperLink"):
        run_status(tmp_path, "1")
    with pytest.raises(FederationError, match=r"flwr run|SuperLink"):
        start_run(ROOT, tmp_path, {"rounds": 1, "hub-url": ""})


def test_waiting_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "POLL_S", 0.01)
    monkeypatch.setattr(run, "run_status", lambda *_: "running")
    with pytest.raises(FederationError, match="run 5 is not over after 0 s"):
        wait_for_run(tmp_path, "5", 0.05)


@pytest.mark.parametrize(
    ("stopped", "status", "certain"),
    [(True, "", True), (False, "finished:failed", True), (False, "running", False)],
)
def test_a_run_is_over_or_it_is_said_that_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool, status: str, certain: bool
) -> None:
    answers = {
        "stop": {"success": stopped, "error-message": "Run 5 couldn't be stopped."},
        "list": {"runs": [{"status": status}]},
    }
    monkeypatch.setattr(run, "_flwr", lambda _home, command, *_: answers[command])
    with nullcontext() if certain else pytest.raises(FederationError, match="run 5 cannot be stopped: Run 5 couldn't"):
        end_run(tmp_path, "5")


def test_an_unknown_run_and_a_stuck_command_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_flwr", lambda *_: {"success": True, "runs": []})
    with pytest.raises(FederationError, match="knows no run 5"):
        run_status(tmp_path, "5")
    monkeypatch.undo()
    monkeypatch.setattr(run, "FLWR_S", 0.01)
    with pytest.raises(FederationError, match="flwr list gave no answer"):
        run_status(tmp_path, "5")
