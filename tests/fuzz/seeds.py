# ruff: noqa: E501
"""Small good files of every kind that is read, made by our own writers where there are any."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sedtalker.mesh.mesh import Mesh
from tests.fuzz.hostile import wav
from tests.support.cube import cube_face, cube_mesh
from tests.support.moving import moving_cube


def written(name: str, write: Callable[[Path], object]) -> bytes:
    """What a writer puts into a file of that name."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


# --- Sound.


@cache
def coded_sound(suffix: str, codec: str) -> bytes:
    """A quarter of a second of a tone, as FFmpeg codes it."""
    import av

    rate = 48_000 if codec == "libopus" else 16_000
    tone = (0.3 * np.sin(np.arange(rate // 4) * 0.05)).astype(np.float32)
    made = io.BytesIO()
    formats = {"m4a": "ipod", "wav": "wav"}
    with av.open(made, "w", format=formats.get(suffix, suffix)) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, "mono", rate)
        for piece in resampler.resample(frame):
            piece.pts = None
            fifo.write(piece)
        while part := fifo.read(stream.codec_context.frame_size or 1024, partial=True):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return made.getvalue()


def sounds() -> list[bytes]:
    """Every container that the messages name."""
    kinds = (
        ("wav", "pcm_s16le"), ("flac", "flac"), ("ogg", "libopus"), ("mp3", "libmp3lame"), ("m4a", "aac"), ("webm", "libopus"),
    )  # fmt: skip
    return [coded_sound(*kind) for kind in kinds] + [wav(), wav(2, 44_100, 24), wav(tag=3, bits=32)]


# --- Meshes and pictures.


def mesh_file(name: str) -> bytes:
    """The cube as OBJ, PLY or STL."""
    return written(name, cube_mesh().save)


def obj_with_materials() -> bytes:
    """The cube with a library of materials."""
    return b"mtllib good.mtl\nusemtl skin\n" + mesh_file("cube.obj")


def materials() -> bytes:
    """A library with a picture."""
    return b"newmtl skin\nKd 0.8 0.7 0.6\nd 0.9\nmap_Kd good.png\nnewmtl eyes\nKd 1 1 1\nmap_Kd -s 1 1 1 good.jpg\n"


@cache
def picture(kind: str) -> bytes:
    """A small picture."""
    from PIL import Image

    made = io.BytesIO()
    values = np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(values).save(made, kind)
    return made.getvalue()


def plain_ply() -> bytes:
    """A PLY as text, with a polygon of every property that is read."""
    return (
        b"ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
        b"property uchar red\nproperty uchar green\nproperty uchar blue\nproperty float s\nproperty float t\n"
        b"element face 2\nproperty list uchar int vertex_indices\nproperty list uchar float texcoord\nend_header\n"
        b"0 0 0 255 0 0 0 0\n1 0 0 0 255 0 1 0\n1 1 0 0 0 255 1 1\n0 1 1 9 9 9 0 1\n"
        b"3 0 1 2 6 0 0 1 0 1 1\n3 0 2 3 6 0 0 1 1 0 1\n"
    )


def plain_off() -> bytes:
    """An OFF with a quad, a triangle and a colour."""
    return b"OFF\n5 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n0 0 1\n4 0 1 2 3\n3 0 1 4 255 0 0\n"


def plain_stl() -> bytes:
    """An STL as text."""
    facet = "facet normal 0 0 1\nouter loop\nvertex 0 0 {}\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n"
    return f"solid x\n{facet.format(0)}{facet.format(1)}endsolid x\n".encode()


@cache
def glb() -> bytes:
    """An animated cube with morph targets and materials, as we export it."""
    return written("cube.glb", lambda path: moving_cube(4).export(path))


@cache
def gltf() -> bytes:
    """A glTF with everything inside: skin, sparse accessor, texture, normalised colours."""
    import base64

    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4").tobytes()
    uvs = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], "<f4").tobytes()
    indices = np.array([0, 1, 2, 2, 1, 3], "<u2").tobytes()
    joints = np.zeros((4, 4), "u1").tobytes()
    weights = np.tile(np.array([1, 0, 0, 0], "<f4"), (4, 1)).tobytes()
    colours = np.full((4, 4), 200, "u1").tobytes()
    matrices = np.eye(4, dtype="<f4").tobytes()
    sparse = np.array([1, 3], "<u2").tobytes() + np.ones((2, 3), "<f4").tobytes()
    parts = [positions, uvs, indices, joints, weights, colours, matrices, sparse, picture("PNG")]
    body, views = b"", []
    for part in parts:
        views.append({"buffer": 0, "byteOffset": len(body), "byteLength": len(part)})
        body += part + b"\0" * (-len(part) % 4)
    held = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [
            {"mesh": 0, "skin": 0, "name": "face", "scale": [1, 2, 1], "rotation": [0, 0, 0, 1]},
            {"name": "joint", "translation": [0, 1, 0], "children": [2]},
            {"matrix": np.eye(4).reshape(-1).tolist()},
        ],
        "skins": [{"joints": [1], "inverseBindMatrices": 6}],
        "meshes": [
            {
                "primitives": [
                    {
                        "attributes": {"POSITION": 0, "TEXCOORD_0": 1, "JOINTS_0": 3, "WEIGHTS_0": 4, "COLOR_0": 5},
                        "indices": 2,
                        "material": 0,
                        "mode": 4,
                        "targets": [{"POSITION": 7}],
                    }
                ],
                "extras": {"targetNames": ["jawOpen"]},
            }
        ],
        "materials": [
            {"name": "m", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "baseColorFactor": [1, 1, 1, 1]}}
        ],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 8, "mimeType": "image/png"}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5126, "count": 4, "type": "VEC2"},
            {"bufferView": 2, "componentType": 5123, "count": 6, "type": "SCALAR"},
            {"bufferView": 3, "componentType": 5121, "count": 4, "type": "VEC4"},
            {"bufferView": 4, "componentType": 5126, "count": 4, "type": "VEC4"},
            {"bufferView": 5, "componentType": 5121, "count": 4, "type": "VEC4", "normalized": True},
            {"bufferView": 6, "componentType": 5126, "count": 1, "type": "MAT4"},
            {
                "componentType": 5126,
                "count": 4,
                "type": "VEC3",
                "sparse": {
                    "count": 2,
                    "indices": {"bufferView": 7, "componentType": 5123},
                    "values": {"bufferView": 7, "byteOffset": 4},
                },
            },
        ],
        "bufferViews": views,
        "buffers": [
            {"byteLength": len(body), "uri": "data:application/octet-stream;base64," + base64.b64encode(body).decode()}
        ],
    }
    return json.dumps(held).encode()


def usda() -> bytes:
    """A USD layer as text: two prims, a subset, coordinates, colours and a blend shape."""
    return b"""#usda 1.0
(
    defaultPrim = "head"
)
def Xform "head" {
    def Mesh "face" (
        prepend apiSchemas = ["SkelBindingAPI"]
    ) {
        point3f[] points = [(0,0,0),(1,0,0),(1,1,0),(0,1,0)]
        int[] faceVertexCounts = [4]
        int[] faceVertexIndices = [0,1,2,3]
        texCoord2f[] primvars:st = [(0,0),(1,0),(1,1),(0,1)] (
            interpolation = "faceVarying"
        )
        color3f[] primvars:displayColor = [(1,0,0)]
        uniform token[] skel:blendShapes = ["jawOpen"]
        rel skel:blendShapeTargets = </head/face/jawOpen>
        double3 xformOp:translate = (0, 1, 0)
        uniform token[] xformOpOrder = ["xformOp:translate"]
        def BlendShape "jawOpen" {
            uniform vector3f[] offsets = [(0,-1,0)]
            uniform int[] pointIndices = [0]
        }
        def GeomSubset "part" {
            uniform token elementType = "face"
            int[] indices = [0]
        }
    }
}
"""


@cache
def usdc() -> bytes:
    """The same in binary."""
    from pxr import Sdf

    def convert(path: Path) -> None:
        layer = Sdf.Layer.CreateAnonymous(".usda")
        layer.ImportFromString(usda().decode())
        layer.Export(str(path))

    return written("face.usdc", convert)


# --- Our own archives.


@cache
def animation() -> bytes:
    """An animation of the cube."""
    return written("cube.npz", moving_cube(6).save)


@cache
def sedface() -> bytes:
    """The cube as a face."""
    return written("cube.sedface", cube_face().save)


@cache
def registration_entry() -> bytes:
    """What the registration keeps of a face that it has fitted."""
    from sedtalker.face.face import RegistrationReport
    from sedtalker.face.registration.register import store_entry

    values: dict[str, Any] = {}
    samples = {"float": 0.5, "int": 3, "str": "x", "bool": True, "float | None": 0.1, "str | None": None}
    for name, kind in RegistrationReport.__annotations__.items():
        values[name] = samples.get(str(kind), ())
    values |= {"rotation": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), "components": (("face", 8),)}
    values |= {"eyes_found": (True, False), "eyeballs": (True, True), "translation": (0.0, 0.1, 0.0)}
    values |= {"gains": {}, "raised": {}}
    return written("entry.npz", lambda path: store_entry(path, cube_face(), RegistrationReport(**values)))


@cache
def rig() -> bytes:
    """A rig of the cube's vertices."""
    held = io.BytesIO()
    names = np.array(["jawOpen", "mouthClose", "jawLeft", "mouthFunnel"])
    deltas = np.random.default_rng(0).normal(size=(4, 8, 3)).astype(np.float32)
    np.savez(held, neutral=cube_mesh().vertices, expression_names=names, expression_deltas=deltas)
    return held.getvalue()


# --- Weights.


@cache
def checkpoint() -> tuple[bytes, bytes]:
    """Configuration and weights of a very small decoder."""
    import torch

    from sedtalker.animation.decoder import DecoderConfig
    from sedtalker.animation.decoder_network import Decoder
    from sedtalker.checkpoint import CheckpointConfig, write_checkpoint

    torch.manual_seed(0)
    small = DecoderConfig(hidden=4, width=8, condition=4, layout="MA", d_state=2, heads=2, radius=2)
    config = CheckpointConfig(
        kind="decoder", licence="Apache-2.0", trained_on=[], encoder_sha256=None, model=small.model_dump()
    )
    with TemporaryDirectory() as folder:
        place = Path(folder) / "c"
        write_checkpoint(place, config, Decoder(small).state_dict(), "# card\n")
        return (place / "config.json").read_bytes(), (place / "model.safetensors").read_bytes()


@cache
def foreign_weights(old: bool) -> bytes:
    """Weights as other programs save them."""
    import torch

    made = io.BytesIO()
    held = {"state_dict": {"module.w": torch.zeros(2, 3), "module.b": torch.ones(3, dtype=torch.int64)}, "epoch": 3}
    torch.save(held, made, _use_new_zipfile_serialization=not old)
    return made.getvalue()


# --- Tracks, projects and other text.


@cache
def track(suffix: str) -> bytes:
    """A short track in one of the formats."""
    from sedtalker.emotion.formats import densify
    from sedtalker.emotion.track import Segment

    made = densify([Segment(0.0, 0.3, "happy", 0.5, 0.9), Segment(0.3, 0.6, "sad", 0.7, 1.0)], 0.6)
    return written(f"track{suffix}", made.save)


def conversation() -> bytes:
    """Two speakers, half a second each."""
    from sedtalker.audio import Audio
    from sedtalker.emotion.conversation import Conversation
    from sedtalker.emotion.formats import densify
    from sedtalker.emotion.track import Segment
    from sedtalker.speakers.separation import Speakers
    from sedtalker.speakers.turns import Turn, Turns

    sound = Audio(np.zeros(16_000, np.float32))
    turns = Turns((Turn(0.0, 0.5, "ann"), Turn(0.4, 0.9, "bob")), 1.0)
    tracks = {name: densify([Segment(0.1, 0.9, "happy", 0.5, 0.9)], 1.0) for name in turns.speakers}
    made = Conversation(Speakers(sound, turns, dict.fromkeys(turns.speakers, sound)), tracks)
    return written("a.conversation.json", made.save)


def project(*, speakers: bool = False) -> bytes:
    """A project with a recording, of two speakers or as a whole, and a mesh, which the target lays beside it."""
    from sedtalker.emotion.formats import densify
    from sedtalker.emotion.track import Segment
    from sedtalker.speakers.turns import Turn, Turns
    from sedtalker.studio.document import Base
    from sedtalker.studio.project import Project, write_project

    made = densify([Segment(0.0, 0.3, "happy", 0.5, 0.9)], 0.6)
    with TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "a.wav").write_bytes(wav())
        (here / "a.obj").write_bytes(mesh_file("a.obj"))
        held = Project(here / "a.wav", here / "a.obj", None, made, Base(made, 0.6).document(), np.zeros((68, 3)))
        if speakers:
            turns = Turns((Turn(0.0, 0.3, "ann"), Turn(0.2, 0.5, "bob")), 0.6, ("ann", "bob"))
            other = replace(held, name="bob", turns=turns, channel=1)
            held = replace(held, name="ann", turns=turns, others=(other,))
        write_project(here / "p.sedproject", held)
        return (here / "p.sedproject").read_bytes()


def landmarks() -> list[bytes]:
    """Landmarks of the built-in face by number and by name."""
    from sedtalker.face import Face
    from sedtalker.face.given_landmarks import NAMES

    head = Face.builtin()
    points = head.mesh.vertices[head.landmarks].astype(float).tolist()
    named = {name: points[index] for name, index in NAMES.items()}
    points[3] = None
    return [json.dumps({"landmarks": points}).encode(), json.dumps({"face": {"landmarks": named}}).encode()]


def arkit_csv() -> bytes:
    """Weights as Live Link Face writes them."""
    return written("cube.arkit.csv", lambda path: moving_cube(4, face=_arkit_face()).export(path))


@cache
def _arkit_face() -> Any:
    from dataclasses import replace

    from sedtalker.face.arkit import ARKIT_52

    face = cube_face()
    basis = np.zeros((len(ARKIT_52), len(face.mesh.vertices), 3), np.float32)
    return replace(face, shapes=ARKIT_52, basis=basis, correctives=())


def cube_for_rigs() -> Mesh:
    """The mesh that rigs are read on."""
    return cube_mesh()
