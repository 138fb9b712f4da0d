"""A gradient step of a building's training against Keras's own `fit` on the same network and samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._table import measure
from benchmarks.inference import made_up
from building_clients.architecture import QUANTILES, initial_weights
from building_clients.scoring import DEFICIT_WEIGHT
from building_clients.windows import Series

HORIZON = 96
DAYS = 60
BATCH = 16
STEPS = 60
DROPOUT = 0.2
RATE = 1e-3
REPEATS = 5


def step_times() -> dict[str, float]:
    """Median wall time of a step [ms]: ours, which also draws its windows, and `fit` on windows made beforehand."""
    from building_clients.model import Trainer

    series = Series(made_up(DAYS))
    ends = series.ends()
    trainer, weights = Trainer(HORIZON, DROPOUT), initial_weights(HORIZON, 7)
    drawn = series.batch(np.random.default_rng(7).choice(ends, STEPS * BATCH))
    inputs = [drawn.past, drawn.context, drawn.base, drawn.deficit_logit]
    targets = [drawn.target, (drawn.target < 0).astype(np.float32)]
    stock, unrolled = (_compiled(unroll) for unroll in (False, True))

    def fit(model: Any) -> object:
        return model.fit(inputs, targets, batch_size=BATCH, epochs=1, verbose=0)

    times = measure(
        {
            "ours": lambda: trainer.train(weights, [(series, ends)], STEPS, BATCH, RATE, 7),
            "keras fit": lambda: fit(stock),
            "keras fit, unrolled": lambda: fit(unrolled),
        },
        REPEATS,
    )
    return {name: ms / STEPS for name, ms in times.items()}


def _compiled(unroll: bool) -> Any:
    """The same network with Keras's own LSTM layers, its losses and its optimiser."""
    import tensorflow as tf

    from building_clients.model import build_model, step_weights

    def lstm(units: int, **options: Any) -> Any:
        return tf.keras.layers.LSTM(units, unroll=unroll, **options)

    levels, weights = tf.constant(QUANTILES), tf.constant(step_weights(HORIZON))[None, :, None]

    def pinball(target: Any, quantiles: Any) -> Any:
        error = target[:, :, None] - quantiles
        return tf.reduce_mean(weights * tf.maximum(levels * error, (levels - 1) * error))

    def entropy(deficit: Any, logit: Any) -> Any:
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(deficit, logit))

    model = build_model(HORIZON, DROPOUT, lstm)
    optimizer = tf.keras.optimizers.Adam(RATE, global_clipnorm=1.0)
    model.compile(optimizer, loss=[pinball, entropy], loss_weights=[1.0, DEFICIT_WEIGHT])
    return model
