"""A client of Audio2Face-3D: NVIDIA's own stubs where they are installed, else messages of our table."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.export.formats import export
from sedtalker.face.arkit import ARKIT_52
from tests.server.conftest import TOKEN, running

grpc = pytest.importorskip("grpc")
ace = pytest.importorskip("sedtalker.server.ace")
ace_messages = pytest.importorskip("sedtalker.server.ace_messages")

METADATA = (("authorization", f"Bearer {TOKEN}"),)


def nvidia_stubs() -> SimpleNamespace | None:
    """Messages and stubs of NVIDIA's packages, None where these are not installed."""
    try:
        names = ("nvidia_audio2face_3d", "nvidia_audio2face_3d_authoring")
        files = [importlib.import_module(f"{name}.messages_pb2") for name in names]
        files += [importlib.import_module(f"nvidia_ace.{name}_pb2") for name in ("audio", "animation", "status")]
        services = importlib.import_module("nvidia_audio2face_3d.audio2face_pb2_grpc")
        authoring = importlib.import_module("nvidia_audio2face_3d_authoring.audio2face_3d_authoring_pb2_grpc")
    except ImportError:
        return None
    messages = {name: cls for file in files for name, cls in vars(file).items() if isinstance(cls, type)}
    messages["EndOfAudio"] = messages["AudioWithEmotionStream"].EndOfAudio
    return SimpleNamespace(
        messages=messages,
        controller=services.A2FControllerServiceStub,
        authoring=authoring.A2FAuthoringServiceStub,
    )


class OwnStub:
    """Calls with the messages of our table."""

    def __init__(self, channel: Any):
        m = ace_messages.MESSAGES
        pack = lambda message: message.SerializeToString()  # noqa: E731
        self.ProcessAudioStream = channel.stream_stream(
            f"/{ace.CONTROLLER}/ProcessAudioStream", pack, m["A2F3DAnimationDataStream"].FromString
        )
        self.UploadAudioClip = channel.unary_unary(
            f"/{ace.AUTHORING}/UploadAudioClip", pack, m["AudioClipHandle"].FromString
        )
        self.GetAvatarFacePose = channel.unary_unary(
            f"/{ace.AUTHORING}/GetAvatarFacePose", pack, m["BlendShapeData"].FromString
        )


STUBS = nvidia_stubs()
M = ace_messages.MESSAGES if STUBS is None else STUBS.messages
"""The messages of the client."""


class Client:
    """A client of one server."""

    def __init__(self, server: Any, metadata: Any = METADATA):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
        self.metadata = metadata
        self.controller = (OwnStub if STUBS is None else STUBS.controller)(self.channel)
        self.authoring = (OwnStub if STUBS is None else STUBS.authoring)(self.channel)

    def stream(self, messages: Iterable[Any]) -> list[Any]:
        return list(self.controller.ProcessAudioStream(iter(messages), metadata=self.metadata, timeout=60))

    def refused(self, messages: Iterable[Any]) -> tuple[Any, str]:
        """Status code and line of a stream that is refused."""
        with pytest.raises(grpc.RpcError) as error:
            self.stream(messages)
        assert "\n" not in error.value.details()
        return error.value.code(), error.value.details()


@pytest.fixture(scope="module")
def server(models) -> Iterator[Any]:
    with running(models, grpc=True) as made:
        yield made


@pytest.fixture(scope="module")
def client(server) -> Client:
    return Client(server)


def audio_header(rate: int = 16_000, **other: Any) -> Any:
    fields = {"audio_format": 0, "channel_count": 1, "samples_per_second": rate, "bits_per_sample": 16} | other
    return M["AudioHeader"](**fields)


def header(audio: Any = None, **parts: Any) -> Any:
    held = M["AudioWithEmotionStreamHeader"](audio_header=audio or audio_header(), **parts)
    return M["AudioWithEmotionStream"](audio_stream_header=held)


def spoken(data: bytes, *emotions: tuple[float, dict[str, float]]) -> Any:
    at = [M["EmotionWithTimeCode"](time_code=time, emotion=emotion) for time, emotion in emotions]
    return M["AudioWithEmotionStream"](audio_with_emotion=M["AudioWithEmotion"](audio_buffer=data, emotions=at))


def faced(parameters: dict[str, float]) -> Any:
    return header(face_params=M["FaceParameters"](float_params=parameters))


def shaped(**parameters: Any) -> Any:
    return header(blendshape_params=M["BlendShapeParameters"](**parameters))


END = M["AudioWithEmotionStream"](end_of_audio=M["EndOfAudio"]())
CONTRAST = M["EmotionPostProcessingParameters"]
OK = grpc.StatusCode.OK
INVALID, FULL = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED


def frames(messages: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Time codes (T,) and weights (T, 52)."""
    keys = [k for m in messages for k in m.animation_data.skel_animation.blend_shape_weights]
    return np.array([k.time_code for k in keys]), np.array([list(k.values) for k in keys])


def glb_weights(animation: Animation, path: Any) -> tuple[np.ndarray, np.ndarray]:
    """Times and weights (T, 52) of an animation as its GLB holds them."""
    pygltflib = pytest.importorskip("pygltflib")
    export(animation, path, "glb", targets="all")
    file = pygltflib.GLTF2().load(str(path))

    def values(number: int) -> np.ndarray:
        accessor = file.accessors[number]
        view = file.bufferViews[accessor.bufferView]
        begin = (view.byteOffset or 0) + (accessor.byteOffset or 0)
        kind = {5126: "<f4", 5121: "u1", 5123: "<u2"}[accessor.componentType]
        found = np.frombuffer(file.binary_blob(), kind, accessor.count, begin).astype(np.float64)
        return found / {5126: 1, 5121: 255, 5123: 65535}[accessor.componentType]

    channel = next(c for a in file.animations for c in a.channels if c.target.path == "weights")
    sampler = file.animations[0].samplers[channel.sampler]
    mesh = file.meshes[file.nodes[channel.target.node].mesh]
    names, times = mesh.extras["targetNames"], values(sampler.input)
    weights = values(sampler.output).reshape(len(times), -1)
    return times, weights[:, [names.index(name) for name in ARKIT_52]]
