"""Shapes and first values of the model's weights, in numpy alone: the server needs no TensorFlow to start a run.

Two stacked LSTMs read the last slots; a decoder, the same for every slot ahead, joins their state with what is known of
that slot; a linear skip of the context, one for each slot ahead, starts at zero. Each head adds to its seasonal base.
"""

from __future__ import annotations

import hashlib

import numpy as np

from building_clients.windows import CONTEXT, FEATURES

UNITS = (64, 32)
"""Units of the two stacked LSTM layers [1]"""
DECODER = (64, 64)
"""Units of the decoder's two layers, relu and tanh [1]"""
QUANTILES = (0.1, 0.5, 0.9)
SPREAD = 0.3
"""How far the outer quantiles start from the base, in the sample's scale [1]"""
Weights = list[np.ndarray]


def layout(horizon: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of each array, in the order of the message and of Keras."""
    first, second = UNITS
    wide, narrow = DECODER
    levels = len(QUANTILES)
    return {
        "lstm_1/kernel": (FEATURES, 4 * first),
        "lstm_1/recurrent": (first, 4 * first),
        "lstm_1/bias": (4 * first,),
        "lstm_2/kernel": (first, 4 * second),
        "lstm_2/recurrent": (second, 4 * second),
        "lstm_2/bias": (4 * second,),
        "decoder_1/kernel": (second + CONTEXT, wide),
        "decoder_1/bias": (wide,),
        "decoder_2/kernel": (wide, narrow),
        "decoder_2/bias": (narrow,),
        "deficit_state/kernel": (second, horizon),
        "deficit_state/bias": (horizon,),
        "quantile_skip/kernel": (horizon, CONTEXT, levels),
        "quantile/kernel": (narrow, levels),
        "quantile/bias": (levels,),
        "deficit_skip/kernel": (horizon, CONTEXT, 1),
        "deficit/kernel": (narrow, 1),
        "deficit/bias": (1,),
    }


HEAD = slice(10, 18)
"""Arrays of the two heads: what stays in the building when heads are personal."""


def shapes(horizon: int) -> list[tuple[int, ...]]:
    """Shapes of the arrays, in order."""
    return list(layout(horizon).values())


def initial_weights(horizon: int, seed: int) -> Weights:
    """Glorot uniform kernels, orthogonal recurrence, forget bias 1; all that feeds the outputs starts at zero."""
    rng = np.random.default_rng(seed)
    weights = {name: np.zeros(shape, np.float32) for name, shape in layout(horizon).items()}
    for name in ("lstm_1/kernel", "lstm_2/kernel", "decoder_1/kernel", "decoder_2/kernel"):
        weights[name] = _glorot(rng, weights[name].shape)
    for layer, units in (("lstm_1", UNITS[0]), ("lstm_2", UNITS[1])):
        weights[f"{layer}/recurrent"] = _orthogonal(rng, units)
        weights[f"{layer}/bias"][units : 2 * units] = 1
    weights["quantile/bias"][:] = (-SPREAD, 0, SPREAD)
    return list(weights.values())


def check_weights(weights: Weights, horizon: int, count: int | None = None) -> None:
    """Raises ValueError naming the first array whose shape or values are wrong; `count` is how many there should be."""
    wanted = dict(list(layout(horizon).items())[:count])
    if len(weights) != len(wanted):
        raise ValueError(f"{len(weights)} weight arrays, the model has {len(wanted)}")
    for array, (name, shape) in zip(weights, wanted.items(), strict=True):
        if array.shape != shape:
            raise ValueError(f"weight array {name} has shape {array.shape}, the model's has {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"weight array {name} holds values that are not finite")


def model_hash(weights: Weights) -> str:
    """SHA-256 over shapes and little-endian float32 values, in order: the model's identity; 0x and 64 digits."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(repr(tuple(array.shape)).encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return "0x" + digest.hexdigest()


def _glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    limit = np.sqrt(6 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def _orthogonal(rng: np.random.Generator, units: int) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((4 * units, units)))
    return np.asarray((q * np.sign(np.diag(r))).T, dtype=np.float32)
