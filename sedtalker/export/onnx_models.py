"""A folder of the networks as ONNX graphs, for engines and web pages: ``sedtalker models export --onnx DIR``.

Beside the graphs lie ``model.json``, which says what goes in and out and holds every constant of the steps between the
networks, and ``check.json``, by which a program in another language finds out whether it runs them right. Weights that
are exact in half precision, as all that ship, are stored so and computed with in single precision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.articulation import TONGUE
from sedtalker.audio import SAMPLE_RATE
from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError, extra
from sedtalker.export.model_constants import model_constants
from sedtalker.face.arkit import ARKIT_52
from sedtalker.nn.engine import GraphNetwork, open_model
from sedtalker.reading import read_bytes
from sedtalker.speech.encoder import STREAMED
from sedtalker.speech.features import EMOTION, FRAME_CLOCK, SPEECH
from sedtalker.storage import OutputFolder
from sedtalker.version import __version__

FORMAT_VERSION = 4
"""The version of ``model.json``; it rises when a program that reads an older one would go wrong."""
OPSET = 18
"""The operators of the graphs: the newest set that the engines of games read."""
ITEMS = "items"
"""Name of the first axis of everything that goes in and out: streams that run together."""
UNENROLLED, TALKING = "without_voice", "talking"
"""Names of two graphs beside those that Python runs: a diarizer that takes no voice, and what lips and tongue need of
phones with the talking mouth."""
STEPS = (4, 16, 64)
"""Frames of 20 ms that a decoder may take at once: 80 ms for live use, 1.28 s for files."""
STORED, READ = ".stored", ".read"
"""How the names of weights end that are stored in fewer bits, and that are to be turned once they are read."""
SMALLEST_STORED = 1024
"""Values of a weight from which on it is stored in fewer bits."""
INT8_LEVELS = 127
"""Largest integer that a weight becomes where weights are stored in eight bits."""
CHECKED_VALUES = 16
"""How many of the first values of each output are in ``check.json``."""


def export_models(folder: Path, steps: Sequence[int] = STEPS, int8: bool = False, force: bool = False) -> list[Path]:
    """Write the built-in networks as ONNX graphs, ``model.json`` and ``check.json``; returns the files.

    Args:
        steps: frames that a decoder takes at once; a graph of each.
        int8: whether large weights are stored in eight bits: half the size, and figures that differ a little.
        force: replace those of an earlier run; its other decoders vanish.

    Raises:
        InputError: a number of frames that is none of ``STEPS``, the folder cannot be written or holds something, or
            onnx is not installed.
    """
    if wrong := [step for step in steps if step not in STEPS]:
        raise InputError(f"--frames {wrong[0]}: a decoder takes {', '.join(map(str, STEPS))} frames at once")
    graphs = builtin_graphs(steps)
    names = [*(f"{name}.onnx" for name in graphs), "model.json", "check.json"]
    described, checks = {}, {}
    decoders = [f"decoder_{step}.onnx" for step in STEPS]
    with OutputFolder(folder, names, force, decoders.__contains__ if force else None) as results, extra("onnx"):
        for name, (source, facts) in graphs.items():
            file = results.path / f"{name}.onnx"
            copy_graph(source, file, int8)
            described[name] = _described(file) | facts
            checks[name] = _checked(file, described[name])
        about = {
            "version": FORMAT_VERSION,
            "sedtalker": __version__,
            "opset": OPSET,
            "weights": "int8" if int8 else "float16",
            "sample_rate": SAMPLE_RATE,
            "frame_rate": FRAME_CLOCK.rate,
            "categories": CATEGORIES,
            "shapes": ARKIT_52,
            "tongue": TONGUE,
            "models": described,
            "constants": model_constants(),
        }
        for name, content in (("model.json", about), ("check.json", checks)):
            text = json.dumps(content, indent=1, ensure_ascii=False)
            (results.path / name).write_text(text + "\n", encoding="utf-8")
    return [folder / name for name in names]


def builtin_graphs(steps: Sequence[int] = STEPS) -> dict[str, tuple[Path, dict[str, Any]]]:
    """The file of each graph of the built-in networks, and what ``model.json`` says beside its inputs and outputs."""

    def stored(name: str, file: str, *settings: str, **more: Any) -> tuple[Path, dict[str, Any]]:
        return builtin_checkpoint(name) / f"{file}.onnx", _facts(name, settings) | more

    made = {name: stored(name, "encoder", "context", centred=open_model(name).centred) for name in (SPEECH, EMOTION)}
    made |= {name: stored(name, TALKING, "context") for name in ("articulation", STREAMED)}
    made["diarizer"] = stored("diarizer", UNENROLLED, "context", "visible")
    made["burst_detector"] = stored("burst_detector", "bursts", "context", "kinds")
    decoder, about = builtin_checkpoint("decoder"), _facts("decoder", ("look_ahead", "styles"))
    return made | {f"decoder_{step}": (decoder / f"step_{step}.onnx", about | {"frames": step}) for step in steps}


def _facts(name: str, settings: Sequence[str]) -> dict[str, Any]:
    """Checkpoint, licence and training data of a built-in network, and some of its settings."""
    folder = builtin_checkpoint(name)
    config, network = read_config(folder), open_model(name)
    return {
        "checkpoint": name,
        "checkpoint_sha256": weights_sha256(folder),
        "licence": config.licence,
        "trained_on": config.trained_on,
    } | {setting: getattr(network.config, setting) for setting in settings}


def _described(file: Path) -> dict[str, Any]:
    """Size, hash, inputs and outputs of a graph's file."""
    import onnx

    graph = onnx.load(file).graph

    def values(found: Any) -> list[dict[str, Any]]:
        kinds = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.BOOL: "bool"}
        tensors = [(value.name, value.type.tensor_type) for value in found]
        return [
            {"name": name, "type": kinds[t.elem_type], "shape": [d.dim_param or d.dim_value for d in t.shape.dim]}
            for name, t in tensors
        ]

    data = file.read_bytes()
    about = {"file": file.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return about | {"inputs": values(graph.input), "outputs": values(graph.output)}


def _checked(file: Path, described: dict[str, Any]) -> dict[str, Any]:
    """What a graph gives for ``check_values``: of each output its shape, first values and mean magnitude."""
    inputs = {}
    for value in described["inputs"]:
        shape = [CHECK_LENGTHS.get(str(length), length) for length in value["shape"]]
        inputs[value["name"]] = check_values(shape, value["type"] == "bool")
    outputs = GraphNetwork(file)(*inputs.values())
    return {
        "inputs": {name: list(value.shape) for name, value in inputs.items()},
        "outputs": {
            value["name"]: {
                "shape": list(made.shape),
                "first": [round(float(x), 6) for x in made.ravel()[:CHECKED_VALUES]],
                "mean_magnitude": round(float(np.abs(made).mean()), 6),
            }
            for value, made in zip(described["outputs"], outputs, strict=True)
        },
    }


CHECK_LENGTHS = {ITEMS: 1, "2*mel_frames": 160, "4*mel_frames": 160, "8*frames": 160, "frames": 40}
"""Lengths of the free axes in ``check.json``, by the name that the graphs give them."""


def check_values(shape: Sequence[int], boolean: bool = False) -> NDArray[Any]:
    """The input that ``check.json`` was made with: ``sin(0.37 (k + 1)) / 2`` for the k-th value, or true but for every
    third.
    """
    index = np.arange(np.prod(shape)).reshape(shape)
    return index % 3 != 2 if boolean else (0.5 * np.sin(0.37 * (index + 1))).astype(np.float32)


# --- The weights of a graph: in it, in fewer bits, or in the file beside it.


def copy_graph(source: Path, target: Path, int8: bool = False) -> None:
    """Write a graph that points into the weights beside it as one file.

    Args:
        int8: whether large weights are stored in eight bits, with a scale for each output channel.

    Raises:
        InputError: the graph is missing.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(read_bytes(source, "a graph"))
    graph, nodes = model.graph, []
    weights = [tensor for tensor in graph.initializer if tensor.name.endswith(STORED)]
    values = {tensor.name: _weight(tensor, source.parent) for tensor in weights}
    for tensor in weights:
        graph.initializer.remove(tensor)
    for node in graph.node:  # some give weights back in single precision, turned where the file has them otherwise
        name = node.input[0] if node.input else ""
        if name.endswith((STORED, READ)):
            held = values.pop(name)
            values[node.output[0]] = held.astype(np.float32) if name.endswith(STORED) else held.T
        else:
            nodes.append(node)
    graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in values.items())
    del graph.node[:]
    graph.node.extend(nodes)
    store_weights(model, int8)
    onnx.save(model, target)


def _weight(tensor: Any, folder: Path) -> NDArray[Any]:
    """The values of a weight, in its graph or in the file that the graph points to.

    Not read by onnx, which refuses that file where it is a link: installers link packages out of their caches.
    """
    from onnx import TensorProto, numpy_helper

    if tensor.data_location != TensorProto.EXTERNAL:
        return numpy_helper.to_array(tensor)
    place = {entry.key: entry.value for entry in tensor.external_data}
    count = int(place["length"]) // 2
    return np.fromfile(folder / place["location"], "<f2", count, offset=int(place["offset"])).reshape(tensor.dims)


def point_to_weights(model: Any, weights: Path) -> None:
    """Replace the weights of a model that are stored in a safetensors file by their places in that file.

    The file is a JSON header and then the tensors one after another, so a place is an offset and a length, as ONNX has
    them for data outside the graph.
    """
    import onnx
    from onnx import helper, numpy_helper
    from safetensors.numpy import load_file

    data = weights.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    places = json.loads(data[8:start])
    stored = {name: value for name, value in load_file(weights).items() if value.dtype == np.float16}
    named = {value.tobytes(): (name, False) for name, value in stored.items()}
    named |= {value.T.tobytes(): (name, True) for name, value in stored.items() if value.ndim > 1}
    for tensor in list(model.graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST_STORED:
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        name, turned = named.get(half.tobytes(), ("", False))
        if not name or not np.array_equal(values, half.astype(np.float32)):
            continue
        first, last = places[name]["data_offsets"]
        outside = onnx.TensorProto(
            name=tensor.name + STORED,
            dims=stored[name].shape,
            data_type=onnx.TensorProto.FLOAT16,
            data_location=onnx.TensorProto.EXTERNAL,
        )
        for key, value in (("location", weights.name), ("offset", start + first), ("length", last - first)):
            outside.external_data.add(key=key, value=str(value))
        read = tensor.name + READ if turned else tensor.name
        nodes = [helper.make_node("Cast", [outside.name], [read], to=onnx.TensorProto.FLOAT)]
        if turned:
            nodes.append(helper.make_node("Transpose", [read], [tensor.name]))
        for node in reversed(nodes):
            model.graph.node.insert(0, node)
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(outside)


def store_weights(model: Any, int8: bool) -> None:
    """Replace the large weights of a model by fewer bits and a node that gives them back in single precision."""
    import onnx
    from onnx import helper, numpy_helper

    graph, made = model.graph, []
    for tensor in list(graph.initializer):
        outside = tensor.data_location == onnx.TensorProto.EXTERNAL
        if outside or tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST_STORED:
            continue
        values = numpy_helper.to_array(tensor)
        name, stored = tensor.name, tensor.name + STORED
        if int8 and values.ndim > 1:
            # the axis of output channels: the last of a factor on the right, else the first
            on_the_right = any(node.op_type == "MatMul" and node.input[1] == name for node in graph.node)
            axis = values.ndim - 1 if on_the_right else 0
            # the weights of an output channel side by side: what is zero in it compresses to little
            rows = np.moveaxis(values, axis, 0)
            largest = np.abs(rows).max(tuple(range(1, rows.ndim)), keepdims=True)
            scale = np.maximum(largest, 1e-12).astype(np.float32) / INT8_LEVELS
            small = {stored: np.round(rows / scale).astype(np.int8), f"{name}.scale": scale}
            graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in small.items())
            # onnxruntime for browsers folds these before it runs, and not DequantizeLinear
            scaled = f"{name}.scaled" if axis else name
            made.append(helper.make_node("Cast", [stored], [f"{name}.whole"], to=onnx.TensorProto.FLOAT))
            made.append(helper.make_node("Mul", [f"{name}.whole", f"{name}.scale"], [scaled]))
            if axis:
                order = [*range(1, axis + 1), 0, *range(axis + 1, rows.ndim)]
                made.append(helper.make_node("Transpose", [scaled], [name], perm=order))
        elif np.array_equal(values, values.astype(np.float16).astype(np.float32)):
            graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), stored))
            made.append(helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
        else:
            continue
        graph.initializer.remove(tensor)
    for node in reversed(made):
        graph.node.insert(0, node)
