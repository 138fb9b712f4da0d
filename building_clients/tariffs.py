"""The tariffs of the coming day as the contract has them, in the units of plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contracts.units import from_base_units

if TYPE_CHECKING:  # web3, which a back-test has no use for
    from contracts.ledger import Ledger


@dataclass(frozen=True)
class Tariffs:
    """What the utility and the grid ask for; arrays of shape (steps,)."""

    feed_in: np.ndarray
    """[currency/kWh]"""
    retail: np.ndarray
    """[currency/kWh]"""
    grid_fee: float = 0.0
    """Paid by the buyer of local energy [currency/kWh]"""


def tariffs_ahead(ledger: Ledger, slot: int, steps: int) -> Tariffs:
    """Of `slot` and those after it; where nothing is posted yet, the market's own. Raises LedgerError."""
    tariffs = ledger.tariffs(slot, steps)
    return Tariffs(
        feed_in=np.array([from_base_units(tariff.feed_in_price) for tariff in tariffs]),
        retail=np.array([from_base_units(tariff.retail_price) for tariff in tariffs]),
        grid_fee=from_base_units(ledger.deployment.grid_fee),
    )
