"""The meter: what really flowed in one slot, and the registers that it adds up to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
from pydantic import Field, ValidationError

from contracts.balances import MeterState
from contracts.metering import MeterReading
from contracts.units import kwh_to_wh
from simulation.clock import slot_start
from simulation.errors import MicrogridError
from simulation.files import write_atomically
from simulation.settings import Settings

MINUTES_PER_HOUR = 60


class MeterError(MicrogridError):
    """A slot cannot be metered from what was recorded, or the registers cannot be read; the text says why."""


class SlotEnergy(Settings):
    """What flowed through the meter in one slot."""

    imported_wh: int = Field(ge=0)
    """Energy taken from the grid [Wh]"""
    exported_wh: int = Field(ge=0)
    """Energy given to the grid [Wh]"""


class Registers(Settings):
    """A meter's two registers, which only rise."""

    slot: int = Field(ge=0)
    """Slot at whose end they were read."""
    import_wh: int = Field(ge=0)
    """Energy taken from the grid since registration [Wh]"""
    export_wh: int = Field(ge=0)
    """Energy given to the grid since registration [Wh]"""


def meter_slot(readings: pd.DataFrame, slot: int, slot_minutes: int) -> SlotEnergy:
    """Energy imported and exported in a slot.

    `readings` is indexed by the start of each minute (UTC) and holds `grid_kw` [kW]. A minute that was not recorded
    counts as no exchange. Raises MeterError when no minute of the slot was recorded.
    """
    start = slot_start(slot, slot_minutes)
    inside = readings[(readings.index >= start) & (readings.index < start + timedelta(minutes=slot_minutes))]
    if inside.empty:
        raise MeterError(f"no reading of slot {slot} ({start:%Y-%m-%d %H:%M} UTC) was recorded")
    grid_kwh = inside["grid_kw"] / MINUTES_PER_HOUR
    return SlotEnergy(
        imported_wh=kwh_to_wh(float(grid_kwh.clip(lower=0).sum())),
        exported_wh=kwh_to_wh(float(-grid_kwh.clip(upper=0).sum())),
    )


class RegisterStore:
    """The registers of one building's meter on one contract, kept in a file: a restart counts nothing twice."""

    def __init__(self, folder: Path, contract: str) -> None:
        self._path = folder / f"registers-{contract.lower()}.json"

    def load(self, known: MeterState, first_slot: int) -> Registers:
        """The newest of the file and of what the contract knows, but nothing before `first_slot` is metered.

        Raises MeterError when the file is damaged.
        """
        on_chain = Registers(
            slot=max(known.last_slot, first_slot - 1),
            import_wh=known.import_register_wh,
            export_wh=known.export_register_wh,
        )
        if not self._path.exists():
            return on_chain
        try:
            kept = Registers.model_validate_json(self._path.read_bytes())
        except ValidationError as error:
            raise MeterError(f"{self._path}: damaged; remove it to go on from what the contract knows") from error
        return max(kept, on_chain, key=lambda registers: registers.slot)

    def count(self, registers: Registers, slot: int, energy: SlotEnergy) -> Registers:
        """The registers at the end of `slot`, kept before anyone sees them."""
        after = Registers(
            slot=slot,
            import_wh=registers.import_wh + energy.imported_wh,
            export_wh=registers.export_wh + energy.exported_wh,
        )
        write_atomically(self._path, after.model_dump_json().encode())
        return after


def reading_of(registers: Registers, member: int) -> MeterReading:
    """What the meter signs. Slots rise, so their numbers serve as sequence."""
    return MeterReading(
        member=member,
        slot=registers.slot,
        sequence=registers.slot,
        import_register_wh=registers.import_wh,
        export_register_wh=registers.export_wh,
    )
