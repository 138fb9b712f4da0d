"""A real chain for the tests of the market: the gateway with its node, as its own process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.chain_process import ChainProcess


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JSON-RPC address of a chain that all tests of the session share."""
    process = ChainProcess(Path(tmp_path_factory.mktemp("chain")))
    process.start()
    yield process.url
    process.stop()
