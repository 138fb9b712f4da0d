"""The contracts' own test runner: forge with npm solc, offline, in a generated project outside of the sources.

    python -m contracts.forge FOLDER test --match-contract Smoke

lays the project out in FOLDER (such as .tools/forge/project) and passes the rest on to forge there. Tests deploy the
shipped artifacts; where these are older than the sources, the project gets freshly compiled ones.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.build import ARTIFACTS, CONTRACTS, FOLDER, PACKAGES, build, source_hash
from contracts.node_packages import install_package, node_binary
from simulation.errors import MicrogridError

PACKAGE = "@foundry-rs/forge@1.7.1"
TESTS = FOLDER.parent / "tests" / "contracts" / "solidity"
ANSWER = """
const solc = require(process.argv[1]), fs = require("fs");
if (process.argv.includes("--standard-json")) fs.writeFileSync(1, solc.compile(fs.readFileSync(0, "utf8")));
else console.log("solc, the Solidity compiler\\nVersion: " + solc.version());
"""


class ForgeError(MicrogridError):
    """Forge cannot run, or could not compile; the text holds its own words."""


@dataclass(frozen=True)
class ForgeResult:
    """What became of one test."""

    suite: str
    """File and name of the test contract, such as `Smoke.t.sol:SmokeTest`."""
    test: str
    """The function's name, without its parameters."""
    passed: bool
    reason: str
    """Why it failed, with the input or the last call that made it fail; empty if it passed."""
    calls: int
    """Calls that an invariant test made; 0 for tests of other kinds."""


def ensure_forge(tools: Path) -> Path:
    """Path of the forge program, installed under `tools` on first use. Raises NodePackageError without a network."""
    scope = install_package(tools / "forge", PACKAGE) / "@foundry-rs"
    for program in (*scope.glob("forge-*/bin/forge"), *scope.glob("forge-*/bin/forge.exe")):
        return program
    raise ForgeError(f"{PACKAGE} has no program for this computer ({sys.platform})")


def ensure_solc(tools: Path) -> Path:
    """npm solc as the one executable that forge and slither want: `--version`, `--standard-json`, else nothing."""
    package = install_package(tools / "solc", *PACKAGES) / "solc"
    words = " ".join(shlex.quote(word) for word in (str(node_binary()), "-e", ANSWER, "--", str(package)))
    script = f'#!/bin/sh\nexec {words} "$@"\n'
    wrapper = tools / "solc" / "solc-offline"
    if not wrapper.exists() or wrapper.read_text(encoding="utf-8") != script:
        draft = wrapper.with_name(f"{wrapper.name}.{os.getpid()}")
        draft.write_text(script, encoding="utf-8")
        draft.chmod(0o755)
        draft.replace(wrapper)
    return wrapper


def lay_out(tools: Path, folder: Path, without: Sequence[str] = ()) -> None:
    """Make or renew a forge project: copies of the contracts, the tests and the artifacts, nothing remembered.

    Test files that match one of the patterns in `without` are left out, and so need not be compiled.
    """
    modules = install_package(tools / "solc", *PACKAGES)
    artifacts = _artifacts(tools, folder / "shipped")
    for stale in ("contracts", "test", "shipped", "cache/fuzz", "cache/invariant"):
        shutil.rmtree(folder / stale, ignore_errors=True)
    shutil.copytree(TESTS, folder / "test", ignore=shutil.ignore_patterns(*without))
    shutil.copytree(FOLDER, folder / "contracts", ignore=_all_but_solidity)
    (folder / "test" / "foundry.toml").replace(folder / "foundry.toml")
    (folder / "remappings.txt").write_text("@openzeppelin/=node_modules/@openzeppelin/\n", encoding="utf-8")
    (folder / "node_modules").unlink(missing_ok=True)
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    (folder / "shipped").mkdir()
    for name, artifact in artifacts.items():
        ship(folder, name, artifact)


def ship(folder: Path, name: str, artifact: Mapping[str, Any]) -> None:
    """Let the project's tests deploy this artifact, written in the shape that forge and halmos read."""
    code = artifact["bytecode"]
    text = json.dumps({**artifact, "bytecode": {"object": code} if isinstance(code, str) else code})
    (folder / "shipped" / f"{name}.json").write_text(text, encoding="utf-8")


def forge(
    tools: Path, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, capture: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run forge in the project `folder`, with a home of its own and no way to fetch a compiler."""
    home = tools / "forge" / "home"
    home.mkdir(parents=True, exist_ok=True)
    settings = {"HOME": str(home), "FOUNDRY_SOLC": str(ensure_solc(tools)), "NO_COLOR": "1", **(environment or {})}
    return subprocess.run(
        [str(ensure_forge(tools)), *arguments],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=capture,
        text=True,
        check=False,
    )


def run_tests(
    tools: Path, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> list[ForgeResult]:
    """`forge test` in a project that is laid out; raises ForgeError unless there are results, such as after a typo."""
    done = forge(tools, folder, "test", "--json", *arguments, environment=environment)
    try:
        suites: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        suites = {}
    results = [_result(suite, *item) for suite, body in suites.items() for item in body["test_results"].items()]
    if not results:
        raise ForgeError(f"forge ran no test: {(done.stdout + done.stderr).strip()[-4000:]}")
    return results


def _artifacts(tools: Path, earlier: Path) -> dict[str, dict[str, Any]]:
    """The shipped ones, or those of the last time, whichever belong to the sources; else what these compile to."""
    current = source_hash()
    for folder in (ARTIFACTS, earlier):
        paths = [folder / f"{name}.json" for name in CONTRACTS]
        found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()}
        if len(found) == len(CONTRACTS) and all(one["source_hash"] == current for one in found.values()):
            return found
    return build(tools)


def _all_but_solidity(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".sol")]


def _result(suite: str, test: str, body: dict[str, Any]) -> ForgeResult:
    calls = body["kind"].get("Invariant", {}).get("calls", 0)
    passed = body["status"] == "Success"
    reason = "" if passed else f"{body['reason']}{_example(body['counterexample'])}"
    return ForgeResult(suite.removeprefix("test/"), test.partition("(")[0], passed, reason, calls)


def _example(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    calls = [found["Single"]] if "Single" in found else found["Sequence"][1]
    return " after " + ", ".join(f"{call['func_name'] or ''}({call['args']})" for call in calls)


if __name__ == "__main__":
    tools_folder, project = FOLDER.parent / ".tools", Path(sys.argv[1]).absolute()
    lay_out(tools_folder, project)
    sys.exit(forge(tools_folder, project, *sys.argv[2:], capture=False).returncode)
