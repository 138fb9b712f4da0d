"""Compile the contracts through py-solc-x into the shipped artifacts; run as `./microgrid contracts build`."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from contracts.node_packages import install_package, node_binary
from simulation.errors import MicrogridError

FOLDER = Path(__file__).parent
ARTIFACTS = FOLDER / "artifacts"
CONTRACTS = ("SmartMicrogrid", "TestToken")
COMPILER = "0.8.37"
PACKAGES = (f"solc@{COMPILER}", "@openzeppelin/contracts@5.7.0")
SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",
    "optimizer": {"enabled": True, "runs": 200},
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "storageLayout"]}},
}
COMPLAINT = re.compile(r'"formattedMessage":"((?:[^"\\]|\\.)*)"')
IMPORT = re.compile(r'^import\s+(?:[^"]*\sfrom\s+)?"([^"]+)";', re.MULTILINE)


class BuildError(MicrogridError):
    """The contracts do not compile; the text holds the compiler's own words."""


def build(tools: Path) -> dict[str, dict[str, Any]]:
    """Compile with the pinned compiler, installed under `tools` on first use; contract name -> artifact."""
    sources = collect_sources(install_package(tools / "solc", *PACKAGES))
    compiled = compile_sources(tools, sources)
    return {name: _artifact(name, compiled) for name in CONTRACTS}


def compile_sources(tools: Path, sources: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Compile sources by name with our settings; file -> contract -> what the compiler made. Raises BuildError."""
    import solcx

    modules = install_package(tools / "solc", *PACKAGES)
    try:
        output = solcx.compile_standard(compiler_request(sources), solc_binary=_compiler(tools / "solc", modules))
    except solcx.exceptions.SolcError as error:
        raise BuildError(_complaints(str(error))) from error
    return dict(output["contracts"])


def compiler_request(sources: Mapping[str, str], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The compiler's standard input for sources by name, with our settings; `outputs` choose other results."""
    settings = SETTINGS if outputs is None else SETTINGS | {"outputSelection": outputs}
    contents = {name: {"content": text} for name, text in sources.items()}
    return {"language": "Solidity", "settings": settings, "sources": contents}


def _complaints(answer: str) -> str:
    """The compiler's errors without its whole answer; all of it when there are none to be found."""
    found = [json.loads(f'"{text}"') for text in COMPLAINT.findall(answer)]
    errors = [text for text in found if "Error" in text.split(":")[0]]
    return "\n".join(errors) or answer


def write_artifacts(artifacts: dict[str, dict[str, Any]]) -> None:
    """Write each artifact to contracts/artifacts/NAME.json."""
    ARTIFACTS.mkdir(exist_ok=True)
    for name, artifact in artifacts.items():
        path = ARTIFACTS / f"{name}.json"
        path.write_text(json.dumps(artifact, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def source_hash() -> str:
    """SHA-256 over our sources, the versions of the packages and the settings: what an artifact was made from."""
    digest = hashlib.sha256(json.dumps([SETTINGS, PACKAGES], sort_keys=True).encode())
    for path in sorted(FOLDER.glob("*.sol")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def collect_sources(modules: Path) -> dict[str, str]:
    """Our contracts and everything that they import: source name -> text."""
    sources: dict[str, str] = {}
    pending = [f"contracts/{name}.sol" for name in CONTRACTS]
    while pending:
        name = pending.pop()
        if name in sources:
            continue
        root = FOLDER.parent if name.startswith("contracts/") else modules
        sources[name] = (root / name).read_text(encoding="utf-8")
        pending += [_resolve(name, target) for target in IMPORT.findall(sources[name])]
    return dict(sorted(sources.items()))


def _resolve(importer: str, target: str) -> str:
    if not target.startswith("."):
        return target
    parts: list[str] = []
    for part in (PurePosixPath(importer).parent / target).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _compiler(folder: Path, modules: Path) -> Path:
    """py-solc-x wants one executable; npm solc is a script that reads and writes pipes wrongly (files it does not)."""
    wrapper = folder / "solc"
    solc = f'{shlex.quote(str(node_binary()))} {shlex.quote(str(modules / "solc" / "solc.js"))} "$@"'
    script = (
        "#!/bin/sh\n"
        f'[ "$1" = --standard-json ] || exec {solc}\n'
        "folder=$(mktemp -d)\n"
        "trap 'rm -rf \"$folder\"' EXIT\n"
        'cat > "$folder/request"\n'
        f'{solc} < "$folder/request" > "$folder/answer"\n'
        "grep -v '^>>> ' \"$folder/answer\"\n"
    )
    wrapper.write_text(script, encoding="utf-8")
    wrapper.chmod(0o755)
    return wrapper


def _artifact(name: str, compiled: dict[str, Any]) -> dict[str, Any]:
    contract = compiled[f"contracts/{name}.sol"][name]
    return {
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "compiler": COMPILER,
        "contract": name,
        "deployed_bytecode": "0x" + contract["evm"]["deployedBytecode"]["object"],
        "source_hash": source_hash(),
        "storage_layout": [
            [e["label"], e["slot"], e["offset"], e["type"]] for e in contract["storageLayout"]["storage"]
        ],
    }
