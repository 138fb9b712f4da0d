"""Numbers that add up only together: fixed-point vectors modulo 2^64, and masks from shared secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

if TYPE_CHECKING:
    from building_clients.architecture import Weights

FRACTION_BITS = 24
"""A number is a multiple of 2^-24: what quantisation costs [1]"""
LARGEST = 64.0
"""Numbers further from zero are refused; sums of 1,000 buildings then stay below 2^63 [1]"""
COUNT_MAX = 1_000_000
"""Most samples of one building [1]"""
SEED_BYTES = 32
Losses = tuple[float, ...]


def quantised(update: Weights, losses: Losses, count: int) -> np.ndarray:
    """A building's update and losses, each times its sample count, and the count; unsigned, modulo 2^64.

    Raises ValueError for a count outside 1 to COUNT_MAX, or a number outside -LARGEST to LARGEST.
    """
    if not 0 < count <= COUNT_MAX:
        raise ValueError(f"{count} samples cannot be hidden in a sum; between 1 and {COUNT_MAX:,} can")
    flat = np.concatenate([*(array.reshape(-1) for array in update), np.array(losses)]).astype(np.float64)
    if not np.abs(flat).max() <= LARGEST:
        raise ValueError(f"the update or its loss reaches {np.abs(flat).max():.3g}; {LARGEST:g} is the most")
    steps = np.rint(flat * 2**FRACTION_BITS).astype(np.int64)
    return np.append(steps * count, count).view(np.uint64)


def averaged(
    total: np.ndarray, shapes: Sequence[tuple[int, ...]], losses: int, parties: int
) -> tuple[Weights, Losses, int]:
    """Weighted mean of update and losses, and the sample count, from the sum of `parties` quantised vectors.

    Raises ValueError for a sum that honest buildings cannot have: a mask was left in it, or somebody sent nonsense.
    """
    signed = total.view(np.int64)
    count = int(signed[-1])
    if not 0 < count <= parties * COUNT_MAX:
        raise ValueError(f"the sample counts of {parties} buildings add up to {count}")
    numbers = signed[:-1].astype(np.float64) / (count * 2.0**FRACTION_BITS)
    if np.abs(numbers).max(initial=0) > LARGEST:
        raise ValueError(f"the mean update reaches {np.abs(numbers).max():.3g}, but {LARGEST:g} is the most")
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    *parts, tail = np.split(numbers, ends)
    if len(tail) != losses:
        raise ValueError(f"{len(total)} numbers are not those of the model")
    weights = [part.reshape(shape).astype(np.float32) for part, shape in zip(parts, shapes, strict=True)]
    return weights, tuple(tail.tolist()), count


def mask(seed: bytes, size: int) -> np.ndarray:
    """`size` numbers below 2^64 that only those who know `seed` (32 bytes) can make; ChaCha20 as in RFC 8439."""
    stream = Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor()
    return np.frombuffer(stream.update(bytes(8 * size)), dtype="<u8").astype(np.uint64)


def masked(vector: np.ndarray, own_seed: bytes, shared: Mapping[int, bytes], me: int) -> np.ndarray:
    """The vector under its own mask, and under one per neighbour that the neighbour's takes off in the sum."""
    result = vector + mask(own_seed, len(vector))
    for other, seed in shared.items():
        result = with_pairwise(result, mask(seed, len(vector)), me, other)
    return np.asarray(result)


def with_pairwise(vector: np.ndarray, shared_mask: np.ndarray, me: int, other: int) -> np.ndarray:
    """Of two neighbours the one with the larger number adds the mask, the other takes it off."""
    return np.asarray(vector + shared_mask if me > other else vector - shared_mask)
