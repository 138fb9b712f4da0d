"""Figures of the whole community, by hand."""

from __future__ import annotations

import pytest

from contracts.events import EnergyTransfer
from contracts.units import cost_rounded_up, proceeds_rounded_down
from dashboard.community import saved
from dashboard.hub.records import SiteInfo

SITE = SiteInfo(
    name="x", timezone="UTC", currency="EUR", slot_minutes=15, retail_per_kwh=0.3, feed_in_per_kwh=0.08, expected=()
)


@pytest.mark.parametrize(("fee", "expected"), [(0, 0.44), (20_000, 0.40)])
def test_neighbours_save_what_lies_between_the_tariffs_less_the_fee(fee: int, expected: float) -> None:
    """2 kWh between 0.08 and 0.30 per kWh."""
    trade = EnergyTransfer(
        tx_hash="0x" + "0" * 64,
        log_index=0,
        slot=1,
        seller=1,
        buyer=2,
        energy_wh=2000,
        price=180_000,
        cost=cost_rounded_up(2000, 180_000 + fee),
        proceeds=proceeds_rounded_down(2000, 180_000),
        kind="auction",
    )
    assert saved([trade], SITE) == pytest.approx(expected)
