"""Solar generation by PVWatts version 5 (Dobos 2014, NREL/TP-6A20-62641), through pvlib."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulation.clouds import clear_sky_index
from simulation.settings import BuildingConfig
from simulation.weather import Weather

TEMPERATURE_COEFFICIENT = -0.0035
"""Power lost per degree of cell temperature [1/K]; crystalline silicon"""
DC_TO_AC = 1.1
"""Array power per inverter power where the scenario names no inverter [1]"""
INVERTER_EFFICIENCY = 0.96
"""PVWatts' nominal efficiency [1]"""
ALBEDO = 0.2


def pv_kw(config: BuildingConfig, seed: int, weather: Weather) -> np.ndarray:
    """AC power of a building's array in each minute; shape (n,) [kW]"""
    power = np.zeros(len(weather.minutes))
    if config.peak_solar_kw > 0:
        ghi, dni, dhi = irradiance(weather, clear_sky_index(seed, config.id, weather.clouds))
        power += ac_kw(config, plane_of_array(config, weather, ghi, dni, dhi), weather.temp_air_c)
    return power


def irradiance(weather: Weather, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Global horizontal, direct normal and diffuse horizontal irradiance under a clear-sky index [W/m2]

    The direct beam by Skartveit et al. 1998 as the SARAH record uses it (Müller et al. 2015, doi:10.3390/rs70608067):
    (k - 0.38 (1 - k))^2.5 of the clear one; all of it where k is 1 or more.
    """
    ghi = weather.clear_ghi * index
    beam = np.clip(index - 0.38 * (1 - index), 0, 1) ** 2.5
    dni = weather.clear_dni * beam
    return ghi, dni, np.clip(ghi - dni * np.cos(np.radians(weather.zenith_deg)), 0, None)


def plane_of_array(
    config: BuildingConfig, weather: Weather, ghi: np.ndarray, dni: np.ndarray, dhi: np.ndarray
) -> np.ndarray:
    """Irradiance that the cells see: sky by Hay and Davies 1980, reflection by De Soto et al. 2006; (n,) [W/m2]"""
    import pvlib

    sun = weather.zenith_deg, weather.azimuth_deg
    plane: dict[str, Any] = pvlib.irradiance.get_total_irradiance(
        config.tilt_deg,
        config.azimuth_deg,
        *sun,
        dni,
        ghi,
        dhi,
        dni_extra=weather.extra_dni,
        albedo=ALBEDO,
        model="haydavies",
    )
    angle = pvlib.irradiance.aoi(config.tilt_deg, config.azimuth_deg, *sun)
    beam = np.asarray(plane["poa_direct"]) * pvlib.iam.physical(angle)
    return np.asarray(np.clip(np.nan_to_num(beam) + np.nan_to_num(np.asarray(plane["poa_diffuse"])), 0, None))


def ac_kw(config: BuildingConfig, plane: np.ndarray, temp_air_c: np.ndarray) -> np.ndarray:
    """Power of the inverter; cell temperature by Faiman 2008 (doi:10.1002/pip.813), clipped at the inverter [kW]"""
    import pvlib

    cell = pvlib.temperature.faiman(plane, temp_air_c)
    dc = pvlib.pvsystem.pvwatts_dc(plane, cell, config.peak_solar_kw, TEMPERATURE_COEFFICIENT)
    inverter_kw = config.inverter_kw or config.peak_solar_kw / DC_TO_AC
    ac = pvlib.inverter.pvwatts(dc * (1 - config.solar_losses), inverter_kw / INVERTER_EFFICIENCY, INVERTER_EFFICIENCY)
    return np.asarray(np.clip(np.nan_to_num(np.asarray(ac)), 0, None))
