"""The home folder: one `up` at a time, time that goes on, and clear words for what is damaged."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.effective import effective_scenario
from cli.home import Home, HomeError, running_pid


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_second_up_is_refused_by_name(home: Home) -> None:
    with home.claim():
        home.write_state({"pid": os.getpid()})
        assert running_pid(home) == os.getpid()
        with pytest.raises(HomeError, match=rf"running here already \(process {os.getpid()}\)"), home.claim():
            pass
    assert running_pid(home) is None


def test_simulated_time_goes_on_where_it_stopped(home: Home) -> None:
    scenario = effective_scenario(None)
    with home.claim():
        first = home.prepare(scenario)
        assert abs(first.now() - scenario.clock.start) < timedelta(minutes=5)
        home.write_state({"pid": 1})
        stopped = time.time() + 100
        os.utime(home.state_file, (stopped, stopped))
        again = home.prepare(scenario)
    expected = first.at(datetime.fromtimestamp(stopped, UTC))
    assert abs(again.start - expected) < timedelta(seconds=1)


def test_another_community_in_the_same_home_is_refused(home: Home) -> None:
    with home.claim():
        home.prepare(effective_scenario(None))
        before = home.scenario_file.read_bytes()
        with pytest.raises(HomeError, match=r"holds a community with another \[building\]; use a new --home"):
            home.prepare(effective_scenario(None, buildings=3))
        home.prepare(effective_scenario(None, speed=30))
    assert before != home.scenario_file.read_bytes()


@pytest.mark.parametrize("name", ["clock.json", "state.json"])
def test_damaged_files_are_named_and_kept(home: Home, name: str) -> None:
    with home.claim():
        home.prepare(effective_scenario(None))
        home.write_state({"pid": 1})
        path = home.folder / name
        path.write_text('{"half', encoding="utf-8")
        with pytest.raises(HomeError, match=rf"{name}: damaged; "):
            home.prepare(effective_scenario(None))
        assert path.read_text() == '{"half'


def test_a_home_inside_a_repository_is_none_of_its_files(home: Home) -> None:
    """So that git, ruff and mypy pass it by, whatever it is called."""
    subprocess.run(["git", "init", "--quiet", home.folder.parent], check=True)
    with home.claim():
        home.prepare(effective_scenario(None))
    seen = subprocess.run(
        ["git", "status", "--porcelain"], cwd=home.folder.parent, check=True, capture_output=True, text=True
    )
    assert seen.stdout == ""
