"""What the server asks the wallet in the browser, and what a flow of such requests is.

A flow is a generator: it yields a WalletRequest, is sent the wallet's result, and returns the words for success.
Errors of the wallet are thrown into it as WalletError; it ends by raising RefusedError with words for people.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from simulation.settings import Settings


class WalletRequest(Settings):
    """One EIP-1193 request."""

    method: str
    """JSON-RPC method."""
    params: tuple[Any, ...] = ()
    """JSON-RPC parameters."""
    doing: str
    """What the person sees meanwhile."""
    poll_s: float | None = None
    """Ask again after this time until the answer is not null [s]; None asks once."""
    timeout_s: float = 120.0
    """Give up polling after this time [s]"""
    remember: bool = False
    """The result is the hash of a purchase: the browser keeps it until the hub has logged the trade."""


class WalletError(Exception):
    """The wallet, or the node behind it, answered with an error (EIP-1193, EIP-1474)."""

    def __init__(self, code: int | None, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class RefusedError(Exception):
    """The flow ends here; the text says why and what to do."""

    def __init__(self, text: str, forget: str | None = None) -> None:
        super().__init__(text)
        self.forget = forget
        """Hash of a failed transaction that nobody needs to remember."""


class Purchased(Settings):
    """How a flow ended well."""

    text: str
    """Words for people."""
    tx_hash: str | None = None
    """The transaction, when there is one to show."""
    logged: bool = False
    """The hub has the trade: the browser may forget the hash."""


Flow = Generator[WalletRequest, Any, Purchased]
