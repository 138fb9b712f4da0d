"""Static analysis of the contracts by slither: every finding has an answer in slither_answers.toml."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from contracts.build import PACKAGES, collect_sources, compiler_request
from contracts.forge import ensure_solc
from contracts.node_packages import install_package
from tests.contracts.tool_environment import TOOLS, private_environment, tool_program

SLITHER = "slither-analyzer==0.11.6"
ANSWERS = Path(__file__).with_name("slither_answers.toml")
OUTPUT = {"*": {"*": ["abi", "metadata", "devdoc", "userdoc", "evm.bytecode", "evm.deployedBytecode"], "": ["ast"]}}

Finding = tuple[str, str, str]
"""Check, place and code."""


def findings(folder: Path, sources: dict[str, str]) -> list[Finding]:
    """What slither says about our own files among these sources; the libraries are only read."""
    for name, text in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "request.json").write_text(json.dumps(compiler_request(sources, OUTPUT)), encoding="utf-8")
    program = tool_program("slither", SLITHER)
    options = ["--compile-force-framework", "solc-json", "--solc", str(ensure_solc(TOOLS)), "--json", "found.json"]
    done = subprocess.run(
        [str(program), "request.json", *options, "--filter-paths", "@openzeppelin"],
        cwd=folder,
        env=private_environment("slither"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (folder / "found.json").exists(), done.stderr[-4000:]
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    assert found["success"], found["error"]
    return sorted({finding(one) for one in found["results"].get("detectors", [])})


def finding(detected: dict[str, Any]) -> Finding:
    """Place is `Contract.function`, `Contract.variable` or a contract; code the first line that is named."""
    first = detected["elements"][0]
    parent = first.get("type_specific_fields", {}).get("parent", {}).get("name")
    codes = [one["name"] for one in detected["elements"] if one["type"] == "node"]
    return detected["check"], ".".join(filter(None, (parent, first["name"]))), next(iter(codes), "")


def stanza(found: Finding) -> str:
    """An answer that is still to be given; JSON's strings are TOML's."""
    lines = zip(("check", "place", "code", "why"), (*found, ""), strict=True)
    return "[[answer]]\n" + "".join(f"{key} = {json.dumps(text)}\n" for key, text in lines)


@pytest.mark.slow
def test_every_finding_has_an_answer(tmp_path: Path) -> None:
    answers = tomllib.loads(ANSWERS.read_text(encoding="utf-8")).get("answer", [])
    assert [one for one in answers if not one["why"].strip()] == []
    answered = sorted((one["check"], one["place"], one["code"]) for one in answers)
    found = findings(tmp_path, collect_sources(install_package(TOOLS / "solc", *PACKAGES)))
    new = [one for one in found if one not in answered]
    assert not new, "new findings, to be repaired or answered in slither_answers.toml:\n\n" + "\n".join(
        map(stanza, new)
    )
    assert [one for one in answered if one not in found] == [], "answers to nothing: take them out"


@pytest.mark.slow
def test_slither_sees_what_it_should(tmp_path: Path) -> None:
    """A run that finds nothing would look the same as a run that reads nothing."""
    text = "pragma solidity 0.8.37; contract Weak { function end(address payable to) external { selfdestruct(to); } }"
    assert ("suicidal", "Weak.end", "") in findings(tmp_path, {"contracts/Weak.sol": text})
