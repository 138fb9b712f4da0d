"""Energy of a stretch of readings, and the shares that people compare buildings by."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from simulation.clock import MINUTE_H


@dataclass(frozen=True)
class EnergyTotals:
    """Sums over readings; add two to go on."""

    load_kwh: float = 0.0
    """Consumption [kWh]"""
    pv_kwh: float = 0.0
    """Solar generation [kWh]"""
    charged_kwh: float = 0.0
    """Into the battery [kWh]"""
    discharged_kwh: float = 0.0
    """Out of the battery [kWh]"""
    import_kwh: float = 0.0
    """From the grid [kWh]"""
    export_kwh: float = 0.0
    """Into the grid [kWh]"""
    peak_kw: float = 0.0
    """Largest load of a minute [kW]"""

    def __add__(self, other: EnergyTotals) -> EnergyTotals:
        return EnergyTotals(
            self.load_kwh + other.load_kwh,
            self.pv_kwh + other.pv_kwh,
            self.charged_kwh + other.charged_kwh,
            self.discharged_kwh + other.discharged_kwh,
            self.import_kwh + other.import_kwh,
            self.export_kwh + other.export_kwh,
            max(self.peak_kw, other.peak_kw),
        )

    @property
    def self_sufficiency(self) -> float | None:
        """Share of the load that was not imported [1]; None without load."""
        return 1 - self.import_kwh / self.load_kwh if self.load_kwh else None

    @property
    def self_consumption(self) -> float | None:
        """Share of the solar generation that was not exported [1]; None without solar."""
        return 1 - self.export_kwh / self.pv_kwh if self.pv_kwh else None


def energy_of(readings: pd.DataFrame) -> EnergyTotals:
    """Sums over minutes; `readings` has the columns of a reading [kW]"""
    sums = {
        "load_kwh": readings["load_kw"],
        "pv_kwh": readings["pv_kw"],
        "charged_kwh": readings["battery_kw"].clip(lower=0),
        "discharged_kwh": -readings["battery_kw"].clip(upper=0),
        "import_kwh": readings["grid_kw"].clip(lower=0),
        "export_kwh": -readings["grid_kw"].clip(upper=0),
    }
    totals = {name: float(power.sum()) * MINUTE_H for name, power in sums.items()}
    return EnergyTotals(**totals, peak_kw=float(readings["load_kw"].max()) if len(readings) else 0.0)
