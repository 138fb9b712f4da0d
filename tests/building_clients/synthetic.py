"""Readings made up for tests: a sun, an evening, clouds that last for hours, and noise; the same every time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

START = datetime(2026, 5, 4, tzinfo=UTC)
SLOT_MINUTES = 15
PER_DAY = 96


def readings(days: float, seed: int = 1) -> pd.DataFrame:
    """Minutes of load, solar and net flow from START on, indexed as the readings store does it."""
    minutes = int(days * 1440)
    hour = np.arange(minutes) / 60 % 24
    sun = np.maximum(0, np.sin((hour - 6) / 12 * np.pi)) * 5
    load = 1 + 1.5 * np.exp(-((hour - 19) ** 2) / 6)
    rng = np.random.default_rng(seed)
    clouds = pd.Series(rng.normal(0, 1, minutes)).ewm(halflife=240).mean().to_numpy() * 12
    noise = rng.normal(0, 0.3, minutes)
    index = pd.date_range(START, periods=minutes, freq="min", name="timestamp")
    pv, load = sun * np.clip(1 + clouds / 3, 0.2, 1.2), np.maximum(0.05, load + noise)
    return pd.DataFrame({"load_kw": load, "pv_kw": pv, "net_flow_kw": pv - load}, index=index)


def after(days: float) -> datetime:
    """The moment `days` after START."""
    return START + timedelta(days=days)
