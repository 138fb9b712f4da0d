"""The network run by onnxruntime: serving needs no TensorFlow, and a building without a model no onnxruntime either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from building_clients.architecture import Weights
    from building_clients.windows import Batch


PART = 128
"""Samples that are forecast at once: what happens inside takes memory for each [1]"""


class OnnxModel:
    """One set of weights, ready to forecast."""

    def __init__(self, weights: Weights, horizon: int) -> None:
        import onnxruntime

        from building_clients.onnx_graph import onnx_model

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # it would keep the memory of the largest call for ever
        graph = onnx_model(weights, horizon).SerializeToString()
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def predict(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """(quantiles (n, horizon, 3), deficit probability (n, horizon)) in the samples' scales; quantiles sorted."""
        parts = [self._run(batch, slice(start, start + PART)) for start in range(0, len(batch), PART)]
        quantiles, probability = (np.concatenate(part) for part in zip(*parts, strict=True))
        return np.sort(quantiles, axis=2), probability

    def _run(self, batch: Batch, rows: slice) -> list[np.ndarray]:
        feeds = {name: getattr(batch, name)[rows] for name in ("past", "context", "base", "deficit_logit")}
        return list(self._session.run(None, feeds))
