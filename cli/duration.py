"""Durations as people write them: 90s, 4m, 1h30m."""

from __future__ import annotations

import re

from simulation.errors import MicrogridError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class DurationError(MicrogridError):
    """A text that is no duration."""


def parse_duration(text: str) -> float:
    """Seconds of a duration such as 90s, 4m, 1h30m. Raises DurationError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise DurationError(f"{text!r} is not a duration; write 90s, 4m or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)
