"""Proofs over all inputs: halmos follows the `check_` functions of tests/contracts/solidity/*.proof.sol."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.forge import ensure_forge, ensure_solc, lay_out
from tests.contracts.tool_environment import TOOLS, private_environment, tool_program

HALMOS = "halmos==0.3.3"
MINUTES = 10
"""All proofs together; the machine that runs them has two cores."""


@dataclass(frozen=True)
class Proof:
    """What halmos says about one `check_` function."""

    name: str
    """Suite and function, such as `SmokeProof.check_MintAddsToTheBalance`."""
    proved: bool
    """No counterexample, no time-out and no path that always reverts."""
    cut_loops: int
    """Loops that were followed less far than they can run: then it is no proof."""


def prove(folder: Path) -> list[Proof]:
    """Run all `check_` functions of a project that is laid out."""
    program = tool_program("halmos", HALMOS)
    environment = private_environment("halmos")
    environment |= {"FOUNDRY_SOLC": str(ensure_solc(TOOLS)), "FOUNDRY_OPTIMIZER": "true", "NO_COLOR": "1"}
    environment["PATH"] = f"{ensure_forge(TOOLS).parent}{os.pathsep}{environment['PATH']}"
    options = ["--match-contract", "Proof$", "--json-output", "proofs.json", "--no-status"]
    done = subprocess.run(
        [str(program), *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * MINUTES - 30,
    )
    assert (folder / "proofs.json").exists(), (done.stdout + done.stderr)[-4000:]
    suites = json.loads((folder / "proofs.json").read_text(encoding="utf-8"))["test_results"]
    return [
        Proof(
            f"{suite.rpartition(':')[2]}.{one['name'].partition('(')[0]}",
            one["exitcode"] == 0,
            one["num_bounded_loops"],
        )
        for suite, checks in suites.items()
        for one in checks
    ]


def checks(folder: Path) -> list[str]:
    """All `check_` functions in the proof files, so that none is left out."""
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.proof.sol")]
    return sorted(name for text in texts for name in re.findall(r"function (check_\w+)", text))


@pytest.mark.slow
@pytest.mark.timeout(60 * MINUTES)
def test_every_proof_holds(tmp_path: Path) -> None:
    lay_out(TOOLS, tmp_path, without=("*.t.sol",))
    proofs = prove(tmp_path)
    assert [one.name for one in proofs if not one.proved] == []
    assert [one.name for one in proofs if one.cut_loops] == [], "raise --loop, or make the loop shorter"
    assert sorted(one.name.partition(".")[2] for one in proofs) == checks(tmp_path / "test")


@pytest.mark.slow
def test_a_false_claim_is_not_proved(tmp_path: Path) -> None:
    """One input in 2**256 shows that it is false: no fuzzer would find it."""
    lay_out(TOOLS, tmp_path, without=("*.t.sol", "*.proof.sol"))
    text = (
        'pragma solidity 0.8.37; import {ITestToken, Test} from "./support/Test.sol";'
        "contract FalseProof is Test { ITestToken token; function setUp() public { token = deployToken(); }"
        "function check_No(address a, uint256 n) public { token.mint(a, n); assert(token.balanceOf(a) != 777); } }"
    )
    (tmp_path / "test" / "False.proof.sol").write_text(text, encoding="utf-8")
    assert prove(tmp_path) == [Proof("FalseProof.check_No", False, 0)]
