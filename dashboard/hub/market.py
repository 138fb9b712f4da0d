"""Which contract the community settles on, as the operator announced it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from contracts.deployment import Deployment
from contracts.events import EnergyTransfer
from contracts.ledger import Ledger
from dashboard.hub import tables
from dashboard.hub.database import Database
from dashboard.hub.errors import Invalid, NotFound, Unavailable
from dashboard.hub.members import checksum_address
from simulation.clock import SimClock


class Chain(Protocol):
    """The part of `contracts.ledger.Ledger` that the hub uses."""

    def transfers_in(self, tx_hash: str) -> list[EnergyTransfer]:
        """Energy transfers of one transaction. Raises LedgerError when it is unknown or failed."""

    def block_number(self) -> int:
        """Newest block. Raises LedgerError when the chain is away."""


Connect = Callable[[Deployment], Chain]


def connect_ledger(deployment: Deployment) -> Chain:
    """A ledger that only reads. Raises LedgerError when the chain does not answer."""
    return Ledger(deployment, None)


class Market:
    """The announced contract, kept through restarts."""

    def __init__(self, database: Database, clock: SimClock, connect: Connect) -> None:
        self._database = database
        self._clock = clock
        self._connect = connect
        self._chain: tuple[Deployment, Chain] | None = None
        with database.read() as connection:
            payload = connection.scalar(select(tables.market.c.payload))
        self._deployment = None if payload is None else Deployment.model_validate_json(payload)

    @property
    def deployment(self) -> Deployment | None:
        """The contract; None before the operator announced one."""
        return self._deployment

    @property
    def key(self) -> str | None:
        """Chain and address of the contract: what belongs to another contract is not mixed with it."""
        return None if self._deployment is None else contract_key(self._deployment)

    def get(self) -> Deployment:
        """The contract. Raises NotFound before there is one."""
        if self._deployment is None:
            raise NotFound("no market yet: the operator has not announced its contract; try again in a few seconds")
        return self._deployment

    def require(self) -> Deployment:
        """The contract. Raises Unavailable before there is one."""
        if self._deployment is None:
            raise Unavailable("no market yet: the operator has not announced its contract; try again in a few seconds")
        return self._deployment

    def announce(self, deployment: Deployment) -> Deployment:
        """Store the operator's contract. Raises Invalid when its slots differ from the clock's."""
        if deployment.slot_minutes != self._clock.slot_minutes:
            raise Invalid(
                f"slot_minutes = {deployment.slot_minutes}: this community's slots have "
                f"{self._clock.slot_minutes} minutes; deploy a contract with the same scenario"
            )
        addresses = {name: checksum_address(name, getattr(deployment, name)) for name in ("contract", "token")}
        deployment = deployment.model_copy(update=addresses)
        values = {"payload": deployment.model_dump_json()}
        statement = insert(tables.market).values(id=1, **values)
        with self._database.lock:
            with self._database.write() as connection:
                connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
            self._deployment = deployment
        return deployment

    def chain(self) -> Chain:
        """The ledger of the current contract, connected once. Raises Unavailable or LedgerError."""
        deployment = self.require()
        if self._chain is None or self._chain[0] != deployment:
            self._chain = (deployment, self._connect(deployment))
        return self._chain[1]


def contract_key(deployment: Deployment) -> str:
    """`chain id:address`."""
    return f"{deployment.chain_id}:{deployment.contract}"
