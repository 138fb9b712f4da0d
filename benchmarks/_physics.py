"""The simulated physics against other programs and real meters; `bench simulation` shows it and the tests demand it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from simulation.battery import Battery, BatteryLimits
from simulation.settings import BuildingConfig, SiteConfig
from simulation.simulator import SimulatedBuilding
from simulation.solar import ac_kw, irradiance, plane_of_array
from simulation.weather import Weather, weather

HOMES = Path(__file__).parents[2] / "shared" / "data" / "fontana"
"""Measured homes, where they lie beside the project."""
FONTANA = SiteConfig(
    latitude=34.1,
    longitude=-117.43,
    altitude_m=370,
    timezone="America/Los_Angeles",
    clear_sky_index=0.9,
    mean_temperature_c=18.5,
    yearly_swing_c=6.5,
)
NOMINAL_KW = {"building_04": 5.0, "building_12": 5.0, "building_14": 5.0}
"""Solar nominal power where it is not 4 kW [kW]"""
CLEAR_DAYS = 5
"""Sunniest days of each month that count as clear [1]"""
BATTERY_VECTORS = ((2.0, 0.689737), (-2.0, 0.289182))
"""CityLearn's: 10 kWh, round trip 0.9, half full; (power for an hour [kW], state of charge after it [1])"""


def battery_error() -> float:
    """Largest difference to CityLearn's states of charge [1]"""
    limits = BatteryLimits(capacity_kwh=10, charge_kw=5, discharge_kw=5, round_trip_efficiency=0.9)
    errors = []
    for power_kw, soc in BATTERY_VECTORS:
        battery = Battery(limits, 0.5)
        battery.step(power_kw, 1.0)
        errors.append(abs(battery.soc - soc))
    return max(errors)


def clear_day_error(site: SiteConfig, day: date, house: BuildingConfig) -> float:
    """Largest difference to pvlib's own `ModelChain` on a clear day, over its largest power [1]"""
    clear = site.model_copy(update={"clear_sky_index": 1.0})
    sky = weather(clear, 7, day, 1)
    expected = _pvlib_chain(site, house, sky)
    ours = ac_kw(house, plane_of_array(house, sky, *irradiance(sky, np.ones(1440))), sky.temp_air_c)
    return float(np.abs(ours - expected).max() / expected.max())


def _pvlib_chain(site: SiteConfig, house: BuildingConfig, sky: Weather) -> np.ndarray:
    """pvlib's weather, sun and PVWatts chain put together by pvlib itself; shape (1440,) [kW]"""
    import pvlib

    inverter_w = 1000 * (house.inverter_kw or house.peak_solar_kw / 1.1) / 0.96
    system = pvlib.pvsystem.PVSystem(
        [
            pvlib.pvsystem.Array(
                pvlib.pvsystem.FixedMount(house.tilt_deg, house.azimuth_deg),
                albedo=0.2,
                module_parameters={"pdc0": 1000 * house.peak_solar_kw * (1 - house.solar_losses), "gamma_pdc": -0.0035},
                temperature_model_parameters={"u0": 25.0, "u1": 6.84},
            )
        ],
        inverter_parameters={"pdc0": inverter_w, "eta_inv_nom": 0.96},
    )
    place = pvlib.location.Location(site.latitude, site.longitude, altitude=site.altitude_m)
    chain = pvlib.modelchain.ModelChain(
        system,
        place,
        transposition_model="haydavies",
        dc_model="pvwatts",
        ac_model="pvwatts",
        aoi_model="physical",
        spectral_model="no_loss",
        temperature_model="faiman",
        losses_model="no_loss",
    )
    chain.run_model(place.get_clearsky(sky.times).assign(temp_air=sky.temp_air_c, wind_speed=1.0))
    return np.asarray(chain.results.ac.fillna(0) / 1000)


@dataclass(frozen=True)
class HomeCheck:
    """One measured home against its simulated twin."""

    home: str
    """Name of the file."""
    azimuth_deg: float
    """Orientation that fits its clear days best; it is not published [degrees]"""
    tilt_deg: float
    """The same [degrees]"""
    clear_day_r: float
    """Correlation of the hours of clear days [1]"""
    yield_ratio: float
    """Simulated over measured generation of the year [1]"""


def homes_check(folder: Path, names: Sequence[str] | None = None) -> list[HomeCheck]:
    """Every home of the folder: orientation from its clear days, then a year in a simulated climate (three of them)."""
    files = sorted(folder.glob("building_*.csv"))
    sky = _every(weather(FONTANA, 7, date(2016, 7, 31), 369), 10)
    shapes = {(t, a): _clear_shape(sky, t, a) for t in (15, 20, 25) for a in range(105, 271, 15)}
    return [_check(file, shapes) for file in files if names is None or file.stem in names]


def _check(file: Path, shapes: dict[tuple[int, int], pd.Series]) -> HomeCheck:
    recorded = pd.read_csv(file, parse_dates=["interval_start_local"])
    hours = pd.DatetimeIndex(recorded["interval_start_local"])
    utc = hours.tz_localize(FONTANA.timezone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")
    measured = recorded["pv_kwh"].to_numpy()
    clear = _clear_hours(hours, measured)
    fits = {
        key: np.corrcoef(shape.reindex(utc).to_numpy()[clear], measured[clear])[0, 1] for key, shape in shapes.items()
    }
    tilt, azimuth = max(fits, key=lambda key: fits[key])
    nominal = NOMINAL_KW.get(file.stem, 4.0)
    house = BuildingConfig(id=file.stem, peak_solar_kw=nominal, tilt_deg=tilt, azimuth_deg=azimuth)
    start = datetime(2016, 8, 1, 7, tzinfo=UTC)
    years = [SimulatedBuilding(house, FONTANA, seed).minutes(start, 365 * 1440).pv_kw.sum() / 60 for seed in (1, 2, 3)]
    return HomeCheck(file.stem, azimuth, tilt, float(fits[tilt, azimuth]), float(np.mean(years) / measured.sum()))


def _clear_hours(hours: pd.DatetimeIndex, measured: np.ndarray) -> np.ndarray:
    """Which hours belong to the sunniest days of their month; shape of `measured`, true or false"""
    days = pd.Series(measured, hours).resample("D").sum()
    best = days.groupby(days.index.to_period("M")).nlargest(CLEAR_DAYS)  # type: ignore[attr-defined]
    return np.asarray(hours.normalize().isin(best.index.get_level_values(1)))


def _clear_shape(sky: Weather, tilt: int, azimuth: int) -> pd.Series:
    """Hourly generation of 1 kW under a clear sky, by UTC start of the hour [kW]"""
    house = BuildingConfig(id="H", peak_solar_kw=1.0, tilt_deg=tilt, azimuth_deg=azimuth)
    power = ac_kw(house, plane_of_array(house, sky, *irradiance(sky, np.ones(len(sky.minutes)))), sky.temp_air_c)
    return pd.Series(power, sky.times).resample("1h").mean()


def _every(sky: Weather, step: int) -> Weather:
    """Each `step`th minute."""
    thinned = {name: values[::step] for name, values in vars(sky).items() if name != "clouds"}
    return replace(sky, **thinned)
