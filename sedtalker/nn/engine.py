"""Runs a checkpoint's networks: as ONNX graphs by onnxruntime, without torch, or by torch.

A graph lies beside the weights and holds none of its own: it points into ``model.safetensors``. Checkpoints without
graphs, and graphics cards, need torch. Both give the same numbers, to 1e-4 of the largest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.checkpoint import Kind, builtin_checkpoint, read_checkpoint, read_kind, read_model, restored
from sedtalker.errors import InputError, extra
from sedtalker.plugins import load

WEIGHT = "weight:"
"""How the names of a graph's inputs begin that are weights."""
NEWEST = "newest"
"""Name of the graph that gives the newest frames alone, for streams."""
Arrays = tuple[NDArray[Any], ...]
"""What a network gives."""


@dataclass(frozen=True)
class NetworkKind:
    """What opens checkpoints of a kind; each part is named ``module:object`` and imported when it is needed.

    Attributes:
        config: schema of the hyper-parameters.
        network: module of torch that they describe.
        graph: name of its first graph; empty where torch alone runs it.
        runner: runs the graphs, a ``GraphModel``.
        completed: makes the network of torch and its folder what is used, where that is more than the network.
    """

    config: str
    network: str
    graph: str = ""
    runner: str = "sedtalker.nn.engine:GraphModel"
    completed: str = ""


KINDS: dict[Kind, NetworkKind] = {
    "speech_encoder": NetworkKind(
        "sedtalker.speech.encoder_model:SpeechEncoderConfig",
        "sedtalker.speech.encoder_networks:SpeechEncoder",
        "encoder",
        "sedtalker.speech.encoder_model:GraphEncoder",
    ),
    "emotion_encoder": NetworkKind(
        "sedtalker.speech.encoder_model:EmotionEncoderConfig",
        "sedtalker.speech.encoder_networks:EmotionEncoder",
        "encoder",
        "sedtalker.speech.encoder_model:GraphEncoder",
    ),
    "diarizer": NetworkKind(
        "sedtalker.emotion.diarizer_model:DiarizerConfig",
        "sedtalker.emotion.network:DiarizerNetwork",
        "diarizer",
        "sedtalker.emotion.diarizer_model:GraphDiarizer",
        "sedtalker.emotion.network:with_beside",
    ),
    "decoder": NetworkKind(
        "sedtalker.animation.decoder:DecoderConfig",
        "sedtalker.animation.decoder_network:Decoder",
        "step_48",
        "sedtalker.animation.decoder:GraphDecoder",
    ),
    "readout_decoder": NetworkKind(
        "sedtalker.animation.mouth_readout:MouthReadoutConfig",
        "sedtalker.animation.decoder_network:MouthReadout",
        "readout",
        "sedtalker.animation.mouth_readout:opened",
        "sedtalker.animation.mouth_readout:beside_builtin",
    ),
    "vertex_decoder": NetworkKind(
        "sedtalker.animation.vertex_decoder:VertexDecoderConfig", "sedtalker.animation.vertex_decoder:VertexDecoder"
    ),
    "fine_emotions": NetworkKind("sedtalker.emotion.fine:FineConfig", "sedtalker.emotion.network:FineNetwork", "fine"),
    "burst_detector": NetworkKind(
        "sedtalker.emotion.burst_detector:BurstDetectorConfig", "sedtalker.emotion.network:BurstDetector", "bursts"
    ),
    "articulation": NetworkKind(
        "sedtalker.speech.encoder_model:ArticulationConfig",
        "sedtalker.speech.encoder_networks:ArticulationNetwork",
        "articulation",
    ),
    "speakers": NetworkKind(
        "sedtalker.speakers.speaker_model:SpeakersConfig",
        "sedtalker.speakers.speaker_network:SpeakerNetworks",
        "frames",
        "sedtalker.speakers.speaker_model:GraphSpeakers",
    ),
    "landmarks": NetworkKind(
        "sedtalker.face.registration.pose:LandmarkConfig", "sedtalker.face.landmark_network:LandmarkNet", "landmarks"
    ),
}
"""What opens each kind of checkpoint that is used."""


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
        options.enable_cpu_mem_arena = False  # it keeps the most that a run ever took, and is no faster
        # further optimisation changes neither numbers nor speed here, and takes a third of the time of opening
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
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
        return {value.name: tuple(value.shape) for value in self._session.get_inputs()}

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        return tuple(self._session.run(None, dict(zip(self._names, inputs, strict=True))))


@dataclass(frozen=True, eq=False)
class WeightedGraph:
    """A graph whose weights are inputs: they are not as they stand in a file.

    Attributes:
        graph: its last inputs are weights, their names those of ``weights`` after ``WEIGHT``.
        weights: more than the graph asks for are not read.
    """

    graph: GraphNetwork
    weights: Mapping[str, Floats]

    @property
    def inputs(self) -> dict[str, tuple[int | str, ...]]:
        """See ``Network``; without the weights."""
        return {name: shape for name, shape in self.graph.inputs.items() if not name.startswith(WEIGHT)}

    @cached_property
    def _given(self) -> Arrays:
        """The weights in the order of the graph's inputs."""
        names = [name.removeprefix(WEIGHT) for name in self.graph.inputs if name.startswith(WEIGHT)]
        return tuple(self.weights[name] for name in names)

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        """See ``Network``."""
        return self.graph(*inputs, *self._given)


@lru_cache(maxsize=32)
def _opened(path: Path, changed: tuple[int, int]) -> GraphNetwork:
    return GraphNetwork(path)


def open_graph(folder: Path, name: str) -> GraphNetwork | None:
    """A graph of a checkpoint, opened once in a program; None where the checkpoint has none of that name.

    Args:
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


class Model(Protocol):
    """What ``open_model`` gives: graphs, or a module of torch that takes and gives arrays too."""

    @property
    def config(self) -> Any:
        """Its hyper-parameters."""

    def run(self, *inputs: NDArray[Any]) -> Arrays:
        """The outputs; see ``Network``."""


class GraphModel:
    """A checkpoint's network as graphs; ``graph``: the first of its graphs."""

    config: Any

    def __init__(self, folder: Path, config: Any, graph: Network) -> None:
        self.folder, self.config, self._graph = folder, config, graph

    def run(self, *inputs: NDArray[Any]) -> Arrays:
        return self._graph(*inputs)

    def zeros_after(self, given: int) -> Arrays:
        """Zeros, of one item, for the inputs after the first ``given``: the states before a graph's first step."""
        states = list(self._graph.inputs.values())[given:]
        return tuple(np.zeros((1, *map(int, shape[1:])), np.float32) for shape in states)

    @cached_property
    def _newest(self) -> Network | None:
        """The graph that answers for the newest frames alone; None where the checkpoint has none."""
        return open_graph(self.folder, NEWEST)


def open_model(source: str | Path, *kinds: Kind, device: str = "cpu", in_torch: bool = False) -> Any:
    """The network in a checkpoint folder, ready for inference: its graphs where it has them, else in torch.

    Args:
        source: the folder, or the name of a built-in one.
        kinds: what it may be; none: any of ``KINDS``.
        device: where it runs; graphs run on the processor alone.
        in_torch: whether it has to be a module of torch.

    Returns:
        A ``Model``; what else it can, its kind says.

    Raises:
        InputError: no checkpoint, of another kind or damaged, or torch is needed and not installed.
    """
    folder = builtin_checkpoint(source) if isinstance(source, str) else source
    held, graphs = read_kind(folder, *(kinds or tuple(KINDS))), device == "cpu" and not in_torch
    kind, parts = held.kind, KINDS[held.kind]
    with extra("hub" if held.model.get("backbone") else "torch"):
        schema = load(parts.config)
        if parts.graph and graphs and (graph := open_graph(folder, parts.graph)) is not None:
            return load(parts.runner)(folder, read_model(folder, kind, schema), graph)
        network = load(parts.network)
    config, state = read_checkpoint(folder, kind, schema)
    opened = restored(lambda: network(config), state, folder)
    return (load(parts.completed)(opened, folder) if parts.completed else opened).to(device)


LEAST_ROWS = 4
"""Rows that a graph of a ``ConvolutionHead`` needs at least; zeros are added, as a convolution sees beyond the end."""


def padded_rows(rows: Floats) -> Floats:
    """Rows (T, D), at least ``LEAST_ROWS`` of them."""
    return rows if len(rows) >= LEAST_ROWS else np.pad(rows, ((0, LEAST_ROWS - len(rows)), (0, 0)))


def frame_logits(model: Model, rows: Floats, chunk: int) -> Floats:
    """(T, K) logits of a ``ConvolutionHead`` for rows (T, D) of any number, some at a time; equal to one pass in 1e-5.

    Args:
        chunk: rows at once.
    """
    context, parts = model.config.context, []
    for start in range(0, max(1, len(rows)), chunk):
        first = max(0, start - context)
        part = rows[first : start + chunk + context]
        parts.append(model.run(padded_rows(part)[None])[0][0, : len(part)][start - first :][:chunk])
    return np.concatenate(parts)
