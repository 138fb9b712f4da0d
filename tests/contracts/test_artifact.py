"""The shipped artifacts are what the sources compile to."""

from pathlib import Path

import pytest

from contracts.build import CONTRACTS, build, source_hash
from contracts.deployment import load_artifact

ROOT = Path(__file__).parents[2]
EIP170_BYTES = 24_576


@pytest.mark.parametrize("name", CONTRACTS)
def test_artifact_belongs_to_the_sources(name: str) -> None:
    assert load_artifact(name)["source_hash"] == source_hash(), "run ./microgrid contracts build"


def test_contract_fits_on_any_chain() -> None:
    assert len(load_artifact("SmartMicrogrid")["deployed_bytecode"]) // 2 - 1 < EIP170_BYTES


@pytest.mark.slow
def test_compiling_again_gives_the_same_bytes() -> None:
    assert build(ROOT / ".tools") == {name: load_artifact(name) for name in CONTRACTS}
