"""Meters one slot after the other: counts it, signs the registers, and hands the reading to the hub."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from eth_account.signers.local import LocalAccount

from building_clients.metering import MeterError, Registers, RegisterStore, meter_slot, reading_of
from building_clients.readings_store import ReadingsStore
from contracts.metering import SignedMeterReading, sign_reading
from contracts.typed_data import Domain
from simulation.clock import SimClock

log = logging.getLogger(__name__)

Send = Callable[[SignedMeterReading], None]


class SlotMeter:
    """The meter of one member on one contract. What was counted and not `sent` yet is sent first."""

    def __init__(
        self,
        member: int,
        key: LocalAccount,
        domain: Domain,
        readings: ReadingsStore,
        clock: SimClock,
        kept: RegisterStore,
        registers: Registers,
        sent: bool,
    ) -> None:
        self._member = member
        self._key = key
        self._domain = domain
        self._readings = readings
        self._clock = clock
        self._kept = kept
        self._registers = registers
        self._sent = sent
        self.next_slot = registers.slot + 1

    def step(self, open_from: int, send: Send) -> None:
        """Count and send every slot whose last minute is recorded; those before `open_from` are counted only.

        `send` may raise HubError; then the reading is sent again at the next step.
        """
        last = self._readings.last()
        while last is not None and last.timestamp + timedelta(minutes=1) >= self._clock.slot_start(self.next_slot):
            self._send(open_from, send)
            if last.timestamp + timedelta(minutes=1) < self._clock.slot_start(self.next_slot + 1):
                return
            self._count(self.next_slot)
            self.next_slot += 1

    def _count(self, slot: int) -> None:
        minutes = (self._clock.slot_at(self._clock.now()) - slot + 2) * self._clock.slot_minutes
        try:
            energy = meter_slot(self._readings.frame(minutes), slot, self._clock.slot_minutes)
        except MeterError as error:
            log.warning("slot %d is not metered: %s", slot, error)
            return
        self._registers = self._kept.count(self._registers, slot, energy)
        self._sent = False

    def _send(self, open_from: int, send: Send) -> None:
        if not self._sent and self._registers.slot >= open_from:
            send(sign_reading(reading_of(self._registers, self._member), self._domain, self._key))
        self._sent = True
