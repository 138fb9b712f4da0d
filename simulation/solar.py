"""Solar generation by PVWatts (Dobos 2014, NREL/TP-6A20-62641), through pvlib."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulation.settings import BuildingConfig
from simulation.weather import WeatherDay

TEMPERATURE_COEFFICIENT = -0.0035
"""Power lost per degree of cell temperature [1/K]; crystalline silicon"""
SYSTEM_LOSSES = 0.14
"""Soiling, wiring, mismatch and the like; PVWatts' default [1]"""
DC_TO_AC = 1.1
"""Array power per inverter power [1]"""
ALBEDO = 0.2


def pv_kw(config: BuildingConfig, weather: WeatherDay) -> np.ndarray:
    """AC power of a building's array in each minute of a day; shape (1440,) [kW]"""
    import pvlib

    if config.peak_solar_kw == 0:
        return np.zeros(len(weather.times))
    plane = plane_of_array(config, weather)
    cell = pvlib.temperature.faiman(plane, weather.temp_air_c)
    dc_kw = pvlib.pvsystem.pvwatts_dc(plane, cell, config.peak_solar_kw, TEMPERATURE_COEFFICIENT)
    ac_kw = pvlib.inverter.pvwatts(dc_kw * (1 - SYSTEM_LOSSES), config.peak_solar_kw / DC_TO_AC / 0.96)
    return np.asarray(np.clip(np.nan_to_num(ac_kw), 0, None))


def plane_of_array(config: BuildingConfig, weather: WeatherDay) -> np.ndarray:
    """Irradiance on the tilted array, isotropic sky (Loutzenhiser et al. 2007); shape (1440,) [W/m2]"""
    import pvlib

    total: dict[str, Any] = pvlib.irradiance.get_total_irradiance(
        config.tilt_deg,
        config.azimuth_deg,
        weather.zenith_deg,
        weather.azimuth_deg,
        weather.dni,
        weather.ghi,
        weather.dhi,
        albedo=ALBEDO,
    )
    return np.asarray(np.clip(np.nan_to_num(np.asarray(total["poa_global"])), 0, None))
