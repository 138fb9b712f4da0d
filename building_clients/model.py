"""The LSTM in Keras and its training loop. Importing this module imports TensorFlow: only training does that."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # small LSTMs train a fifth faster without it

from typing import Any

import numpy as np
import tensorflow as tf

from building_clients.architecture import QUANTILES, UNITS, Weights
from building_clients.windows import FEATURES, WINDOW, Windows

DEFICIT_WEIGHT = 0.5
"""Weight of the deficit's cross-entropy next to the pinball loss [1]"""
EVALUATION_BATCH = 256

# One thread per building: several buildings train side by side, and small products collapse with two threads.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def build_model(horizon: int, dropout: float) -> Any:
    """Stacked LSTM with dropout, a linear skip, and the heads `net_flow_kw` and `deficit_probability`.

    Inputs: past (n, WINDOW, FEATURES), base (n, horizon), deficit_logit (n, horizon).
    Outputs: net_flow_kw (n, horizon, 3) as quantiles in the building's scale, deficit logit (n, horizon).
    """
    layers = tf.keras.layers
    past = layers.Input((WINDOW, FEATURES), name="past")
    base = layers.Input((horizon,), name="base")
    deficit_logit = layers.Input((horizon,), name="deficit_logit")
    hidden = layers.LSTM(UNITS[0], return_sequences=True, unroll=True)(past)
    hidden = layers.Dropout(dropout)(hidden)
    hidden = layers.Dropout(dropout)(layers.LSTM(UNITS[1], unroll=True)(hidden))
    width = horizon * len(QUANTILES)
    skip = layers.Dense(width, kernel_initializer="zeros", name="skip")(layers.Flatten()(past))
    offsets = layers.Dense(width, use_bias=False, name="quantiles")(hidden)
    offsets = layers.Reshape((horizon, len(QUANTILES)))(layers.Add()([skip, offsets]))
    net_flow = layers.Add(name="net_flow_kw")([layers.Reshape((horizon, 1))(base), offsets])
    deficit = layers.Dense(horizon, name="deficit")(hidden)
    deficit = layers.Add(name="deficit_probability")([deficit_logit, deficit])
    return tf.keras.Model([past, base, deficit_logit], [net_flow, deficit])


def loss_of(model: Any, past: Any, base: Any, deficit_logit: Any, target: Any, training: bool) -> Any:
    """Pinball loss of the quantiles (Koenker and Bassett 1978) plus cross-entropy of the deficit; a scalar."""
    quantiles, logit = model([past, base, deficit_logit], training=training)
    error = target[:, :, None] - quantiles
    levels = tf.constant(QUANTILES)
    pinball = tf.reduce_mean(tf.maximum(levels * error, (levels - 1) * error))
    deficit = tf.cast(target < 0, tf.float32)
    entropy = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(deficit, logit))
    return pinball + DEFICIT_WEIGHT * entropy


class Trainer:
    """One compiled model, kept warm over rounds; every round starts from given weights and a fresh optimiser."""

    def __init__(self, horizon: int, dropout: float) -> None:
        self._model = build_model(horizon, dropout)
        self._optimizer = tf.keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
        self._optimizer.build(self._model.trainable_variables)
        self._step = tf.function(self._train_step, reduce_retracing=True)
        self._loss = tf.function(self._evaluate_step, reduce_retracing=True)

    def train(
        self, weights: Weights, windows: Windows, steps: int, batch_size: int, rate: float, seed: int
    ) -> tuple[Weights, float]:
        """New weights and the mean loss of the steps; the rate falls to 0 along a cosine."""
        self._model.set_weights(weights)
        for variable in self._optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        tf.random.set_seed(seed)
        rng = np.random.default_rng(seed)
        losses = []
        for step in range(steps):
            self._optimizer.learning_rate.assign(rate * 0.5 * (1 + np.cos(np.pi * step / steps)))
            chosen = rng.choice(len(windows), batch_size)
            losses.append(self._step(*(tf.constant(part[chosen]) for part in _arrays(windows))))
        return self._model.get_weights(), float(np.mean([float(loss) for loss in losses]))

    def loss(self, weights: Weights, windows: Windows) -> float:
        """Mean loss of given weights, without dropout."""
        self._model.set_weights(weights)
        losses, sizes = [], []
        for start in range(0, len(windows), EVALUATION_BATCH):
            part = windows.part(start, start + EVALUATION_BATCH)
            losses.append(float(self._loss(*(tf.constant(array) for array in _arrays(part)))))
            sizes.append(len(part))
        return float(np.average(losses, weights=sizes))

    def predict(self, weights: Weights, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Unsorted quantiles and deficit probability, for comparison with the numpy forward pass."""
        self._model.set_weights(weights)
        quantiles, logit = self._model([windows.past, windows.base, windows.deficit_logit], training=False)
        return np.asarray(quantiles), np.asarray(tf.sigmoid(logit))

    def _train_step(self, past: Any, base: Any, deficit_logit: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(self._model, past, base, deficit_logit, target, training=True)
        variables = self._model.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def _evaluate_step(self, past: Any, base: Any, deficit_logit: Any, target: Any) -> Any:
        return loss_of(self._model, past, base, deficit_logit, target, training=False)


def _arrays(windows: Windows) -> tuple[np.ndarray, ...]:
    return windows.past, windows.base, windows.deficit_logit, windows.target
