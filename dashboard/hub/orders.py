"""Signed orders: for the auction of a coming slot, or offers of energy delivered in an open settlement window."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from sqlalchemy import Row, Select, func, select
from sqlalchemy.dialects.sqlite import insert

from contracts.member import FIRST_GUEST
from contracts.orders import Order, Side, SignedOrder, order_hash, recover_order_signer
from contracts.settings import MarketConfig
from contracts.typed_data import Domain, SignatureError
from dashboard.hub import tables
from dashboard.hub.bodies import shorten
from dashboard.hub.database import Database
from dashboard.hub.errors import Invalid
from dashboard.hub.market import Market
from dashboard.hub.members import Members
from dashboard.hub.records import OrderEntry
from simulation.clock import SimClock

HORIZON_SLOTS = 672
"""Orders for slots further ahead than this are refused (a week of quarter hours) [1]"""
Kind = Literal["auction", "offer"]


class OrderBook:
    """The latest order of each (member, slot, kind) counts; all are kept."""

    def __init__(
        self, database: Database, clock: SimClock, rules: MarketConfig, market: Market, members: Members
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._market = market
        self._members = members

    def add(self, signed: SignedOrder) -> str:
        """Store an order and return its hash; the same one again changes nothing. Raises Invalid with the reason."""
        deployment = self._market.require()
        domain = Domain(chain_id=deployment.chain_id, contract=deployment.contract)
        self._check_member(signed.order)
        digest = self._checked_hash(signed, domain)
        with self._database.lock:
            if not self._is_known(digest):
                self._check_time(signed.order)
                self._store(digest, signed)
        return digest

    def auction(self, slot: int, history: bool = False) -> list[OrderEntry]:
        """The orders for one slot in order of arrival; with `history` also those that were replaced."""
        columns = tables.orders.c
        statement = self._mine().where(columns.slot == slot, columns.kind == "auction").order_by(columns.arrival)
        entries = self._entries(statement)
        return entries if history else [entry for entry in entries if entry.status == "open"]

    def open_offers(self) -> list[OrderEntry]:
        """The latest window offer of each member and slot that has not expired."""
        columns = tables.orders.c
        current = self._clock.slot_at(self._clock.now())
        statement = self._mine().where(columns.kind == "offer", columns.expiry_slot >= current)
        return [entry for entry in self._entries(statement.order_by(columns.arrival)) if entry.status == "open"]

    def _mine(self) -> Select[tuple[str, str, int, int]]:
        columns = tables.orders.c
        newest = func.max(columns.arrival).over(partition_by=(columns.member, columns.slot, columns.kind))
        return select(columns.order_hash, columns.payload, columns.arrival, newest.label("newest")).where(
            columns.contract == self._market.key
        )

    def _entries(self, statement: Select[tuple[str, str, int, int]]) -> list[OrderEntry]:
        with self._database.lock, self._database.read() as connection:
            return [_entry(row) for row in connection.execute(statement)]

    def _check_member(self, order: Order) -> None:
        numbers = [member.number for member in self._members.all()]
        if order.member not in numbers:
            raise Invalid(f"member = {shorten(order.member)} has not joined; announce it with POST /api/members first")
        if order.side is Side.SELL and order.member >= FIRST_GUEST:
            raise Invalid(f"member {order.member} is a guest without a meter: guests can only buy")

    def _checked_hash(self, signed: SignedOrder, domain: Domain) -> str:
        owner = self._members.get(signed.order.member).owner
        digest = order_hash(signed.order, domain)
        try:
            signer = recover_order_signer(signed, domain)
        except SignatureError as error:
            raise Invalid(str(error)) from error
        if signer != owner:
            raise Invalid(
                f"the order is signed by {signer}, but member {signed.order.member} belongs to {owner} "
                f"(chain {domain.chain_id}, contract {domain.contract}); sign with the owner's key for this contract"
            )
        return digest

    def _is_known(self, digest: str) -> bool:
        with self._database.read() as connection:
            statement = select(tables.orders.c.arrival).where(tables.orders.c.order_hash == digest)
            return connection.scalar(statement) is not None

    def _check_time(self, order: Order) -> None:
        if kind_of(order) == "auction":
            self._check_gate(order)
        else:
            self._check_window(order)

    def _check_gate(self, order: Order) -> None:
        now = self._clock.now()
        if order.slot > self._clock.slot_at(now) + HORIZON_SLOTS:
            raise Invalid(
                f"slot = {shorten(order.slot)} is more than {HORIZON_SLOTS} slots ahead; bid for a nearer one"
            )
        if order.slot < self._clock.slot_at(now) - HORIZON_SLOTS:
            raise Invalid(
                f"slot = {order.slot} is long over; bid for slot {self._clock.slot_at(now) + 1} or a later one"
            )
        gate = self._clock.slot_start(order.slot) - timedelta(seconds=self._rules.gate_closure_seconds)
        if now > gate:
            raise Invalid(
                f"too late for slot {order.slot}: its gate closed at simulated {gate:%Y-%m-%d %H:%M:%S} UTC and it is "
                f"{now:%Y-%m-%d %H:%M:%S}; bid for a later slot"
            )

    def _check_window(self, order: Order) -> None:
        current = self._clock.slot_at(self._clock.now())
        last = order.slot + self._rules.settlement_window_slots
        if order.side is not Side.SELL:
            raise Invalid(
                f"expiry_slot = {order.expiry_slot} differs from slot = {order.slot}: only sell offers outlive a slot"
            )
        if not order.slot < order.expiry_slot <= last:
            raise Invalid(f"expiry_slot = {shorten(order.expiry_slot)} must lie in {order.slot + 1} to {last}")
        if order.slot >= current:
            raise Invalid(f"slot {order.slot} is not over (now {current}); offer energy after it was delivered")
        if order.expiry_slot < current:
            raise Invalid(
                f"expiry_slot = {order.expiry_slot} is over (now {current}); the offer can no longer be bought"
            )

    def _store(self, digest: str, signed: SignedOrder) -> None:
        order = signed.order
        statement = insert(tables.orders).values(
            order_hash=digest,
            contract=self._market.key,
            member=order.member,
            slot=order.slot,
            kind=kind_of(order),
            expiry_slot=order.expiry_slot,
            payload=signed.model_dump_json(),
        )
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_nothing())


def kind_of(order: Order) -> Kind:
    """An auction order expires with its slot, a window offer outlives it."""
    return "auction" if order.expiry_slot == order.slot else "offer"


def _entry(row: Row[tuple[str, str, int, int]]) -> OrderEntry:
    signed = SignedOrder.model_validate_json(row.payload)
    status: Literal["open", "replaced"] = "open" if row.arrival == row.newest else "replaced"
    return OrderEntry(order_hash=row.order_hash, order=signed.order, signature=signed.signature, status=status)
