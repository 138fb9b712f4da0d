"""Signed meter readings of market slots, waiting for the operator to carry them to the contract."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from contracts.metering import SignedMeterReading, recover_reading_signer
from contracts.typed_data import Domain, SignatureError
from dashboard.hub import tables
from dashboard.hub.bodies import shorten
from dashboard.hub.database import Database
from dashboard.hub.errors import Conflict, Invalid
from dashboard.hub.market import Market
from dashboard.hub.members import Members
from simulation.clock import SimClock


class MeterReadings:
    """One signed reading per member, slot and contract; the first one counts."""

    def __init__(self, database: Database, clock: SimClock, market: Market, members: Members) -> None:
        self._database = database
        self._clock = clock
        self._market = market
        self._members = members

    def add(self, signed: SignedMeterReading) -> bool:
        """Store a reading. True when it was new. Raises Invalid or Conflict with the reason."""
        self._check_slot(signed)
        self._check_signature(signed)
        key = {"contract": self._market.key, "slot": signed.reading.slot, "member": signed.reading.member}
        statement = insert(tables.meter_readings).values(**key, payload=signed.model_dump_json())
        with self._database.write() as connection:
            known = connection.scalar(select(tables.meter_readings.c.payload).filter_by(**key))
            if known is not None:
                _check_same(SignedMeterReading.model_validate_json(known), signed)
            connection.execute(statement.on_conflict_do_nothing())
        return known is None

    def of_slot(self, slot: int) -> list[SignedMeterReading]:
        """All readings of one slot on the current contract, by member."""
        columns = tables.meter_readings.c
        statement = select(columns.payload).where(columns.slot == slot, columns.contract == self._market.key)
        with self._database.read() as connection:
            payloads = connection.scalars(statement.order_by(columns.member)).all()
        return [SignedMeterReading.model_validate_json(payload) for payload in payloads]

    def _check_slot(self, signed: SignedMeterReading) -> None:
        current = self._clock.slot_at(self._clock.now())
        if signed.reading.slot > current:
            slot = shorten(signed.reading.slot)
            raise Invalid(f"slot = {slot} has not begun (now {current}); meter a slot after it is over")

    def _check_signature(self, signed: SignedMeterReading) -> None:
        deployment = self._market.require()
        domain = Domain(chain_id=deployment.chain_id, contract=deployment.contract)
        number = signed.reading.member
        member = next((member for member in self._members.all() if member.number == number), None)
        if member is None or member.meter is None:
            raise Invalid(f"member = {shorten(number)} has no meter here; announce the building with POST /api/members")
        try:
            signer = recover_reading_signer(signed, domain)
        except SignatureError as error:
            raise Invalid(str(error)) from error
        if signer != member.meter:
            raise Invalid(
                f"the reading is signed by {signer}, but member {number} has meter {member.meter} "
                f"(chain {domain.chain_id}, contract {domain.contract}); sign with the meter's key for this contract"
            )


def _check_same(known: SignedMeterReading, sent: SignedMeterReading) -> None:
    if known.reading != sent.reading:
        raise Conflict(
            f"member {sent.reading.member} has metered slot {sent.reading.slot} with other values already "
            f"(registers {known.reading.import_register_wh} Wh in, {known.reading.export_register_wh} Wh out)"
        )
