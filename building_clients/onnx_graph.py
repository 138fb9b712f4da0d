"""The network as an ONNX graph. A test compares it with Keras."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from building_clients.architecture import QUANTILES, UNITS, Weights, layout
from building_clients.windows import CONTEXT, FEATURES, WINDOW

OPSET = 17
IR_VERSION = 8
"""Versions that every onnxruntime of the last years reads."""


def onnx_model(weights: Weights, horizon: int) -> onnx.ModelProto:
    """The graph of the Keras model with these weights as constants."""
    arrays = dict(zip(layout(horizon), weights, strict=True))
    constants = {name: array for name, array in arrays.items() if not name.startswith("lstm")}
    for layer, units in zip(("lstm_1", "lstm_2"), UNITS, strict=True):
        constants |= _lstm_constants(arrays, layer, units)
    constants |= {
        "axis_1": np.array([1], np.int64),
        "axis_2": np.array([2], np.int64),
        "spread": np.array([1, horizon, 1], np.int64),
    }
    inputs = {
        "past": (WINDOW, FEATURES),
        "context": (horizon, CONTEXT),
        "base": (horizon,),
        "deficit_logit": (horizon,),
    }
    outputs = {"quantiles": (horizon, len(QUANTILES)), "probability": (horizon,)}
    graph = helper.make_graph(
        _nodes(),
        "forecaster",
        [_value(name, shape) for name, shape in inputs.items()],
        [_value(name, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def _value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", *shape))


def _lstm_constants(arrays: dict[str, np.ndarray], layer: str, units: int) -> dict[str, np.ndarray]:
    """Keras orders gates as input, forget, candidate, output; ONNX as input, output, forget, candidate."""
    order = np.concatenate([np.arange(gate * units, (gate + 1) * units) for gate in (0, 3, 1, 2)])
    bias = arrays[f"{layer}/bias"][order]
    return {
        f"{layer}/w": arrays[f"{layer}/kernel"].T[order][None],
        f"{layer}/r": arrays[f"{layer}/recurrent"].T[order][None],
        f"{layer}/b": np.concatenate([bias, np.zeros_like(bias)])[None],
    }


def _nodes() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Transpose", ["past"], ["steps"], perm=[1, 0, 2]),
        _lstm("lstm_1", "steps", UNITS[0], all_steps="states"),
        helper.make_node("Squeeze", ["states", "axis_1"], ["sequence"]),
        _lstm("lstm_2", "sequence", UNITS[1], last_step="last"),
        helper.make_node("Transpose", ["last"], ["column"], perm=[1, 0, 2]),
        helper.make_node("Tile", ["column", "spread"], ["repeated"]),
        helper.make_node("Concat", ["repeated", "context"], ["joined"], axis=2),
        *_dense("joined", "decoder_1", "wide", "Relu"),
        *_dense("wide", "decoder_2", "decoded", "Tanh"),
        *_dense("decoded", "quantile", "offsets"),
        helper.make_node("Einsum", ["context", "quantile_skip/kernel"], ["skip"], equation="bhc,hcq->bhq"),
        helper.make_node("Unsqueeze", ["base", "axis_2"], ["base_column"]),
        helper.make_node("Sum", ["offsets", "skip", "base_column"], ["quantiles"]),
        *_dense("decoded", "deficit", "deficit_of_slot"),
        helper.make_node("Einsum", ["context", "deficit_skip/kernel"], ["deficit_skip"], equation="bhc,hcq->bhq"),
        helper.make_node("Add", ["deficit_of_slot", "deficit_skip"], ["deficit_column"]),
        helper.make_node("Squeeze", ["deficit_column", "axis_2"], ["deficit_row"]),
        helper.make_node("Squeeze", ["column", "axis_1"], ["state"]),
        *_dense("state", "deficit_state", "deficit_of_state"),
        helper.make_node("Sum", ["deficit_row", "deficit_of_state", "deficit_logit"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]


def _lstm(layer: str, steps: str, units: int, all_steps: str = "", last_step: str = "") -> onnx.NodeProto:
    constants = [f"{layer}/w", f"{layer}/r", f"{layer}/b"]
    return helper.make_node("LSTM", [steps, *constants], [all_steps, last_step], hidden_size=units)


def _dense(values: str, layer: str, result: str, activation: str | None = None) -> list[onnx.NodeProto]:
    sum_name = f"{layer}/sum" if activation else result
    nodes = [
        helper.make_node("MatMul", [values, f"{layer}/kernel"], [f"{layer}/product"]),
        helper.make_node("Add", [f"{layer}/product", f"{layer}/bias"], [sum_name]),
    ]
    return [*nodes, helper.make_node(activation, [sum_name], [result])] if activation else nodes
