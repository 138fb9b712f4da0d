"""Shapes and first values of the model's weights, in numpy alone: the server needs no TensorFlow to start a run."""

from __future__ import annotations

import numpy as np

from building_clients.windows import FEATURES, WINDOW

UNITS = (64, 32)
"""Units of the two stacked LSTM layers [1]"""
QUANTILES = (0.1, 0.5, 0.9)
Weights = list[np.ndarray]


def shapes(horizon: int) -> list[tuple[int, ...]]:
    """Shapes in Keras's order: two LSTMs (kernel, recurrent, bias), linear skip, quantile head, deficit head."""
    first, second = UNITS
    return [
        (FEATURES, 4 * first),
        (first, 4 * first),
        (4 * first,),
        (first, 4 * second),
        (second, 4 * second),
        (4 * second,),
        (WINDOW * FEATURES, horizon * len(QUANTILES)),
        (horizon * len(QUANTILES),),
        (second, horizon * len(QUANTILES)),
        (second, horizon),
        (horizon,),
    ]


def initial_weights(horizon: int, seed: int) -> Weights:
    """Glorot uniform kernels, orthogonal recurrence, forget bias 1; skip and biases of the heads start at zero."""
    rng = np.random.default_rng(seed)
    weights = [np.zeros(shape, np.float32) for shape in shapes(horizon)]
    for index in (0, 3, 8, 9):
        weights[index] = _glorot(rng, weights[index].shape)
    for index, units in ((1, UNITS[0]), (4, UNITS[1])):
        weights[index] = _orthogonal(rng, units)
        weights[index + 1][units : 2 * units] = 1
    weights[7] = np.tile(np.array([-1.0, 0.0, 1.0], np.float32) * 0.5, horizon)
    return weights


def check_weights(weights: Weights, horizon: int) -> None:
    """Raises ValueError naming the first array whose shape or values are wrong."""
    wanted = shapes(horizon)
    if len(weights) != len(wanted):
        raise ValueError(f"{len(weights)} weight arrays, the model has {len(wanted)}")
    for index, (array, shape) in enumerate(zip(weights, wanted, strict=True)):
        if array.shape != shape:
            raise ValueError(f"weight array {index} has shape {array.shape}, the model's has {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"weight array {index} holds values that are not finite")


def _glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    limit = np.sqrt(6 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def _orthogonal(rng: np.random.Generator, units: int) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((4 * units, units)))
    return np.asarray((q * np.sign(np.diag(r))).T, dtype=np.float32)
