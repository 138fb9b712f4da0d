"""What serves against Keras, and the server's first weights against Keras's shapes."""

import numpy as np
import pytest

from building_clients.architecture import check_weights, initial_weights, layout, model_hash, shapes
from building_clients.inference import OnnxModel
from building_clients.slots import to_slots
from building_clients.windows import Batch, Series
from tests.building_clients.synthetic import readings


def random_weights(seed: int, horizon: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 0.15, shape).astype(np.float32) for shape in shapes(horizon)]


def samples(horizon: int, count: int) -> Batch:
    series = Series(to_slots(readings(3), 24 * 60 // horizon))
    return series.batch(series.ends()[:count])


@pytest.mark.parametrize("horizon", [24, 96])
def test_onnx_forecasts_what_keras_does(horizon: int) -> None:
    from building_clients.model import Trainer

    trainer, weights, batch = Trainer(horizon, dropout=0.1), random_weights(horizon, horizon), samples(horizon, 20)
    quantiles, deficit = OnnxModel(weights, horizon).predict(batch)
    keras_quantiles, keras_deficit = trainer.predict(weights, batch)
    np.testing.assert_allclose(quantiles, np.sort(keras_quantiles, axis=2), atol=1e-5)
    np.testing.assert_allclose(deficit, keras_deficit, atol=1e-5)
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert ((deficit > 0) & (deficit < 1)).all()


@pytest.mark.parametrize("sequences", [True, False])
def test_the_quick_lstm_is_that_of_keras(sequences: bool) -> None:
    import tensorflow as tf

    from building_clients.model import QuickLSTM

    data = np.random.default_rng(1).normal(size=(5, 24, 9)).astype(np.float32)
    ours, keras = QuickLSTM(64, return_sequences=sequences), tf.keras.layers.LSTM(64, return_sequences=sequences)
    for layer in (ours, keras):
        layer.build(data.shape)
    ours.set_weights([array + 0.1 for array in keras.get_weights()])
    keras.set_weights(ours.get_weights())
    with tf.GradientTape() as tape, tf.GradientTape() as other:
        found, wanted = ours(data), keras(data)
        sums = tf.reduce_sum(found**2), tf.reduce_sum(wanted**2)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    gradients = tape.gradient(sums[0], ours.trainable_variables), other.gradient(sums[1], keras.trainable_variables)
    for one, two in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


def test_training_without_dropout_is_possible_and_repeatable() -> None:
    from building_clients.model import Trainer

    series = Series(to_slots(readings(3), 60))
    trainer, start = Trainer(24, dropout=0.0), initial_weights(24, 7)
    one, two = (trainer.train(start, [(series, series.ends())], 3, 4, 1e-3, 1)[0] for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


def test_the_first_weights_fit_keras() -> None:
    from building_clients.model import Trainer

    model = Trainer(96, dropout=0.1)._model
    assert [array.shape for array in model.get_weights()] == shapes(96)
    weights = initial_weights(96, seed=7)
    check_weights(weights, 96)
    recurrent = weights[1]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-5)


def test_the_first_weights_come_from_the_seed() -> None:
    same, again, other = (initial_weights(96, seed) for seed in (7, 7, 8))
    assert all((a == b).all() for a, b in zip(same, again, strict=True))
    assert (same[0] != other[0]).any()
    assert model_hash(same) == model_hash(again) != model_hash(other)


def test_untrained_the_bases_forecast() -> None:
    batch = samples(96, 5)
    quantiles, deficit = OnnxModel(initial_weights(96, seed=7), 96).predict(batch)
    np.testing.assert_allclose(quantiles[..., 1], batch.base, rtol=1e-5)
    np.testing.assert_allclose(np.log(deficit / (1 - deficit)), batch.deficit_logit, atol=1e-4)


def test_the_hash_knows_order_shape_and_value() -> None:
    weights = initial_weights(24, 1)
    moved = [weights[1], weights[0], *weights[2:]]
    flipped = [*weights[:-1], weights[-1] + np.float32(1e-7)]
    shaped = [weights[0].reshape(-1), *weights[1:]]
    assert len({model_hash(w) for w in (weights, moved, flipped, shaped)}) == 4


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda weights: weights[:-1], "17 weight arrays, the model has 18"),
        (lambda weights: [weights[0].T, *weights[1:]], "weight array lstm_1/kernel has shape"),
        (lambda weights: [*weights[:-1], weights[-1] * np.nan], "array deficit/bias holds values that are not finite"),
    ],
)
def test_wrong_weights_are_named(spoil: object, words: str) -> None:
    assert len(layout(96)) == 18
    with pytest.raises(ValueError, match=words):
        check_weights(spoil(initial_weights(96, 1)), 96)  # type: ignore[operator]  # a lambda per case
