"""The LSTM in Keras and its training loop. Importing this module imports TensorFlow: only training does that."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # small LSTMs train a fifth faster without it

from typing import Any

import numpy as np
import tensorflow as tf

from building_clients.architecture import DECODER, QUANTILES, UNITS, Weights
from building_clients.scoring import DEFICIT_WEIGHT
from building_clients.windows import CONTEXT, FEATURES, HOURS_PER_DAY, WINDOW, Batch, Series

NEAR_WEIGHT, NEAR_H = 20.0, 1.0
"""How much more the slot that begins now counts than one far ahead, and how fast that fades [1], [h]"""

ALL_STEPS = (None, 1, None)
"""What is dropped is dropped for all slots ahead: cheaper to draw than anew for each, and no worse."""

# One thread per building: several buildings train side by side, and small products collapse with two threads.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


class QuickLSTM(tf.keras.layers.LSTM):  # type: ignore[misc]  # TensorFlow ships no types
    """Keras's LSTM with fewer and larger operations: all inputs are projected at once, and the steps are unrolled."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Sequences (n, steps, features) to the outputs of all steps, or of the last."""
        steps, features = sequences.shape[1:]
        flat = tf.reshape(sequences, (-1, features))
        projected = tf.matmul(flat, tf.convert_to_tensor(self.cell.kernel)) + self.cell.bias
        recurrent = tf.convert_to_tensor(self.cell.recurrent_kernel)
        carry = output = tf.zeros((tf.shape(sequences)[0], self.units))
        outputs = []
        for step in tf.unstack(tf.reshape(projected, (-1, steps, 4 * self.units)), steps, axis=1):
            gate_in, forget, candidate, gate_out = tf.split(step + tf.matmul(output, recurrent), 4, axis=1)
            carry = tf.sigmoid(forget) * carry + tf.sigmoid(gate_in) * tf.tanh(candidate)
            output = tf.sigmoid(gate_out) * tf.tanh(carry)
            outputs.append(output)
        return tf.stack(outputs, axis=1) if self.return_sequences else output


def build_model(horizon: int, dropout: float, lstm: Any = QuickLSTM) -> Any:
    """Stacked LSTM with dropout, a decoder shared by all slots ahead, a linear skip, two heads on seasonal bases.

    Inputs: past (n, WINDOW, FEATURES), context (n, horizon, CONTEXT), base and deficit_logit (n, horizon).
    Outputs: net_flow_kw (n, horizon, 3) as quantiles in the sample's scale, deficit logit (n, horizon).
    """
    layers, levels = tf.keras.layers, len(QUANTILES)
    past = layers.Input((WINDOW, FEATURES), name="past")
    context = layers.Input((horizon, CONTEXT), name="context")
    base = layers.Input((horizon,), name="base")
    deficit_logit = layers.Input((horizon,), name="deficit_logit")
    state = layers.Dropout(dropout)(lstm(UNITS[0], return_sequences=True)(past))
    state = layers.Dropout(dropout)(lstm(UNITS[1])(state))
    decoded = layers.Concatenate()([layers.RepeatVector(horizon)(state), context])
    decoded = layers.Dropout(dropout, ALL_STEPS)(layers.Dense(DECODER[0], activation="relu")(decoded))
    decoded = layers.Dropout(dropout, ALL_STEPS)(layers.Dense(DECODER[1], activation="tanh")(decoded))
    skip = layers.EinsumDense("bhc,hcq->bhq", (horizon, levels), name="quantile_skip")(context)
    offsets = layers.Add()([skip, layers.Dense(levels, name="quantile")(decoded)])
    net_flow = layers.Add(name="net_flow_kw")([layers.Reshape((horizon, 1))(base), offsets])
    parts = [
        layers.EinsumDense("bhc,hcq->bhq", (horizon, 1), name="deficit_skip")(context),
        layers.Reshape((horizon, 1))(layers.Dense(horizon, name="deficit_state")(state)),
        layers.Dense(1, name="deficit")(decoded),
        layers.Reshape((horizon, 1))(deficit_logit),
    ]
    deficit = layers.Reshape((horizon,), name="deficit_probability")(layers.Add()(parts))
    return tf.keras.Model([past, context, base, deficit_logit], [net_flow, deficit])


def loss_of(model: Any, inputs: list[Any], target: Any, weight: Any) -> Any:
    """Pinball loss of the quantiles (Koenker and Bassett 1978) plus cross-entropy of the deficit; a scalar.

    `weight` (n,) turns errors in the sample's own scale into the building's. The nearest slots, which are
    traded next, count most.
    """
    quantiles, logit = model(inputs, training=True)
    error = target[:, :, None] - quantiles
    levels = tf.constant(QUANTILES)
    weights = weight[:, None, None] * tf.constant(step_weights(target.shape[1]))[None, :, None]
    pinball = tf.reduce_mean(weights * tf.maximum(levels * error, (levels - 1) * error))
    deficit = tf.cast(target < 0, tf.float32)
    entropy = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(deficit, logit))
    return pinball + DEFICIT_WEIGHT * entropy


def step_weights(horizon: int) -> np.ndarray:
    """What the error of each slot ahead counts; shape (horizon,), mean 1"""
    hours = np.arange(horizon) * HOURS_PER_DAY / horizon
    weights = 1 + NEAR_WEIGHT * np.exp(-hours / NEAR_H)
    return np.asarray(weights / weights.mean(), dtype=np.float32)


class Trainer:
    """One traced model, kept warm over rounds; every round starts from given weights and a fresh optimiser."""

    def __init__(self, horizon: int, dropout: float, proximal_mu: float = 0.0) -> None:
        self._model = build_model(horizon, dropout)
        self._mu = proximal_mu
        self._anchor = [tf.Variable(v, trainable=False) for v in self._model.trainable_variables] if proximal_mu else []
        self._optimizer = tf.keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
        self._optimizer.build(self._model.trainable_variables)
        self._step = tf.function(self._train_step, reduce_retracing=True)

    def train(
        self,
        weights: Weights,
        sources: list[tuple[Series, np.ndarray]],
        steps: int,
        batch_size: int,
        rate: float,
        seed: int,
    ) -> tuple[Weights, float]:
        """New weights and the mean loss of the steps; the rate falls to 0 along a cosine.

        `sources` are series with the slots at which their training samples end; each step draws from one of them,
        larger ones more often. A building has one; the centralised comparison has all.
        """
        self._start_from(weights, seed)
        rng = np.random.default_rng(seed)
        sizes = np.array([len(ends) for _, ends in sources])
        scales = [float(series.scale_kw[ends].mean()) for series, ends in sources]
        losses = []
        for step in range(steps):
            self._optimizer.learning_rate.assign(rate * 0.5 * (1 + np.cos(np.pi * step / steps)))
            parts = rng.multinomial(batch_size, sizes / sizes.sum())
            drawn = [
                _tensors(series.batch(rng.choice(ends, count)), scale)
                for (series, ends), scale, count in zip(sources, scales, parts, strict=True)
                if count
            ]
            losses.append(self._step(*(tf.constant(np.concatenate(arrays)) for arrays in zip(*drawn, strict=True))))
        return self._model.get_weights(), float(np.mean([float(loss) for loss in losses]))

    def predict(self, weights: Weights, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Unsorted quantiles and deficit probability, for comparison with what serves."""
        self._model.set_weights(weights)
        quantiles, logit = self._model([batch.past, batch.context, batch.base, batch.deficit_logit], training=False)
        return np.asarray(quantiles), np.asarray(tf.sigmoid(logit))

    def _start_from(self, weights: Weights, seed: int) -> None:
        self._model.set_weights(weights)
        dropouts = [layer for layer in self._model.layers if isinstance(layer, tf.keras.layers.Dropout) and layer.rate]
        for number, layer in enumerate(dropouts):
            layer.seed_generator.state.assign([seed, number])
        for variable in self._optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        for anchor, array in zip(self._anchor, weights, strict=bool(self._anchor)):
            anchor.assign(array)

    def _train_step(self, past: Any, context: Any, base: Any, logit: Any, target: Any, weight: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(self._model, [past, context, base, logit], target, weight)
        variables = self._model.trainable_variables
        gradients = tape.gradient(loss, variables)
        if self._mu:  # FedProx (Li et al. 2020, arXiv:1812.06127): stay near the weights that the round started from
            pulled = zip(gradients, variables, self._anchor, strict=True)
            gradients = [gradient + self._mu * (variable - anchor) for gradient, variable, anchor in pulled]
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss


def _tensors(batch: Batch, scale_kw: float) -> tuple[np.ndarray, ...]:
    weight = (batch.scale_kw / scale_kw).astype(np.float32)
    return batch.past, batch.context, batch.base, batch.deficit_logit, batch.target, weight
