"""The hub over HTTP: one small client for buildings, operator and federation server."""

from __future__ import annotations

import time
from typing import Any

import httpx

from simulation.errors import MicrogridError

ATTEMPTS = 3
PAUSE_S = 0.3
TIMEOUT_S = 10.0


class HubError(MicrogridError):
    """The hub cannot be reached or failed; the request may be repeated."""


class HubRejected(HubError):
    """The hub refused the request for a reason that a repetition does not change (status 4xx)."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class HubClient:
    """Talks JSON to the hub at `base_url`; connection failures are tried again. Safe to use from several threads."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(base_url=self.base_url, timeout=TIMEOUT_S, trust_env=False)

    def get(self, path: str, **params: Any) -> Any:
        """Answer of a GET. Raises HubError or HubRejected."""
        return self._request("GET", path, params=params)

    def post(self, path: str, payload: Any = None) -> Any:
        """Answer of a POST with a JSON body. Raises HubError or HubRejected."""
        return self._request("POST", path, json=payload)

    def put(self, path: str, payload: Any) -> Any:
        """Answer of a PUT with a JSON body. Raises HubError or HubRejected."""
        return self._request("PUT", path, json=payload)

    def wait_until_up(self, timeout_s: float) -> None:
        """Block until the hub answers. Raises HubError after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.get("/healthz")
                return
            except HubError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_S)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        response = self._send(method, path, **arguments)
        if response.is_success:
            return response.json() if response.content else None
        reason = f"{method} {self.base_url}{path}: {_reason(response)}"
        if response.is_client_error:
            raise HubRejected(response.status_code, reason)
        raise HubError(reason)

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._http.request(method, path, **arguments)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise HubError(
                        f"no hub answers at {self.base_url} ({error or type(error).__name__}); "
                        "start it with ./microgrid hub, or correct hub.url in the scenario"
                    ) from error
                time.sleep(PAUSE_S * attempt)
        raise AssertionError("unreachable")


def _reason(response: httpx.Response) -> str:
    try:
        return f"{response.status_code} {response.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:200]}"
