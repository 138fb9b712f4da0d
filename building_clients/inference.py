"""The model's forward pass in numpy: serving needs no TensorFlow. A test compares it with Keras."""

from __future__ import annotations

import numpy as np

from building_clients.architecture import QUANTILES, Weights
from building_clients.windows import Windows


def predict(weights: Weights, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """(quantiles (n, horizon, 3), deficit probability (n, horizon)) in the scale of the windows; quantiles sorted."""
    count, horizon = windows.base.shape
    hidden = _lstm(_lstm(windows.past, *weights[0:3]), *weights[3:6])[:, -1]
    skip = windows.past.reshape(count, -1) @ weights[6] + weights[7]
    offsets = (skip + hidden @ weights[8]).reshape(count, horizon, len(QUANTILES))
    logit = windows.deficit_logit + hidden @ weights[9] + weights[10]
    return np.sort(windows.base[:, :, None] + offsets, axis=2), _sigmoid(logit)


def _lstm(inputs: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Keras's LSTM cell (gates in the order input, forget, candidate, output); returns every hidden state."""
    units = recurrent.shape[0]
    hidden = cell = np.zeros((len(inputs), units), np.float32)
    states = np.empty((*inputs.shape[:2], units), np.float32)
    projected = inputs @ kernel + bias
    for step in range(inputs.shape[1]):
        gates = projected[:, step] + hidden @ recurrent
        into, forget, candidate, out = np.split(gates, 4, axis=1)
        cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(candidate)
        hidden = _sigmoid(out) * np.tanh(cell)
        states[:, step] = hidden
    return states


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))))
