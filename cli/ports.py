"""Whether the ports of a scenario are free, before anything is started."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from cli.scenario import Scenario
from simulation.errors import MicrogridError


class PortError(MicrogridError):
    """A port is in use; the text names it, the key and the fix."""


def addresses(scenario: Scenario) -> dict[str, tuple[str, int]]:
    """Scenario key -> (host, port) of everything that `up` listens on."""
    chain, hub = urlsplit(scenario.chain.rpc_url), urlsplit(scenario.hub.url)
    host, port = scenario.learning.superlink.rsplit(":", 1)
    return {
        "chain.rpc_url": (chain.hostname or "127.0.0.1", chain.port or 80),
        "hub.url": (scenario.hub.listen_host, hub.port or 80),
        "learning.superlink": (host, int(port)),
        "dashboard.port": (scenario.dashboard.host, scenario.dashboard.port),
    }


def check_ports(scenario: Scenario) -> None:
    """Raises PortError for the first port that something else uses, or that two keys share."""
    taken: dict[int, str] = {}
    for key, (host, port) in addresses(scenario).items():
        if port in taken:
            raise PortError(f"{key} and {taken[port]} both use port {port}; give each its own in the scenario")
        taken[port] = key
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise PortError(
                    f"port {port} on {host} ({key}) is not free: {error.strerror}. Stop what uses it (another "
                    "community? ./microgrid down), or change the key in a copy of microgrid.toml and use --scenario"
                ) from error
