"""Hubs for the pages: one that has run for a while, one that is new, and an address where none is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit as st

from dashboard import hub_data
from tests.contracts.chain_process import free_port
from tests.dashboard.hub_server import HubServer, RecordedChain, fill


@pytest.fixture(scope="session")
def full_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    chain = RecordedChain()
    hub = HubServer(tmp_path_factory.mktemp("full-hub"), chain).start()
    fill(hub, chain)
    yield hub
    hub.stop()


@pytest.fixture(scope="session")
def new_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    hub = HubServer(tmp_path_factory.mktemp("new-hub")).start()
    yield hub
    hub.stop()


@pytest.fixture
def reads_from(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """`reads_from.setenv(hub_data.HUB_URL_VARIABLE, url)`; nothing of another hub is kept."""
    st.cache_data.clear()
    yield monkeypatch
    hub_data._client(hub_data.hub_url()).close()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def nowhere(reads_from: pytest.MonkeyPatch) -> str:
    """Address at which nothing listens."""
    url = f"http://127.0.0.1:{free_port()}"
    reads_from.setenv(hub_data.HUB_URL_VARIABLE, url)
    return url
