"""Weights as they travel: one array for the whole network, because every array costs Flower several HTTP requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from flwr.app import Array, ArrayRecord

if TYPE_CHECKING:
    from building_clients.architecture import Weights


def packed(weights: Weights) -> ArrayRecord:
    """All numbers as float32 in one array, whose name lists the shapes: `9x256,64x256,256`."""
    name = ",".join("x".join(map(str, array.shape)) for array in weights)
    flat = [np.asarray(array, dtype=np.float32).reshape(-1) for array in weights]
    return ArrayRecord({name: Array(np.concatenate(flat) if flat else np.zeros(0, np.float32))})


def unpacked(record: ArrayRecord) -> Weights:
    """The weights again. Raises ValueError for a record that is not one of `packed`."""
    if len(record) != 1:
        raise ValueError(f"the weights come as {len(record)} arrays instead of one")
    ((name, array),) = record.items()
    shapes = [tuple(int(size) for size in part.split("x")) for part in name.split(",") if part]
    flat, ends = array.numpy(), np.cumsum([int(np.prod(shape)) for shape in shapes], dtype=int)
    if flat.dtype != np.float32 or flat.shape != (ends[-1] if len(ends) else 0,):
        raise ValueError(f"{flat.size} numbers of type {flat.dtype} do not fill the shapes {name}")
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=bool(shapes))]
