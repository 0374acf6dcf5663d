"""A model with the interface of Kokoro: every sign lasts 100 ms, and all of them are a hum."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FRAMES, HOP = 4, 600
"""Frames of each sign, and samples of each frame (24 kHz)."""


def save_tiny_voice(folder: Path, duration_name: str = "/encoder/Clip_output_0") -> tuple[Path, Path]:
    """The files of a model and of two voices."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, value: object) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(value), name)

    values = {"zero": np.int64(0), "one": np.int64(1), "frames": np.int64([FRAMES]), "hop": np.int64(HOP)}
    values |= {"pitch": np.float32(2 * np.pi * 150 / 24000), "least": np.int64(1)}
    nodes = [
        helper.make_node("Mul", ["tokens", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "frames"], ["four"]),
        helper.make_node("Clip", ["four", "least"], [duration_name]),
        helper.make_node("ReduceSum", [duration_name], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "hop"], ["count"]),
        helper.make_node("Range", ["zero", "count", "one"], ["places"]),
        helper.make_node("Cast", ["places"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "pitch"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["audio"]),
        helper.make_node("Identity", ["style"], ["unused"]),
        helper.make_node("Identity", ["speed"], ["unused2"]),
    ]
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "n"]),
        helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
    ]
    outputs = [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["m"])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, [constant(n, v) for n, v in values.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    network, voices = folder / "tiny.onnx", folder / "voices.bin"
    onnx.save(model, str(network))
    styles = {name: np.zeros((510, 1, 256), np.float32) for name in ("af_tiny", "bm_tiny")}
    with voices.open("wb") as file:
        np.savez(file, **styles)
    return network, voices
