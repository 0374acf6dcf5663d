"""The networks as ONNX graphs for engines without Python: two encoders, the diarizer, phones, and decoders in steps.

A decoder's step takes a fixed number of frames and every state as a plain input, and gives the next states as plain
outputs, so that a graph holds no loop: the scan of a Mamba block is written out frame by frame.
Those of a checkpoint point into its weights; ``sedtalker.export.onnx_models`` makes files of them that need nothing
beside.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.func import functional_call

from sedtalker.animation.articulation import PLACES
from sedtalker.animation.decoder import STEPS as RUN
from sedtalker.animation.decoder_network import Decoder
from sedtalker.checkpoint import read_config
from sedtalker.emotion.diarizer_model import BEFORE_NEWEST, FEWEST_ROWS, NEWEST_FRAMES, ROW, FrameBatch, Voice
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.errors import InputError, extra
from sedtalker.export.onnx_models import ITEMS, OPSET, STEPS, TALKING, UNENROLLED, point_to_weights, store_weights
from sedtalker.face.arkit import TALKING_SIDES
from sedtalker.face.landmark_network import LandmarksGraph
from sedtalker.mesh.rasteriser import CHANNELS
from sedtalker.nn.engine import KINDS, NEWEST, WEIGHT, open_model
from sedtalker.speakers.speaker_model import STRIDE
from sedtalker.speakers.speaker_network import SpeakerNetworks
from sedtalker.speech.encoder_networks import ArticulationNetwork, ConvolutionHead, EmotionEncoder, SpeechEncoder
from sedtalker.speech.features import BILABIAL, LABIODENTAL, MEL_BANDS, PHONE_INDEX, PHONES, PROSODY_CHANNELS, SPEECH
from sedtalker.storage import whole_file

NEXT = "next_"
"""How the names of outputs begin that are the states of the next step."""


@dataclass(frozen=True)
class Graph:
    """A network to be exported.

    Attributes:
        name: of the file, without its ending.
        network: takes and gives tensors only.
        inputs: an example of each, by name, in order; of two items, so that their number stays free.
        outputs: names, in order.
        length: name of the free length of axis 1 of the inputs, and the number that it is a multiple of; None: it is
            fixed.
        multiples: this number of single inputs, where it is another.
    """

    name: str
    network: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Sequence[str]
    length: tuple[str, int] | None = None
    simplified: bool = True
    """Whether constants are folded; not where that would change weights, such as those before a batch norm."""
    multiples: Mapping[str, int] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    """Inputs without the free length: states, and what is known of a voice."""
    fewest: int = FEWEST_ROWS
    """The free length is at least so many times what it is a multiple of."""
    weights: frozenset[str] = frozenset()
    """Inputs that are weights, the last ones, see ``WeightedGraph``."""

    def free_axes(self, name: str) -> dict[int, tuple[str, int]]:
        """Axes of an input whose length is free: the name of the length, and what it is a multiple of."""
        if name in self.weights:
            return {}
        if self.length is None or name in self.fixed:
            return {0: (ITEMS, 1)}
        length, multiple = self.length
        return {0: (ITEMS, 1), 1: (length, self.multiples.get(name, multiple))}


VOICE = "voice_"
"""How the names of inputs begin that say how a speaker sounds in general."""


class DiarizerGraph(nn.Module):
    """Features of T frames, a multiple of ``ROW``, to log-posterior, intensity, boundary and distance of each.

    The last three inputs are a ``Voice``: frames of speech and voiced speech, and means and mean squares of channels.
    Where there are no frames, none is known. ``newest``: the answer is for so many frames at the end; 0: for all.
    """

    def __init__(self, network: DiarizerNetwork, newest: int) -> None:
        super().__init__()
        self.network, self.newest = network, newest

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        known = Voice(*(values[:, None] for values in given[5:])) if len(given) > 5 else None
        return tuple(self.network.frames(FrameBatch(*given[:5]), known, self.newest))


class VoiceGraph(nn.Module):
    """Features of T frames, a multiple of ``ROW``, to the three arrays of a ``Voice``."""

    def __init__(self, network: DiarizerNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        found = self.network.voice(FrameBatch(*given))
        return found.weight, found.mean, found.square


class PhonesGraph(nn.Module):
    """Hidden vectors (B, T, D) to posteriors of p, b, m and of f, v (B, T, 2), and of the tongue's places (B, T, 3).

    Args:
        found: phones, and shapes of the mouth, the third output (B, T, 52), of the speech encoder's vectors, or of
            those and the emotion encoder's, a second input.
    """

    sides: Tensor

    def __init__(self, found: ArticulationNetwork) -> None:
        super().__init__()
        self.found = found
        self.register_buffer("sides", torch.from_numpy(TALKING_SIDES), persistent=False)
        self.kinds = [[PHONE_INDEX[name] for name in names] for names in (BILABIAL, LABIODENTAL, *PLACES.values())]

    def forward(self, hidden: Tensor, emotion: Tensor | None = None) -> tuple[Tensor, ...]:
        found = self.found(hidden if emotion is None else torch.cat([hidden, emotion], -1))
        posterior, mouth = found[..., : len(PHONES)].softmax(-1), found[..., len(PHONES) :]
        sums = [posterior[..., kind].sum(-1) for kind in self.kinds]
        return torch.stack(sums[:2], -1), torch.stack(sums[2:], -1), mouth.clamp(0.0, 1.0) @ self.sides


class GivenWeights(nn.Module):
    """A network whose weights are its last inputs, in the order of ``names``."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        count = len(given) - len(self.names)
        answer: tuple[Tensor, ...] = functional_call(
            self.network, dict(zip(self.names, given[count:], strict=True)), given[:count]
        )
        return answer


class MethodGraph(nn.Module):
    """A method of a network that is not its ``forward``."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self.method = network, method

    def forward(self, *given: Tensor) -> Tensor | tuple[Tensor, ...]:
        answer: Tensor | tuple[Tensor, ...] = getattr(self.network, self.method)(*given)
        return answer


# --- Which graphs there are.


def encoder_graph(name: str, network: SpeechEncoder | EmotionEncoder) -> Graph:
    """An encoder over any even number of log-mels, or a multiple of four for the emotion encoder."""
    states = network.states(2)
    inputs = {"mel": torch.randn(2, 400, MEL_BANDS)} | states
    outputs = ["hidden", *(f"{NEXT}{key}" for key in states)]
    return Graph(
        name, MethodGraph(network, "step"), inputs, outputs, ("mel_frames", 2 * network.grid), fixed=frozenset(states)
    )


def _frames_of(network: DiarizerNetwork) -> dict[str, Tensor]:
    """An example of the features that a diarizer reads."""
    count = BEFORE_NEWEST + NEWEST_FRAMES
    return {
        "mel": torch.randn(2, count, MEL_BANDS),
        "prosody": torch.randn(2, count, len(PROSODY_CHANNELS)),
        "speech": torch.ones(2, count, dtype=torch.bool),
        "valid": torch.ones(2, count, dtype=torch.bool),
        "hidden": torch.randn(2, count, network.config.encoder_channels),
    }


def diarizer_graph(name: str, network: DiarizerNetwork, enrolled: bool = True, newest: int = 0) -> Graph:
    """A diarizer over any number of frames that is a multiple of ``ROW``.

    ``enrolled``: it takes a voice, too; ``newest``: it answers for so many frames at the end; 0: for all.
    """
    channels = functional_count(network.config) // len(network.config.windows) // 2
    voice = {"weight": torch.zeros(2, 2), "mean": torch.zeros(2, channels), "square": torch.zeros(2, channels)}
    known = {VOICE + key: values for key, values in voice.items()} if enrolled else {}
    outputs = ["log_posterior", "intensity", "boundary", "distance"]
    inputs = _frames_of(network) | known
    fewest = (BEFORE_NEWEST + newest) // ROW if newest else FEWEST_ROWS
    answers = DiarizerGraph(network, newest)
    return Graph(name, answers, inputs, outputs, ("frames", ROW), fixed=frozenset(known), fewest=fewest)


def voice_graph(network: DiarizerNetwork) -> Graph:
    """How the speaker of some recording sounds in general, for a diarizer of other recordings."""
    outputs = [f"{VOICE}{key}" for key in ("weight", "mean", "square")]
    return Graph("voice", VoiceGraph(network), _frames_of(network), outputs, ("frames", ROW))


def with_given_weights(graph: Graph) -> Graph:
    """A graph that takes the weights of the network in it as inputs by their names."""
    state = {name: value for name, value in graph.network.state_dict().items() if name.startswith("network.")}
    weights = {WEIGHT + name.removeprefix("network."): value for name, value in state.items()}
    network = GivenWeights(graph.network, list(state))
    return replace(graph, network=network, inputs={**graph.inputs, **weights}, weights=frozenset(weights))


def phones_graph(name: str, found: ArticulationNetwork, hidden: int) -> Graph:
    """What lips and tongue need of phones, and the mouth.

    ``hidden``: size of the speech encoder's vectors; what it reads beyond them are the emotion encoder's, a second
    input.
    """
    inputs = {"hidden": torch.randn(2, 50, hidden)}
    if more := found.config.hidden - hidden:
        inputs["emotion"] = torch.randn(2, 50, more)
    return Graph(name, PhonesGraph(found), inputs, ["lips", "tongue", "mouth"], ("frames", 1))


def decoder_graph(name: str, decoder: Decoder, frames: int) -> Graph:
    """A step of a decoder over so many frames."""
    config, states = decoder.config, decoder.states(2)
    inputs = {
        "speech": torch.randn(2, frames, config.hidden + len(PROSODY_CHANNELS)),
        "posterior": torch.rand(2, frames, 7).softmax(-1),
        "intensity": torch.rand(2, frames),
        "style": torch.zeros(2, len(config.styles)),
        "valid": torch.ones(2, frames),
    } | states
    return Graph(name, MethodGraph(decoder, "step"), inputs, ["coefficients", *(f"{NEXT}{key}" for key in states)])


def frames_graph(name: str, network: ConvolutionHead | ArticulationNetwork, width: int) -> Graph:
    """Logits of vocal bursts, or of phones and the mouth, of rows of ``width`` values."""
    return Graph(name, network, {"rows": torch.randn(2, 100, width)}, ["logits"], ("frames", 1))


def speaker_graphs(network: SpeakerNetworks) -> list[Graph]:
    """Frames of a recording, the voice of some of them, and where a voice speaks."""
    members = network.config.members
    frames = torch.randn(2, 100, sum(member.frame for member in members))
    pooled = {"frames": frames, "weight": torch.rand(2, 100)}
    voice = {VOICE + "vector": torch.randn(2, sum(member.voice for member in members))}
    given = {"mel": torch.randn(2, 400, MEL_BANDS)}
    if network.config.vectors:
        given |= {"vectors": torch.randn(2, 100, network.config.vectors)}
    multiples = {"mel": STRIDE}
    return [
        Graph("frames", network, given, ["frames", "number"], ("frames", 1), False, multiples),
        Graph("voice", MethodGraph(network, "pool"), pooled, ["voice"], ("frames", 1), simplified=False),
        Graph(
            "activity",
            MethodGraph(network, "look_for"),
            {"frames": frames} | voice,
            ["logits"],
            ("frames", 1),
            simplified=False,
            fixed=frozenset(voice),
        ),
    ]


# --- Writing them.


def write_graphs(folder: Path) -> list[Path]:
    """Write the graphs by which a checkpoint runs without torch into its folder; they point into its weights.

    Raises:
        InputError: no checkpoint, one whose networks only torch runs, or onnx is not installed.
    """
    made = [(folder / f"{graph.name}.onnx", graph) for graph in graphs_of(folder)]
    for path, graph in made:
        with whole_file(path) as temporary:
            write_graph(graph, temporary, folder / "model.safetensors")
    return [path for path, _ in made]


def graphs_of(folder: Path) -> list[Graph]:
    """The graphs of the network in a checkpoint folder, under the names by which it is run.

    Raises:
        InputError: no checkpoint, or one whose networks only torch runs.
    """
    kind = read_config(folder).kind
    network: Any = open_model(folder, in_torch=True) if kind in KINDS else None
    match kind:
        case "speech_encoder" | "emotion_encoder":
            return [encoder_graph("encoder", network)]
        case "diarizer" if network.config.second_channels:
            graphs = [diarizer_graph("diarizer", network), voice_graph(network)]
            return [with_given_weights(graph) for graph in graphs]
        case "readout_decoder":
            layers = {"layers": torch.randn(2, 100, network.readout.config.channels)}
            return [Graph("readout", network.readout, layers, ["mouth"], ("frames", 1))]
        case "diarizer" if network.config.backbone is None and network.config.hidden_channels:
            streamed = diarizer_graph(NEWEST, network, newest=NEWEST_FRAMES)
            plain = diarizer_graph(UNENROLLED, network, enrolled=False)
            return [diarizer_graph("diarizer", network), streamed, plain, voice_graph(network)]
        case "decoder":
            return [decoder_graph(f"step_{frames}", network, frames) for frames in sorted({*RUN, *STEPS})]
        case "fine_emotions":
            rows = {"rows": torch.randn(2, network.config.inputs)}
            return [Graph("fine", MethodGraph(network, "curves"), rows, ["curves"])]
        case "burst_detector":
            return [frames_graph("bursts", network, network.inputs.in_features)]
        case "articulation":
            talking = phones_graph(TALKING, network, open_model(SPEECH).config.channels)
            return [frames_graph("articulation", network, network.config.hidden), talking]
        case "speakers":
            return speaker_graphs(network)
        case "landmarks":
            views, found = torch.randn(2, CHANNELS, *2 * (network.config.size,)), ["points", "spread", "face"]
            return [Graph("landmarks", LandmarksGraph(network), {"views": views}, found, simplified=False)]
    raise InputError(f"{folder}: torch alone runs this {kind}")


@torch.no_grad()
def write_graph(graph: Graph, path: Path, weights: Path) -> None:
    """Write a network as a graph that points into its weights.

    Args:
        graph: the network, its inputs and outputs.
        path: of the graph, in the folder of the weights.
        weights: the safetensors file that the network was read from.

    Raises:
        InputError: onnx is not installed.
    """
    with extra("train"):
        import onnx
        import onnxscript  # noqa: F401

    graph.network.eval()(*graph.inputs.values())  # tables are made and kept now, or they would be made of placeholders
    lengths: dict[str, Any] = {}
    shapes: list[dict[int, Any]] = []
    for name in graph.inputs:
        shapes.append({})
        for axis, (length, factor) in graph.free_axes(name).items():
            free = lengths.setdefault(length, Dim(length, min=1 if length == ITEMS else graph.fewest))
            shapes[-1][axis] = free if factor == 1 else factor * free
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.network,
            tuple(graph.inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=_as_declared(graph.network, shapes),
            optimize=graph.simplified,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for part in (model.graph, *model.graph.node):  # where in our code each node comes from, a third of a small file
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.graph.ClearField("value_info")
    point_to_weights(model, weights)
    store_weights(model, int8=False)
    onnx.save(model, path)


def _as_declared(network: torch.nn.Module, shapes: Sequence[Any]) -> tuple[Any, ...]:
    """Free axes in the form of a network's parameters: those of ``*rest`` are one tuple."""
    kinds = [parameter.kind for parameter in signature(network.forward).parameters.values()]
    named = sum(kind is Parameter.POSITIONAL_OR_KEYWORD for kind in kinds)
    return tuple(shapes) if named == len(kinds) else (*shapes[:named], tuple(shapes[named:]))
