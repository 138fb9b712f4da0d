"""One forecast of 24 hours: the building's numpy forward pass, against Keras."""

from __future__ import annotations

import numpy as np

from benchmarks._table import against, measure, show
from building_clients.architecture import initial_weights
from building_clients.inference import predict
from building_clients.windows import FEATURES, WINDOW, Windows

HORIZON = 96
REPEATS = 31


def _windows(count: int) -> Windows:
    rng = np.random.default_rng(7)
    past = rng.normal(size=(count, WINDOW, FEATURES)).astype(np.float32)
    flat = np.zeros((count, HORIZON), np.float32)
    return Windows(past=past, base=flat, deficit_logit=flat, target=flat)


def main(json_file: str | None) -> None:
    """Print the medians."""
    from building_clients.model import Trainer

    trainer, weights, windows = Trainer(HORIZON, dropout=0.1), initial_weights(HORIZON, 7), _windows(1)
    ours, keras = predict(weights, windows), trainer.predict(weights, windows)
    apart = float(np.abs(ours[0] - np.sort(keras[0], axis=2)).max())
    sides = {
        "keras predict": lambda: trainer.predict(weights, windows),
        "numpy": lambda: predict(weights, windows),
    }
    show(f"one forecast; largest difference {apart:.1e}", against(measure(sides, REPEATS), "keras predict"), json_file)
