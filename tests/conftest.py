"""What all tests share: a real chain (the gateway with its node, as its own process), and quiet imports."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.chain_process import ChainProcess

# The pages' data functions are cached for a Streamlit server; outside of one Streamlit says so about each of them.
logging.getLogger("streamlit.runtime.caching.cache_data_api").addFilter(
    lambda record: not record.getMessage().startswith("No runtime found")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: side by side, a long one that begins last would keep the others waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JSON-RPC address of a chain that all tests of the session share."""
    process = ChainProcess(Path(tmp_path_factory.mktemp("chain")))
    process.start()
    yield process.url
    process.stop()
