"""Load profiles: the statistics that docs/simulation.md tells, and what makes a load believable."""

import re
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulation.load import load_kw
from simulation.load_profiles import PROFILES
from simulation.settings import BuildingConfig, Profile, SiteConfig
from simulation.weather import weather

SITE = SiteConfig()
ANNUAL_KWH: dict[Profile, float] = {
    "flat": 14_000,
    "family_home": 4_200,
    "office": 90_000,
    "school": 45_000,
    "shop": 22_000,
}
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")


@lru_cache(maxsize=10)
def year(profile: Profile, building_id: str = "H") -> pd.Series:
    """A year of minutes on the clocks of the site [kW]"""
    config = BuildingConfig(id=building_id, profile=profile, annual_load_kwh=ANNUAL_KWH[profile])
    sky = weather(SITE, 7, date(2026, 1, 1), 365)
    return pd.Series(load_kw(config, SITE, 7, sky), sky.times.tz_convert(SITE.timezone))


def statistics(load: pd.Series) -> dict[str, float]:
    hourly = load.resample("1h").mean()
    return {
        "daily_kwh": load.sum() / 60 / 365,
        "peak_kw": float(load.max()),
        "load_factor": float(load.mean() / load.max()),
        "lag_1min": float(load.autocorr(1)),
        "lag_1h": float(hourly.autocorr(1)),
        "lag_24h": float(hourly.autocorr(24)),
        "lag_7d": float(hourly.autocorr(168)),
    }


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_documented_statistics_are_true(profile: Profile) -> None:
    row = re.search(rf"^\| `{profile}` \|(.*)\|$", DOCUMENTED, re.MULTILINE)
    assert row is not None, f"docs/simulation.md has no row for {profile}"
    told = [float(cell) for cell in row[1].split("|")]
    assert told[0] == ANNUAL_KWH[profile]
    assert told[1:] == pytest.approx(list(statistics(year(profile)).values()), rel=0.02, abs=0.01)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_year_uses_the_configured_energy(profile: Profile) -> None:
    assert year(profile).sum() / 60 == pytest.approx(ANNUAL_KWH[profile], rel=0.04)
    assert year(profile).min() >= 0


@pytest.mark.parametrize("profile", ["office", "school", "shop"])
def test_weekends_are_quiet_where_people_work(profile: Profile) -> None:
    load = year(profile)
    assert isinstance(load.index, pd.DatetimeIndex)
    by_day = load.groupby(load.index.day_of_week).mean()
    assert by_day[:5].min() > 1.5 * by_day[5:].max()


@pytest.mark.parametrize("profile", ["flat", "family_home"])
def test_homes_peak_in_the_evening_and_have_a_smaller_morning_peak(profile: Profile) -> None:
    load = year(profile)
    assert isinstance(load.index, pd.DatetimeIndex)
    workday = load[load.index.day_of_week < 5]
    hours = workday.groupby(workday.index.hour).mean()  # type: ignore[attr-defined]
    assert hours.idxmax() in (18, 19, 20)
    assert hours[7] > 1.2 * hours[4]
    assert hours[7] > 1.2 * hours[10]


def test_the_clocks_of_the_site_count() -> None:
    """In local time the office opens at the same hour in winter and in summer."""
    load = year("office")
    assert isinstance(load.index, pd.DatetimeIndex)
    workday = load[load.index.day_of_week < 5]
    for month in (1, 7):
        part = workday[workday.index.month == month]  # type: ignore[attr-defined]
        rise = part.groupby(part.index.hour).mean().diff()
        assert rise.idxmax() in (7, 8)


def test_cold_and_heat_cost_energy() -> None:
    """The colder a winter day, the more a family uses; the hotter a summer day, the more an office."""
    sky = weather(SITE, 7, date(2026, 1, 1), 365)
    temperature = sky.temp_air_c.reshape(-1, 1440).mean(axis=1)
    cases: tuple[tuple[Profile, slice, int], ...] = (
        ("family_home", slice(0, 60), -1),
        ("office", slice(160, 240), 1),
    )
    for profile, days, sign in cases:
        config = BuildingConfig(id="H", profile=profile, annual_load_kwh=1_000_000)  # large: little chance
        load = load_kw(config, SITE, 7, sky).reshape(-1, 1440).mean(axis=1)
        workday = (np.arange(365) + 3) % 7 < 5
        rows = np.flatnonzero(workday[days]) + days.start
        assert sign * np.corrcoef(temperature[rows], load[rows])[0, 1] > 0.15


def test_appliances_start_at_random_and_run_over_midnight() -> None:
    load = year("family_home")
    jumps = load.diff().abs()
    assert 2 < (jumps > 0.8).sum() / 365 < 20
    midnight = load.to_numpy().reshape(-1, 1440)
    ends = np.abs(midnight[1:, 0] - midnight[:-1, -1])
    assert (ends > 0.8).mean() < 0.03, "no more switches at UTC midnight than in any other minute"


def test_neighbours_do_not_cook_at_the_same_minute() -> None:
    ours, theirs = year("family_home", "H"), year("family_home", "I")
    assert ours.corr(theirs) < 0.3
    assert ours.resample("1h").mean().corr(theirs.resample("1h").mean()) > ours.corr(theirs)


def test_many_homes_together_are_smoother_than_one() -> None:
    """After-diversity demand: ten homes peak far below ten times the peak of one."""
    homes = [year("family_home", f"N{i}") for i in range(10)]
    together = sum(home.to_numpy() for home in homes)
    assert np.max(together) < 0.6 * sum(home.max() for home in homes)
