"""Faults put into the contracts on purpose, to see whether the Solidity tests notice them.

Tests deploy bytes from the project's `shipped` folder, so a mutant costs one compilation of the contracts (not of the
tests, which know interfaces only) and one run of the tests that are meant to notice it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.build import CONTRACTS, FOLDER, PACKAGES, collect_sources, compiler_request
from contracts.forge import lay_out, run_tests, ship
from contracts.node_packages import install_package, node_binary

FEWER = {"FOUNDRY_INVARIANT_RUNS": "40", "FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT": "0"}
"""What an invariant test does for a mutant: 10,000 calls, and no search for the shortest way to the fault."""
COMPILER = """
const solc = require(process.argv[1]), lines = require("readline").createInterface({input: process.stdin});
lines.on("line", (request) => process.stdout.write(solc.compile(request) + "\\n"));
"""
"""A compiler that stays: it is ready and warm from the second mutant on."""
UNUSED = ("*.proof.sol", "Signatures.t.sol")
"""Tests that inherit the contracts, and so would be compiled with them."""


@dataclass(frozen=True)
class Mutant:
    """One edit of one contract."""

    name: str
    """What is wrong in it, in words that make a test's name."""
    file: str
    """The contract's file in contracts/."""
    old: str
    """Text that occurs exactly once in that file."""
    new: str
    """What stands there instead."""
    tests: tuple[str, ...] = ()
    """Options for `forge test` that choose the tests that have to notice; all tests if empty."""


class Bench:
    """A project whose tests see the contracts by their shipped bytes alone, and a compiler for mutants of these."""

    def __init__(self, tools: Path, project: Path, compiler: subprocess.Popen[str], sources: Mapping[str, str]) -> None:
        self._tools = tools
        self._project = project
        self._compiler = compiler
        self._sources = dict(sources)

    def kill(self, mutant: Mutant) -> list[str]:
        """Names of the tests that fail on the mutant; the project is put right again afterwards."""
        edited = edit((FOLDER / mutant.file).read_text(encoding="utf-8"), mutant)
        artifacts = self._compile(mutant.file, edited)
        places = [self._project / "shipped" / f"{name}.json" for name in CONTRACTS]
        before = [place.read_text(encoding="utf-8") for place in places]
        try:
            for name, artifact in artifacts.items():
                ship(self._project, name, artifact)
            results = run_tests(self._tools, self._project, *mutant.tests, environment=FEWER)
        finally:
            for place, text in zip(places, before, strict=True):
                place.write_text(text, encoding="utf-8")
        return [f"{one.suite}.{one.test}: {one.reason}" for one in results if not one.passed]

    def _compile(self, file: str, edited: str) -> dict[str, dict[str, Any]]:
        """Artifacts of CONTRACTS, as far as tests read them; a mutant that does not compile is a mistake of ours."""
        assert self._compiler.stdin is not None
        assert self._compiler.stdout is not None
        sources, wanted = self._sources | {f"contracts/{file}": edited}, ["abi", "evm.bytecode.object"]
        outputs = {f"contracts/{name}.sol": {name: wanted} for name in CONTRACTS}
        self._compiler.stdin.write(json.dumps(compiler_request(sources, outputs)) + "\n")
        self._compiler.stdin.flush()
        answer = json.loads(self._compiler.stdout.readline())
        errors = [one["formattedMessage"] for one in answer.get("errors", []) if one["severity"] == "error"]
        assert errors == [], "the mutant does not compile"
        made = {name: answer["contracts"][f"contracts/{name}.sol"][name] for name in CONTRACTS}
        return {
            name: {"abi": one["abi"], "bytecode": "0x" + one["evm"]["bytecode"]["object"]} for name, one in made.items()
        }


@contextmanager
def open_bench(tools: Path, project: Path) -> Iterator[Bench]:
    """Lay the project out, and start the compiler."""
    lay_out(tools, project, without=UNUSED)
    modules = install_package(tools / "solc", *PACKAGES)
    command = [str(node_binary()), "-e", COMPILER, "--", str(modules / "solc")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as compiler:
        yield Bench(tools, project, compiler, collect_sources(modules))


def edit(text: str, mutant: Mutant) -> str:
    """The source with the fault in it."""
    found = text.count(mutant.old)
    assert found == 1, f"{mutant.name}: the old text occurs {found} times in {mutant.file}, not once"
    return text.replace(mutant.old, mutant.new)
