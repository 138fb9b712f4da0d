"""A meter's registers only rise, are counted once, and reach the hub whatever happens in between."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from eth_account import Account

from building_clients.metering import MeterError, Registers, RegisterStore, SlotEnergy
from building_clients.readings_store import ReadingsStore
from building_clients.slot_meter import SlotMeter
from contracts.balances import MeterState
from contracts.hub_client import HubError
from contracts.metering import SignedMeterReading, recover_reading_signer
from contracts.typed_data import Domain
from simulation.clock import SimClock, slot_start

SLOT = 1_980_000
START = slot_start(SLOT, 15)
DOMAIN = Domain(chain_id=31337, contract="0x" + "11" * 20)
KEY = Account.create()
FRESH = MeterState(last_slot=SLOT - 1, sequence=0, capacity_wh=25_000, import_register_wh=0, export_register_wh=0)


class Minutes:
    """Readings of a house that imports 4 kW, up to a minute that the test sets."""

    def __init__(self) -> None:
        self.until = START

    def last(self) -> object:
        return type("Row", (), {"timestamp": self.until - pd.Timedelta(minutes=1)})()

    def frame(self, minutes: int) -> pd.DataFrame:
        index = pd.date_range(end=self.until - pd.Timedelta(minutes=1), periods=minutes, freq="min")
        return pd.DataFrame({"grid_kw": 4.0}, index=index)


class Wire:
    """Takes readings, unless it is cut."""

    def __init__(self) -> None:
        self.cut = False
        self.taken: list[tuple[int, int]] = []

    def send(self, signed: SignedMeterReading) -> None:
        assert recover_reading_signer(signed, DOMAIN) == KEY.address
        if self.cut:
            raise HubError("cut")
        self.taken.append((signed.reading.slot, signed.reading.import_register_wh))


class Street:
    """The meter's surroundings, which survive its restarts."""

    def __init__(self, folder: Path) -> None:
        self.kept = RegisterStore(folder, DOMAIN.contract)
        self.readings, self.wire = Minutes(), Wire()

    def meter(self, known: MeterState = FRESH) -> SlotMeter:
        registers = self.kept.load(known, SLOT)
        readings: ReadingsStore = self.readings  # type: ignore[assignment]  # only what a meter asks of them
        clock = SimClock(start=self.readings.until, wall_start=pd.Timestamp.now("UTC"), speed=1.0, slot_minutes=15)
        sent = registers.slot <= known.last_slot
        return SlotMeter(3, KEY, DOMAIN, readings, clock, self.kept, registers, sent)

    def at(self, slots: float) -> None:
        self.readings.until = START + pd.Timedelta(minutes=15 * slots)


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(tmp_path)


def test_each_whole_slot_is_sent_once_and_adds_up(street: Street) -> None:
    meter = street.meter()
    for slots in (0.5, 1.0, 1.5, 2.0, 2.9):
        street.at(slots)
        meter.step(SLOT, street.wire.send)
    assert street.wire.taken == [(SLOT, 1000), (SLOT + 1, 2000)]
    assert meter.next_slot == SLOT + 2


def test_what_was_counted_before_a_crash_is_sent_after_it(street: Street) -> None:
    street.wire.cut = True
    street.at(1)
    with pytest.raises(HubError):
        street.meter().step(SLOT, street.wire.send)
    street.wire.cut = False
    street.meter().step(SLOT, street.wire.send)
    assert street.wire.taken == [(SLOT, 1000)]


def test_slots_outside_the_window_are_counted_and_not_sent(street: Street) -> None:
    street.at(3)
    street.meter().step(SLOT + 2, street.wire.send)
    assert street.wire.taken == [(SLOT + 2, 3000)]


def test_a_lost_file_goes_on_from_the_contract(street: Street) -> None:
    known = FRESH.model_copy(update={"last_slot": SLOT + 4, "import_register_wh": 9000})
    street.at(6)
    street.meter(known).step(SLOT, street.wire.send)
    assert street.wire.taken == [(SLOT + 5, 10_000)]


def test_a_damaged_file_is_named_and_kept(street: Street, tmp_path: Path) -> None:
    street.kept.count(
        Registers(slot=SLOT - 1, import_wh=0, export_wh=0), SLOT, SlotEnergy(imported_wh=1, exported_wh=0)
    )
    (path,) = tmp_path.glob("registers-*.json")
    path.write_text("{")
    with pytest.raises(MeterError, match=r"registers-0x.*damaged; remove it"):
        street.meter()
    assert path.read_text() == "{"
