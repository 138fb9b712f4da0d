"""Typed scenario sections of the hub and the dashboard."""

from __future__ import annotations

from pydantic import Field

from contracts.settings import HttpUrl
from simulation.settings import Settings


class HubConfig(Settings):
    """Where buildings, operator and dashboard meet."""

    url: HttpUrl = "http://127.0.0.1:8700"
    """Address of the hub as the other processes reach it."""
    listen_host: str = "127.0.0.1"
    """Address that the hub binds; loopback unless told otherwise."""


class DashboardConfig(Settings):
    """The Streamlit app."""

    host: str = "127.0.0.1"
    """Address that the dashboard binds; loopback unless told otherwise."""
    port: int = Field(default=8501, ge=1, le=65535)
    """Port of the pages."""
