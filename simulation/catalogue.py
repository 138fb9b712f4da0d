"""Buildings made to order: for communities larger than the scenario and for Flower's virtual nodes."""

from __future__ import annotations

from simulation.settings import BuildingConfig, Profile, ReplayOfBuilding

PROFILES: tuple[tuple[Profile, float], ...] = (
    ("family_home", 4200.0),
    ("flat", 2600.0),
    ("shop", 18000.0),
    ("school", 40000.0),
    ("office", 60000.0),
)


def virtual_building(index: int) -> BuildingConfig:
    """Building number `index` (from 0): unequal on purpose; every third without solar, every second with battery."""
    profile, annual_kwh = PROFILES[index % len(PROFILES)]
    size = 1 + 0.1 * (index // len(PROFILES) % 5)
    solar_kw = 0.0 if index % 3 == 2 else round(annual_kwh * size / 600, 1)
    battery_kwh = round(annual_kwh * size / 600, 1) if index % 2 == 0 else 0.0
    return BuildingConfig(
        id=f"B{index + 1}",
        name=f"{profile.replace('_', ' ').capitalize()} {index + 1}",
        profile=profile,
        annual_load_kwh=annual_kwh * size,
        peak_solar_kw=solar_kw,
        azimuth_deg=float(150 + 15 * (index % 5)),
        battery_capacity_kwh=battery_kwh,
        replay=ReplayOfBuilding(solar=index % 3 != 2, battery_capacity_kwh=6.4 if index % 2 == 0 else 0.0),
    )
