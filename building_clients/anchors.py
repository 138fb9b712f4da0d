"""A building uses a released model only if the operator noted its hash on the contract."""

from __future__ import annotations

import time

from building_clients.architecture import Weights, model_hash
from building_clients.slots import TrainError
from contracts.hub_client import HubClient, HubError
from contracts.ledger import Ledger
from contracts.sender import LedgerError

WAIT_S = 30.0
"""The operator sees a release a moment later than the buildings do [wall s]"""
POLL_S = 0.5


class ModelAnchors:
    """Looks hashes up on the contract that the building trades on. Nothing is asked of the one who sent the model."""

    def __init__(self, hub: HubClient, contract_address: str | None) -> None:
        self._hub = hub
        self._contract_address = contract_address
        self._ledger: Ledger | None = None

    def require(self, weights: Weights) -> None:
        """Wait until the model with these weights is anchored. Raises TrainError when it is not."""
        wanted = model_hash(weights)
        deadline = time.monotonic() + WAIT_S
        while (doubt := self._doubt(wanted)) is not None:
            if time.monotonic() > deadline:
                raise TrainError(f"the model {wanted} is refused: {doubt}")
            time.sleep(POLL_S)

    def _doubt(self, wanted: str) -> str | None:
        try:
            if self._ledger is None:
                self._ledger = Ledger.from_hub(self._hub, None, self._contract_address)
            if self._ledger.release_of(wanted):
                return None
        except (HubError, LedgerError) as error:
            return str(error)
        return f"its hash is not anchored on contract {self._ledger.deployment.contract}; was it changed on the way?"
