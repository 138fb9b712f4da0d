"""The one place where energy and money change their unit.

Energy on the market is whole watt-hours, money whole base units of the payment token, prices base units per kWh.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

TOKEN_DECIMALS = 6
"""Decimals of the payment token: 1 EUR = 1,000,000 base units."""
WH_PER_KWH = 1000


def to_base_units(amount: float) -> int:
    """Money in currency -> base units, half to even."""
    return int(Decimal(str(amount)).scaleb(TOKEN_DECIMALS).to_integral_value(ROUND_HALF_EVEN))


def from_base_units(amount: int) -> float:
    """Base units -> money in currency, for display."""
    return float(Decimal(amount).scaleb(-TOKEN_DECIMALS))


def kwh_to_wh(energy_kwh: float) -> int:
    """Energy [kWh] -> whole watt-hours, half to even."""
    return round(energy_kwh * WH_PER_KWH)


def wh_to_kwh(energy_wh: int) -> float:
    """Whole watt-hours -> energy [kWh], for display."""
    return energy_wh / WH_PER_KWH


def cost_rounded_up(energy_wh: int, price_per_kwh: int) -> int:
    """What the buyer pays [base units]: rounded up, as the contract's costRoundedUp."""
    return -(-energy_wh * price_per_kwh // WH_PER_KWH)


def proceeds_rounded_down(energy_wh: int, price_per_kwh: int) -> int:
    """What the seller receives [base units]: rounded down; the difference to the cost is the utility's."""
    return energy_wh * price_per_kwh // WH_PER_KWH
