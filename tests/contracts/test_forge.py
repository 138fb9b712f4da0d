"""The Solidity tests of tests/contracts/solidity, run by forge: unit, fuzz and invariant tests of the shipped bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contracts.forge import ForgeError, ForgeResult, ensure_solc, forge, lay_out, run_tests
from tests.contracts.tool_environment import TOOLS

DEEP = os.environ.get("FOUNDRY_PROFILE") == "deep"
CALLS = 1_000_000 if DEEP else 100_000
"""At least so many calls are made up for each invariant."""
pytestmark = pytest.mark.timeout(4 * 3600 if DEEP else 1800)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forge")
    lay_out(TOOLS, folder)
    return folder


@pytest.fixture(scope="module")
def results(project: Path) -> list[ForgeResult]:
    return run_tests(TOOLS, project)


@pytest.mark.slow
def test_every_solidity_test_passes(results: list[ForgeResult]) -> None:
    assert [f"{one.suite}.{one.test}: {one.reason}" for one in results if not one.passed] == []


@pytest.mark.slow
def test_invariants_stand_enough_calls(results: list[ForgeResult]) -> None:
    calls = {f"{one.suite}.{one.test}": one.calls for one in results if one.test.startswith("invariant_")}
    assert calls, "no invariant was tested"
    assert {name: made for name, made in calls.items() if made < CALLS} == {}


@pytest.mark.slow
def test_no_solidity_test_is_left_out(results: list[ForgeResult], project: Path) -> None:
    files = {str(path.relative_to(project / "test")) for path in (project / "test").rglob("*.t.sol")}
    assert {one.suite.partition(":")[0] for one in results} == files


def test_solidity_is_formatted(project: Path) -> None:
    done = forge(TOOLS, project, "fmt", "--check", "test", "contracts")
    assert done.returncode == 0, f"run forge fmt: {done.stdout}{done.stderr}"


def test_no_test_is_an_error(project: Path) -> None:
    with pytest.raises(ForgeError, match="forge ran no test"):
        run_tests(TOOLS, project, "--match-contract", "NoSuchContract")


def test_the_compiler_is_the_one_of_the_artifacts(tmp_path: Path) -> None:
    assert ensure_solc(TOOLS).exists()
    lay_out(TOOLS, tmp_path)
    (tmp_path / "test" / "Broken.t.sol").write_text("pragma solidity ^0.8.0; contract Broken { wrong }")
    with pytest.raises(ForgeError, match=r"Broken\.t\.sol"):
        run_tests(TOOLS, tmp_path)
