"""The meter: what really flowed in one slot, from the building's own readings."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from contracts.metering import MeterReading
from contracts.units import kwh_to_wh
from simulation.clock import slot_start
from simulation.errors import MicrogridError

MINUTES_PER_HOUR = 60


class MeterError(MicrogridError):
    """A slot cannot be metered from what was recorded."""


def meter_slot(readings: pd.DataFrame, member: int, slot: int, slot_minutes: int) -> MeterReading:
    """Energy imported and exported in a slot [Wh].

    `readings` is indexed by the start of each minute (UTC) and holds `grid_kw` [kW]. A minute that was not recorded
    counts as no exchange. Raises MeterError when no minute of the slot was recorded.
    """
    start = slot_start(slot, slot_minutes)
    inside = readings[(readings.index >= start) & (readings.index < start + timedelta(minutes=slot_minutes))]
    if inside.empty:
        raise MeterError(f"no reading of slot {slot} ({start:%Y-%m-%d %H:%M} UTC) was recorded")
    grid_kwh = inside["grid_kw"] / MINUTES_PER_HOUR
    return MeterReading(
        member=member,
        slot=slot,
        imported_wh=kwh_to_wh(float(grid_kwh.clip(lower=0).sum())),
        exported_wh=kwh_to_wh(float(-grid_kwh.clip(upper=0).sum())),
        sequence=slot,
    )
