"""Runs a checkpoint's networks: as ONNX graphs by onnxruntime, without torch, or by torch.

A graph lies beside the weights and holds none of its own: it points into ``model.safetensors``. Checkpoints without
graphs, and graphics cards, need torch. Both give the same numbers, to 1e-4 of the largest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.checkpoint import Kind, open_network
from sedtalker.errors import InputError, extra
from sedtalker.plugins import load

NETWORKS: dict[str, tuple[str, str]] = {
    "fine_emotions": ("sedtalker.emotion.fine:FineConfig", "sedtalker.emotion.fine_network:FineNetwork"),
    "burst_detector": (
        "sedtalker.emotion.burst_detector:BurstDetectorConfig",
        "sedtalker.emotion.burst_network:BurstDetector",
    ),
    "vertex_decoder": (
        "sedtalker.animation.vertex_decoder:VertexDecoderConfig",
        "sedtalker.animation.vertex_decoder:VertexDecoder",
    ),
    "landmarks": ("sedtalker.face.landmarks:LandmarkConfig", "sedtalker.face.landmark_network:LandmarkNet"),
}
"""Hyper-parameters and network of torch by the kind of checkpoint."""
LOADERS: dict[str, str] = {
    "speech_encoder": "sedtalker.speech.speech_encoder:load_network",
    "emotion_encoder": "sedtalker.speech.emotion_encoder:load_emotion_encoder",
    "diarizer": "sedtalker.emotion.side_by_side:load_diarizer",
    "decoder": "sedtalker.animation.decoder_network:load_decoder_network",
    "readout_decoder": "sedtalker.animation.mouth_readout:load_readout_decoder",
}
"""What opens networks that need more than their weights, or are opened by name elsewhere."""
NEWEST = "newest"
"""Name of the graph that gives the newest frames alone, for streams."""
Arrays = tuple[NDArray[Any], ...]
"""What a network gives."""


def load_in_torch(folder: Path, kind: str, device: str = "cpu") -> Any:
    """The network in a checkpoint folder as a module of torch, which also takes and gives arrays.

    Raises:
        InputError: torch is not installed, or what the kind's own loader raises.
    """
    with extra("torch"):
        import torch  # noqa: F401
    if kind in LOADERS:
        return load(LOADERS[kind])(folder).to(device)
    schema, network = map(load, NETWORKS[kind])
    return open_network(folder, cast("Kind", kind), schema, network).to(device)


class Network(Protocol):
    """A network as a function of arrays."""

    @property
    def inputs(self) -> dict[str, tuple[int | str, ...]]:
        """Shape of each input by name, in order; free lengths are words."""

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        """The outputs for inputs in the order of ``inputs``; both have a leading dimension of items."""


class GraphNetwork:
    """An ONNX graph run by onnxruntime on one thread: the built-in networks are too small to share among threads.

    Args:
        path: the file; its weights are beside it.

    Raises:
        InputError: it is no graph, or its weights are missing or of another size.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # the versions that are asked for have none; another may be installed
        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common class of their own
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: cannot be run ({reason})") from None
        self._names = [value.name for value in self._session.get_inputs()]

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphNetwork:
        """Itself: it never changes."""
        return self

    def __reduce__(self) -> tuple[type[GraphNetwork], tuple[Path]]:
        """Another process opens the file."""
        return GraphNetwork, (self._path,)

    @property
    def inputs(self) -> dict[str, tuple[int | str, ...]]:
        """See ``Network``."""
        return {value.name: tuple(value.shape) for value in self._session.get_inputs()}

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        """See ``Network``."""
        return tuple(self._session.run(None, dict(zip(self._names, inputs, strict=True))))


@lru_cache(maxsize=32)
def _opened(path: Path, changed: tuple[int, int]) -> GraphNetwork:
    return GraphNetwork(path)


def open_graph(folder: Path, name: str) -> GraphNetwork | None:
    """A graph of a checkpoint, opened once in a program; None where the checkpoint has none of that name.

    Args:
        folder: of the checkpoint.
        name: of the file, without its ending.

    Raises:
        InputError: as ``GraphNetwork``.
    """
    path = (folder / f"{name}.onnx").resolve()
    try:
        changed = path.stat().st_mtime_ns, (folder / "model.safetensors").stat().st_mtime_ns
    except OSError:
        return None
    return _opened(path, changed)


def open_function(folder: Path, name: str, kind: str, method: str) -> Callable[[Floats], Floats]:
    """A network of one input and one output: its graph where the checkpoint has one, else a method of it in torch.

    Args:
        folder: of the checkpoint.
        name: of the graph.
        kind: of the checkpoint, see ``load_in_torch``.
        method: of the module, from arrays to arrays.
    """
    graph = open_graph(folder, name)
    if graph is None:
        function: Callable[[Floats], Floats] = getattr(load_in_torch(folder, kind), method)
        return function
    return lambda values: np.asarray(graph(values)[0])
