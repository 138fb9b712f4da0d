"""The hub as a process: binds its port, serves until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from contracts.hub_client import HubError
from contracts.settings import MarketConfig
from dashboard.hub.app import create_app
from dashboard.hub.settings import HubConfig
from simulation.clock import SimClock
from simulation.settings import SiteConfig

log = logging.getLogger(__name__)

SHUTDOWN_S = 5
DEFAULT_PORTS = {"http": 80, "https": 443}


def run_hub(
    config: HubConfig, folder: Path, clock: SimClock, site: SiteConfig, market: MarketConfig, expected: Sequence[str]
) -> None:
    """Serve until SIGTERM or SIGINT, then return. Raises HubError for a port in use or a damaged database."""
    with bind(config) as listener:
        app = create_app(folder, clock, site, market, expected)
        log.info("hub listens on %s port %d, database in %s", *listener.getsockname()[:2], folder)
        serve(app, listener)
    log.info("hub stopped")


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serve `app` on a bound socket until a signal comes."""
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, ws="none", lifespan="on", timeout_graceful_shutdown=SHUTDOWN_S
        )
    )
    with _signals_end_quietly():
        server.run(sockets=[listener])


@contextmanager
def bind(config: HubConfig) -> Iterator[socket.socket]:
    """A listening socket on the hub's port. Raises HubError naming the port and the key to change."""
    port = port_of(config.url)
    family = socket.AF_INET6 if ":" in config.listen_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.listen_host, port))
            listener.listen(512)
        except (OSError, OverflowError) as error:
            raise HubError(
                f"port {port} on {config.listen_host} cannot be used ({error}); stop the program that uses it "
                "(a second hub?), or set another port in the scenario's key hub.url (and hub.listen_host)"
            ) from error
        yield listener


def port_of(url: str) -> int:
    """Port of an http address. Raises HubError naming the key."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise HubError(f"hub.url = {url!r}: {error}; use for example http://127.0.0.1:8700") from error
    return DEFAULT_PORTS[parts.scheme] if port is None else port


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """uvicorn raises a caught signal again after its shutdown; here that must not end the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = {kind: signal.signal(kind, lambda *_: None) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
