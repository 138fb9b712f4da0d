"""The numpy forward pass against Keras, and the server's first weights against Keras's shapes."""

import numpy as np
import pytest

from building_clients.architecture import check_weights, initial_weights, shapes
from building_clients.inference import predict
from building_clients.windows import to_series, to_windows
from tests.building_clients.synthetic import PER_DAY, SLOT_MINUTES, readings


def random_weights(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 0.15, shape).astype(np.float32) for shape in shapes(PER_DAY)]


@pytest.mark.parametrize("seed", [1, 2])
def test_numpy_forecasts_what_keras_does(seed: int) -> None:
    from building_clients.model import Trainer

    trainer, weights = Trainer(PER_DAY, dropout=0.1), random_weights(seed)
    windows = to_windows(to_series(readings(3), SLOT_MINUTES), 1.7).part(0, 20)
    quantiles, deficit = predict(weights, windows)
    keras_quantiles, keras_deficit = trainer.predict(weights, windows)
    np.testing.assert_allclose(quantiles, np.sort(keras_quantiles, axis=2), atol=1e-5)
    np.testing.assert_allclose(deficit, keras_deficit, atol=1e-5)
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert ((deficit > 0) & (deficit < 1)).all()


def test_the_first_weights_fit_keras() -> None:
    from building_clients.model import Trainer

    model = Trainer(PER_DAY, dropout=0.1)._model
    assert [array.shape for array in model.get_weights()] == shapes(PER_DAY)
    weights = initial_weights(PER_DAY, seed=7)
    check_weights(weights, PER_DAY)
    recurrent = weights[1]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-5)


def test_the_first_weights_come_from_the_seed() -> None:
    same, again, other = (initial_weights(PER_DAY, seed) for seed in (7, 7, 8))
    assert all((a == b).all() for a, b in zip(same, again, strict=True))
    assert (same[0] != other[0]).any()


def test_untrained_the_skip_is_silent() -> None:
    windows = to_windows(to_series(readings(3), SLOT_MINUTES), 1.0).part(0, 5)
    weights = initial_weights(PER_DAY, seed=7)
    assert not weights[6].any()
    weights[8][:], weights[9][:] = 0, 0
    quantiles, deficit = predict(weights, windows)
    np.testing.assert_allclose(quantiles[..., 1], windows.base, rtol=1e-5)
    np.testing.assert_allclose(np.log(deficit / (1 - deficit)), windows.deficit_logit, atol=1e-4)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda weights: weights[:-1], "10 weight arrays, the model has 11"),
        (lambda weights: [weights[0].T, *weights[1:]], "weight array 0 has shape"),
        (lambda weights: [*weights[:-1], weights[-1] * np.nan], "array 10 holds values that are not finite"),
    ],
)
def test_wrong_weights_are_named(spoil: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_weights(spoil(initial_weights(PER_DAY, 1)), PER_DAY)  # type: ignore[operator]  # a lambda per case
