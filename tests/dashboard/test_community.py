"""Figures of the whole community, by hand."""

from __future__ import annotations

import pytest

from contracts.events import EnergyTransfer
from contracts.units import cost_rounded_up, proceeds_rounded_down
from dashboard.community import saved
from dashboard.hub.records import SiteInfo, SlotReport

SITE = SiteInfo(
    name="x", timezone="UTC", currency="EUR", slot_minutes=15, retail_per_kwh=0.3, feed_in_per_kwh=0.08, expected=()
)


PEAK = SlotReport(
    slot=1,
    price=180_000,
    volume_wh=2000,
    orders=2,
    fills=1,
    supply_wh=2000,
    demand_wh=2000,
    bought_wh={1: -2000, 2: 2000},
    retail_price=450_000,
    feed_in_price=100_000,
    state="settled",
)


@pytest.mark.parametrize(
    ("fee", "slots", "expected"),
    [(0, [], 0.44), (20_000, [], 0.40), (0, [PEAK], 0.70), (0, [PEAK.model_copy(update={"slot": 2})], 0.44)],
)
def test_neighbours_save_what_lies_between_the_tariffs_less_the_fee(
    fee: int, slots: list[SlotReport], expected: float
) -> None:
    """2 kWh between 0.08 and 0.30 per kWh, or the tariffs of their own slot."""
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
    assert saved([trade], slots, SITE) == pytest.approx(expected)
