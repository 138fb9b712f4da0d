"""Small line drawings of buildings for the network picture, 24 by 24 units."""

from __future__ import annotations

HOUSE = "M3 11 12 4l9 7M6 9v10h12V9M10 19v-5h4v5"
FLATS = "M6 20V4h12v16M4 20h16M9 8h2m2 0h2M9 12h2m2 0h2M11 20v-4h2v4"
OFFICE = "M4 20V9h7V4h9v16M3 20h18M14 8h3m-3 4h3m-3 4h3M7 13h1m-1 3h1"
SCHOOL = "M3 20V11l9-6 9 6v9ZM10 20v-5h4v5M12 5V2h3M8 14h.1m8 0h.1"
SHOP = "M4 10 5.5 5h13l1.5 5ZM5 10v9h14v-9M9 19v-5h6v5M8 10v1m4-1v1m4-1v1"
PYLON = "M12 3 7 21M12 3l5 18M8 9h8M6 13h12M9 13l5 6m1-6-5 6M5 9h14"

BY_PROFILE = {"family_home": HOUSE, "flat": FLATS, "office": OFFICE, "school": SCHOOL, "shop": SHOP}


def icon_of(profile: str | None) -> str:
    """Path data for a profile; a house when the building has not said what it is."""
    return BY_PROFILE.get(profile or "", HOUSE)
