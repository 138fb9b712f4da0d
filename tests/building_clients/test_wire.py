"""Weights are on arrival what they were, and nothing else is taken for weights."""

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from building_clients.architecture import initial_weights
from building_clients.wire import packed, unpacked


@given(st.lists(arrays.arrays(np.float32, arrays.array_shapes(min_dims=1, max_dims=3)), max_size=5))
def test_they_arrive_as_they_left(weights: list[np.ndarray]) -> None:
    found = unpacked(packed(weights))
    assert [array.shape for array in found] == [array.shape for array in weights]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, weights, strict=True))


def test_the_whole_network_is_one_array_of_its_numbers() -> None:
    weights = initial_weights(24, 7)
    record = packed(weights)
    (array,) = record.values()
    assert len(array.data) < 4 * sum(one.size for one in weights) + 256
    assert array.numpy().tolist() == [number for one in weights for number in one.ravel().tolist()]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, "0 arrays instead of one"),
        ({"2": np.zeros(2, np.float32), "3": np.zeros(3, np.float32)}, "2 arrays instead of one"),
        ({"2x3": np.zeros(5, np.float32)}, "5 numbers of type float32 do not fill the shapes 2x3"),
        ({"2x3": np.zeros(6)}, "6 numbers of type float64 do not fill"),
        ({"2x3": np.zeros((2, 3), np.float32)}, "do not fill"),
        ({"dense/kernel": np.zeros(4, np.float32)}, "invalid literal"),
        ({"-1,6": np.zeros(5, np.float32)}, "reshape"),
    ],
)
def test_what_is_not_weights_is_refused(record: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        unpacked(ArrayRecord({name: Array(array) for name, array in record.items()}))
