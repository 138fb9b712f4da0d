"""The meter's energy is the integral of the grid power over the slot, imports and exports apart."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from building_clients.metering import MeterError, meter_slot
from simulation.clock import slot_start

SLOT = 1_980_000


def minutes(powers_kw: list[float], first_minute: int = 0) -> pd.DataFrame:
    start = slot_start(SLOT, 15) + pd.Timedelta(minutes=first_minute)
    return pd.DataFrame({"grid_kw": powers_kw}, index=pd.date_range(start, periods=len(powers_kw), freq="min"))


def test_constant_import_and_export() -> None:
    reading = meter_slot(minutes([6.0] * 10 + [-3.0] * 5), SLOT, 15)
    assert (reading.imported_wh, reading.exported_wh) == (1000, 250)


def test_only_minutes_of_the_slot_count() -> None:
    assert meter_slot(minutes([60.0] * 45, -15), SLOT, 15).imported_wh == 15_000


@given(st.lists(st.floats(-500, 500), min_size=15, max_size=15))
def test_net_energy_is_the_mean_power(powers_kw: list[float]) -> None:
    reading = meter_slot(minutes(powers_kw), SLOT, 15)
    assert reading.imported_wh - reading.exported_wh == pytest.approx(sum(powers_kw) * 1000 / 60, abs=1)


def test_a_slot_without_readings_is_an_error() -> None:
    with pytest.raises(MeterError, match=f"no reading of slot {SLOT}"):
        meter_slot(minutes([1.0], 15), SLOT, 15)
