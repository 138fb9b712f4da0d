"""One forecast of 24 hours: what serves it (onnxruntime), with all that comes before, against Keras."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks._table import against, measure, show
from building_clients.architecture import initial_weights
from building_clients.calibration import calibrated_on, forecast_samples
from building_clients.inference import OnnxModel
from building_clients.slots import SlotMeans
from building_clients.windows import Series

HORIZON = 96
DAYS = 56
REPEATS = 31


def made_up(days: int) -> SlotMeans:
    """Weeks of noise: what a forecast costs does not depend on the numbers."""
    rng = np.random.default_rng(7)
    load, pv = rng.random((2, days * HORIZON))
    return SlotMeans(0, HORIZON, load, pv, np.ones(len(load), dtype=bool))


def minutes_of(slots: SlotMeans, slot_minutes: int) -> pd.DataFrame:
    """Readings whose slots these are."""
    count = len(slots) * slot_minutes
    index = pd.date_range("1970-01-01", periods=count, freq="min", tz="UTC", unit="s")
    load, pv = (np.repeat(power, slot_minutes) for power in (slots.load_kw, slots.pv_kw))
    return pd.DataFrame({"load_kw": load, "pv_kw": pv}, index=index)


def main(json_file: str | None) -> None:
    """Print the medians."""
    from building_clients.model import Trainer

    rng = np.random.default_rng(7)
    weights = [array + rng.normal(0, 0.1, array.shape).astype(np.float32) for array in initial_weights(HORIZON, 7)]
    slots = made_up(DAYS)
    series, model, trainer = Series(slots), OnnxModel(weights, HORIZON), Trainer(HORIZON, dropout=0.1)
    sample = series.newest()
    calibration = calibrated_on(series, model, len(slots))
    ours, keras = model.predict(sample), trainer.predict(weights, sample)
    apart = float(np.abs(ours[0] - np.sort(keras[0], axis=2)).max())
    sides = {
        "keras predict": lambda: trainer.predict(weights, sample),
        "onnxruntime": lambda: model.predict(sample),
        "with features and calibration": lambda: forecast_samples(model, series.newest(), calibration),
        "with the bases of 56 days": lambda: forecast_samples(model, Series(slots).newest(), calibration),
        "daily calibration": lambda: calibrated_on(series, model, len(slots)),
    }
    show(f"one forecast; largest difference {apart:.1e}", against(measure(sides, REPEATS), "keras predict"), json_file)
