"""One viewer's wallet: which account is connected, and the flow that is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import streamlit as st

from dashboard.wallet.flows import words_for
from dashboard.wallet.requests import Flow, Purchased, RefusedError, WalletError, WalletRequest

KEY = "wallet session"


class WalletSession:
    """Drives a flow: one request at a time goes to the browser, its answer goes back into the flow."""

    def __init__(self) -> None:
        self.account: str | None = None
        """Checksummed or lower-case address as the wallet gives it; None when not connected."""
        self.chain_id: int | None = None
        """Chain that the wallet is on."""
        self.request: dict[str, Any] | None = None
        """What the browser is asked now, with an id."""
        self.done: Purchased | None = None
        """How the last flow ended, when it ended well."""
        self.failed: str | None = None
        """Why the last flow ended, when it ended badly."""
        self.forget: str | None = None
        """Hash of a purchase that the browser need not remember any more."""
        self._flow: Flow | None = None
        self._resumed: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether a flow is under way."""
        return self._flow is not None

    def see(self, wallet: dict[str, Any] | None) -> None:
        """Take over what the browser says about the wallet."""
        self.account = (wallet or {}).get("account")
        chain_id = (wallet or {}).get("chainId")
        self.chain_id = int(chain_id, 16) if isinstance(chain_id, str) else None

    def start(self, flow: Flow) -> None:
        """Begin a flow; one that is under way is dropped."""
        self._flow, self.done, self.failed = flow, None, None
        self._step(lambda: next(flow))

    def answer(self, answer: dict[str, Any] | None) -> bool:
        """Give the browser's answer to the flow. False when it answers nothing that was asked."""
        flow, request = self._flow, self.request
        if flow is None or request is None or answer is None or answer.get("id") != request["id"]:
            return False
        error = answer.get("error")
        if error is None:
            self._step(lambda: flow.send(answer.get("result")))
        else:
            refusal = WalletError(error.get("code"), str(error.get("message", "")), error.get("data"))
            self._step(lambda: flow.throw(refusal))
        return True

    def resume(self, tx_hash: str | None, finish: Callable[[str], Flow]) -> bool:
        """Finish a purchase that the browser remembers, once per session. True when a flow was started."""
        if not tx_hash or self.busy or tx_hash in self._resumed or tx_hash == self.forget:
            return False
        self._resumed.add(tx_hash)
        self.start(finish(tx_hash))
        return True

    def _step(self, advance: Callable[[], WalletRequest]) -> None:
        try:
            self.request = {"id": uuid4().hex, **advance().model_dump(mode="json")}
            return
        except StopIteration as end:
            self.done = end.value
            if self.done is not None and self.done.logged:
                self.forget = self.done.tx_hash
        except (RefusedError, WalletError) as error:
            self.failed = words_for(error)
            self.forget = getattr(error, "forget", None) or self.forget
        self._flow, self.request = None, None


def wallet_session() -> WalletSession:
    """The viewer's session, new on the first call."""
    if KEY not in st.session_state:
        st.session_state[KEY] = WalletSession()
    session: WalletSession = st.session_state[KEY]
    return session
