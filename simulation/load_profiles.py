"""The five load profiles: what a kind of building does over a day, a week and a year."""

from __future__ import annotations

from dataclasses import dataclass

from simulation.settings import Profile


@dataclass(frozen=True)
class LoadProfile:
    """Relative load by hour of a working day and of a day off, and what comes on top; shares: of the year's energy."""

    weekday: tuple[float, ...]
    """24 values from midnight; only the shape counts [1]"""
    day_off: tuple[float, ...]
    """24 values from midnight on the same scale [1]"""
    winter: float
    """Extra share of the shape in the darkest weeks [1]"""
    heating_share: float
    """Electric heating, hot water and circulation in cold weather [1]"""
    cooling_share: float
    """Cooling and refrigeration in hot weather [1]"""
    appliance_share: float
    """Appliances that people switch on and off [1]"""
    appliance_kw: float
    """Their mean power while they run [kW]"""
    appliance_minutes: float
    """Their mean running time [min]"""
    irregularity: float
    """How far days and hours depart from the shape; 1 for one household [1]"""


def _shape(text: str) -> tuple[float, ...]:
    return tuple(float(value) for value in text.split())


PROFILES: dict[Profile, LoadProfile] = {
    "flat": LoadProfile(
        weekday=_shape("5 4 4 4 4 5 8 11 10 8 7 7 8 8 7 8 9 12 15 16 15 13 10 7"),
        day_off=_shape("6 5 5 4 4 5 6 8 11 12 12 12 13 12 11 10 10 12 14 15 14 12 10 8"),
        winter=0.10,
        heating_share=0.05,
        cooling_share=0.01,
        appliance_share=0.30,
        appliance_kw=1.5,
        appliance_minutes=30,
        irregularity=0.7,
    ),
    "family_home": LoadProfile(
        weekday=_shape("4 3 3 3 3 4 8 12 10 7 6 7 9 8 6 6 8 12 16 17 15 12 9 6"),
        day_off=_shape("5 4 4 3 3 4 5 8 11 13 13 13 14 12 10 10 10 12 15 16 14 12 9 7"),
        winter=0.12,
        heating_share=0.10,
        cooling_share=0.02,
        appliance_share=0.30,
        appliance_kw=1.8,
        appliance_minutes=35,
        irregularity=0.9,
    ),
    "office": LoadProfile(
        weekday=_shape("3 3 3 3 3 4 7 12 17 19 20 20 18 19 20 19 17 13 8 5 4 4 3 3"),
        day_off=_shape("3 3 3 3 3 3 3 4 4 4 4 4 4 4 4 4 4 3 3 3 3 3 3 3"),
        winter=0.06,
        heating_share=0.04,
        cooling_share=0.06,
        appliance_share=0.08,
        appliance_kw=2.2,
        appliance_minutes=12,
        irregularity=0.5,
    ),
    "school": LoadProfile(
        weekday=_shape("2 2 2 2 2 3 7 15 19 20 20 19 17 15 12 9 6 5 4 3 2 2 2 2"),
        day_off=_shape("2 2 2 2 2 2 2 3 3 3 3 3 3 3 3 3 3 3 2 2 2 2 2 2"),
        winter=0.15,
        heating_share=0.08,
        cooling_share=0.01,
        appliance_share=0.10,
        appliance_kw=3.0,
        appliance_minutes=25,
        irregularity=0.5,
    ),
    "shop": LoadProfile(
        weekday=_shape("6 6 6 6 6 7 9 12 15 16 16 16 16 16 16 16 17 17 16 13 9 7 6 6"),
        day_off=_shape("6 6 6 6 6 6 6 7 7 7 7 7 7 7 7 7 7 7 7 7 6 6 6 6"),
        winter=0.04,
        heating_share=0.03,
        cooling_share=0.08,
        appliance_share=0.12,
        appliance_kw=2.5,
        appliance_minutes=15,
        irregularity=0.5,
    ),
}
