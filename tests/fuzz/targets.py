# ruff: noqa: E501
"""Every reader of the product: good inputs, ways to spoil them, and what is done with what comes out.

A target reads bytes as the product would, from a file in the working folder where the product reads files, and then uses
what it got as the commands do. It returns (accepted), raises ``InputError`` (refused), or has found a fault.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.errors import InputError
from tests.fuzz import hostile, mutation, seeds
from tests.fuzz.mutation import Mutator

BYTES: tuple[Mutator, ...] = (mutation.change_bytes,)
TEXT: tuple[Mutator, ...] = (mutation.change_text, mutation.change_text, mutation.change_bytes)
JSON: tuple[Mutator, ...] = (
    mutation.change_json,
    mutation.change_json,
    mutation.change_json,
    mutation.change_text,
    mutation.change_bytes,
)
NPZ: tuple[Mutator, ...] = (mutation.change_npz, mutation.change_npz, mutation.change_npz, mutation.change_bytes)


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: for reports.
        good: inputs that are read.
        read: reads one and uses it.
        mutators: how good inputs are spoilt.
        hostile: further inputs, each tried as it is.
        share: of the time, against the other targets.
    """

    name: str
    good: Callable[[], Sequence[bytes]]
    read: Callable[[bytes], object]
    mutators: tuple[Mutator, ...] = BYTES
    hostile: Callable[[], Iterable[bytes]] = field(default=tuple)
    share: float = 1.0


def _file(name: str, data: bytes) -> Path:
    path = Path(name)
    path.write_bytes(data)
    return path


# --- Sound.


def _audio(data: bytes) -> None:
    from sedtalker.audio import load_audio

    audio = load_audio(_file("input.wav", data))
    assert np.isfinite(audio.samples).all(), "samples that are not numbers"
    assert np.abs(audio.samples).max() <= 1.0, "samples beyond full scale"


def _pipe(data: bytes) -> None:
    from sedtalker.audio.pipe import pipe_samples

    for piece in pipe_samples(io.BytesIO(data)):  # type: ignore[arg-type]
        assert np.isfinite(piece).all(), "samples that are not numbers"


def _sent_sound(data: bytes) -> None:
    from sedtalker.server.streams import Sound

    sound = Sound("f32le" if data[:1] < b"\x80" else "s16le", 16_000 if data[1:2] < b"\x80" else 44_100)
    for start in range(0, len(data), 999):
        assert np.isfinite(sound.push(data[start : start + 999])).all(), "samples that are not numbers"
    assert np.isfinite(sound.flush()).all(), "samples that are not numbers"


# --- Tracks and words.


def _track(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.emotion.formats.files import read_track, track_formats

        path = _file(f"input{suffix}", data)
        for duration in (None, 0.6):
            track = read_track(path, duration)
            assert np.isfinite(track.posterior).all(), "a posterior that is not numbers"
            track.at(np.linspace(0.0, 1.0, 7))
            for row in track_formats().values() if len(track) < 10_000 else ():
                row.write(track, "name")

    return read


def _words(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.studio.words import read_words

        for word in read_words(data, f"words{suffix}"):
            assert 0.0 <= word.start <= word.end < float("inf")

    return read


def _emotion_option(data: bytes) -> None:
    from sedtalker.emotion.formats.files import parse_emotion

    parse_emotion(_option(data), 0.6)


def _option(data: bytes) -> str:
    """Text as it comes from a command line: no NUL, but any other byte."""
    return data.replace(b"\0", b"")[:100_000].decode("utf-8", "surrogateescape")


# --- Meshes and pictures.


def _mesh(name: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.mesh.files import read_scene
        from sedtalker.mesh.mesh import vertex_normals

        scene = read_scene(_file(name, data))
        mesh = scene.mesh
        assert mesh.polygon_vertices.min() >= 0
        assert mesh.polygon_vertices.max() < len(mesh.vertices)
        assert int(mesh.polygon_sizes.sum()) == len(mesh.polygon_vertices)
        if mesh.polygon_uvs is not None:
            assert mesh.uvs is not None
            assert mesh.polygon_uvs.max(initial=-1) < len(mesh.uvs)
        assert scene.targets.shape == (len(scene.target_names), *mesh.vertices.shape)
        with np.errstate(all="ignore"):
            vertex_normals(mesh.vertices, mesh.triangles)

    return read


def _materials(data: bytes) -> None:
    _file("good.mtl", data)
    _file("good.png", seeds.picture("PNG"))
    _mesh("input.obj")(seeds.obj_with_materials())


def _obj_with_links(data: bytes) -> None:
    loop = Path("loop.mtl")
    if not loop.is_symlink():
        loop.symlink_to("loop.mtl")
    _mesh("input.obj")(data)


def _picture(data: bytes) -> None:
    from sedtalker.mesh.mesh import kept_picture, sample_image
    from sedtalker.render.picture import read_background

    kept_picture(data)
    with suppress(ValueError):
        sample_image(data, np.array([[0.5, 0.5], [np.nan, np.inf], [1e30, -1e30]]))
    _file("input.png", data)
    read_background("input.png")


# --- Our own archives.


def _animation(data: bytes) -> None:
    from sedtalker.animation.animation import Animation

    animation = Animation.load(_file("input.npz", data))
    if len(animation) > 2000 or len(animation.face.mesh.vertices) > 5000:
        return
    animation.face.deform(animation.coefficients[:2])
    animation.save("again.npz")
    animation.export("again.glb", targets="all")
    animation.render("again.png", size=64, at=0.0, backend="numba")


def _sedface(data: bytes) -> None:
    from sedtalker.face import Face

    face = Face.load(_file("input.sedface", data))
    face.save("again.sedface")


def _entry(data: bytes) -> None:
    from sedtalker.face.registration.register import load_entry
    from tests.support.cube import cube_mesh

    load_entry(_file("entry.npz", data), cube_mesh(), "cube")


def _rig(name: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.face.arkit import ARKIT_52
        from sedtalker.face.blend_shapes import read_rig

        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        if path.suffix == ".obj":
            good = seeds.mesh_file("cube.obj")
            for other in ("neutral", "mouthClose", "mouthFunnel", "jawLeft"):
                (path.parent / f"{other}.obj").write_bytes(good)
        read_rig(path.parent if path.suffix == ".obj" else path, seeds.cube_for_rigs(), ARKIT_52)

    return read


# --- Weights.


def _checkpoint(part: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.animation.pretrained import load_decoder
        from sedtalker.checkpoint import is_checkpoint, read_config, weights_sha256
        from sedtalker.emotion.inference import load_diarizer
        from sedtalker.face.landmarks import load_detector

        folder = Path("checkpoint")
        folder.mkdir(exist_ok=True)
        config, weights = seeds.checkpoint()
        (folder / "config.json").write_bytes(data if part == "config" else config)
        (folder / "model.safetensors").write_bytes(data if part == "weights" else weights)
        is_checkpoint(folder)
        weights_sha256(folder)
        kind = read_config(folder).kind
        loaders: dict[str, Callable[[Path], object]] = {"landmarks": load_detector, "diarizer": load_diarizer}
        loaders.get(kind, load_decoder)(folder)

    return read


def _foreign(data: bytes) -> None:
    from sedtalker.checkpoint import convert_weights

    convert_weights(_file("input.pth", data), Path("again.safetensors"))


def _array_pickle(data: bytes) -> None:
    from sedtalker.training.corpora.array_pickles import read_array_pickle

    read_array_pickle(_file("templates.pkl", data))


# --- Small files of options.


def _landmarks(data: bytes) -> None:
    from sedtalker.face.given_landmarks import read_landmarks

    read_landmarks(_file("input.json", data), _head().mesh, _reference())


@cache
def _head() -> Any:
    from sedtalker.face import Face

    return Face.builtin()


@cache
def _reference() -> Any:
    head = _head()
    return head.mesh.vertices[head.landmarks].astype(np.float64)


def _camera(data: bytes) -> None:
    from sedtalker.render.picture import viewpoint
    from tests.support.cube import cube_mesh

    _file("camera.json", data)
    camera = viewpoint("camera.json").of(cube_mesh())
    with np.errstate(all="ignore"):
        camera.projection(1.5)


def _light(data: bytes) -> None:
    from sedtalker.render.light import load_lighting

    _file("light.json", data)
    load_lighting.cache_clear()
    load_lighting("light.json")


def _style(data: bytes) -> None:
    from sedtalker.animation.style import read_style

    read_style(_file("style.json", data))


def _coordinates(data: bytes) -> None:
    from sedtalker.emotion.taxonomy import read_coordinates

    read_coordinates(_file("coordinates.json", data))


def _preset(data: bytes) -> None:
    import typer
    from typer.main import get_command

    from sedtalker.cli.main import app
    from sedtalker.cli.options import read_preset

    _file("a.wav", b"RIFF")
    command = get_command(app).commands["animate"]  # type: ignore[attr-defined]
    context = command.make_context("animate", [], resilient_parsing=True)
    try:
        read_preset(context, _file("preset.json", data))
        command.make_context("animate", ["a.wav", "--preset", "preset.json"])
    except typer.BadParameter as error:
        raise InputError(str(error)) from None
    except Exception as error:  # click's own, which become one line and exit 2
        if not hasattr(error, "exit_code"):
            raise
        raise InputError(getattr(error, "message", str(error))) from None


def _text_options(data: bytes) -> None:
    """Options of a recording that are text."""
    from sedtalker.batch.settings import parse_settings

    text = _option(data)
    name, _, value = text.partition("=")
    parse_settings({name: value}).check()


def _settings(data: bytes) -> None:
    from sedtalker.batch.settings import parse_settings

    held = _json(data)
    settings = parse_settings(held)
    settings.check()
    settings.suffixes()
    settings.fingerprint()


def _json(data: bytes) -> Any:
    """Plain data, as our own readers give it."""
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError("not JSON") from None
    if not isinstance(held, dict):
        raise InputError("no object")
    return held


def _addresses(data: bytes) -> None:
    from sedtalker.live.addresses import parse_targets

    parse_targets([_option(data)])


def _arkit(data: bytes) -> None:
    from sedtalker.export.arkit import read_arkit_csv

    read_arkit_csv(_file("input.csv", data))


# --- Batches.


def _manifest(name: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.batch.inputs import find_items
        from sedtalker.batch.settings import Settings

        _file("a.wav", b"RIFF")
        _file("b.wav", b"RIFF")
        for item in find_items([_file(name, data)], Path("out"), Settings(), columns=["speaker"]):
            assert Path("out", item.name).resolve().is_relative_to(Path("out").resolve()), "results elsewhere"

    return read


def _log(data: bytes) -> None:
    from sedtalker.batch.log import read_logs

    folder = Path("logs")
    folder.mkdir(exist_ok=True)
    (folder / "batch.jsonl").write_bytes(data)
    read_logs(folder)


def _log_seed() -> list[bytes]:
    row = {
        "name": "a",
        "audio": "/x/a.wav",
        "time": "2026-01-01T00:00:00",
        "status": "done",
        "seconds": 1.5,
        "results": [],
    }
    return [(json.dumps(row) + "\n").encode() * 2]


# --- Projects and the studio.


def _project(data: bytes) -> None:
    from sedtalker.studio.project import project_text, read_project

    _file("a.wav", hostile.wav())
    _file("a.obj", seeds.mesh_file("a.obj"))
    project = read_project(_file("p.sedproject", data))
    project.rendered.segments()
    project_text(project, str)


def _edits(data: bytes) -> None:
    from sedtalker.studio.document import as_plain, from_plain
    from sedtalker.studio.edits import History, parse_edit

    base = _base()
    history = History(base.document())
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError("not JSON") from None
    refused: InputError | None = None
    for values in given if isinstance(given, list) else [given]:
        if not isinstance(values, dict):
            continue
        try:
            history.edit(base, parse_edit(values), "drag")
        except InputError as error:
            refused = error
    track = base.render(history.present)
    assert np.isfinite(track.posterior).all()
    assert np.isfinite(track.intensity).all()
    from_plain(as_plain(history.present), base.document().duration)
    if refused is not None:
        raise refused


@cache
def _base() -> Any:
    from sedtalker.studio.document import Base
    from tests.studio.conftest import made_track

    return Base(made_track(), 4.0)


def _edit_seeds() -> list[bytes]:
    edits: list[dict[str, Any]] = [
        {"op": "split", "t": 1.5}, {"op": "merge", "index": 1}, {"op": "move_edge", "index": 0, "t": 1.2},
        {"op": "move_segment", "index": 1, "delta": -0.2}, {"op": "relabel", "index": 2, "label": "fear"},
        {"op": "set_intensity", "points": [[0.1, 0.5], [0.9, 1.0], [1.5, 0.0]]}, {"op": "reset", "index": 0}, {"op": "reset"},
        {"op": "settings", "intensity": 1.5, "style": "clear", "shapes": {"jawOpen": 1.2}, "seed": 3, "fps": 60},
    ]  # fmt: skip
    return [json.dumps(edits).encode(), *(json.dumps(edit).encode() for edit in edits)]


def _export_request(data: bytes) -> None:
    from sedtalker.studio.exports import parse_request

    parse_request(_json(data))


def _upload_name(data: bytes) -> None:
    from sedtalker.studio.uploads import plain_name

    name = plain_name(_option(data))
    assert name not in ("", ".", ".."), name
    assert "/" not in name
    assert "\\" not in name
    assert len(name.encode("utf-8", "surrogateescape")) <= 255, "a name that is too long for a file"
    Path(name).write_bytes(b"")
    Path(name).unlink()


# --- The server, the network.


def _hello(data: bytes) -> None:
    from sedtalker.server.options import StreamHello, parsed
    from sedtalker.server.streams import Reply, _is_end

    text = data.decode("utf-8", "replace")
    _is_end(text)
    hello = parsed(StreamHello, text, "hello")
    settings = hello.settings()
    json.dumps(Reply(hello).header(settings))


def _server_options(data: bytes) -> None:
    from sedtalker.server.options import AnimateOptions, DiarizeOptions, parsed

    text = data.decode("utf-8", "surrogateescape")
    with suppress(InputError):
        parsed(DiarizeOptions, text, "options")
    options = parsed(AnimateOptions, text, "options")
    options.check()
    options.track(0.6)
    for suffix in options.suffixes().values():
        assert "/" not in suffix


def _access(data: bytes) -> None:
    import asyncio

    from sedtalker.server.access import Access
    from sedtalker.studio.security import Guard

    lines = data.split(b"\n")
    headers = [tuple(line.split(b": ", 1)) for line in lines if b": " in line]
    path = "/" + lines[0].decode("latin-1")
    reached = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        json.dumps(message, default=lambda held: held.decode("latin-1"))

    for kind in ("http", "websocket"):
        offered = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
        scope = {"type": kind, "path": path, "headers": headers, "method": "GET", "subprotocols": ["bearer", *offered]}
        for guard in (Access(app, "secret", "127.0.0.1", 80), Guard(app, "secret", 80)):
            asyncio.run(guard(dict(scope), receive, send))
    allowed = b"secret" in data or path in ("/", "/v1/health", "/openapi.json")
    assert allowed or not reached, "let in without the token"


def _handshake(data: bytes) -> None:
    from sedtalker.live.ifacialmocap import IFacialMocapSender

    class Waiting:
        """A socket on which packets wait."""

        def __init__(self) -> None:
            self.waiting = [data[k : k + 256] for k in range(0, min(len(data), 4096), 256)]

        def recvfrom(self, most: int) -> tuple[bytes, tuple[str, int]]:
            if not self.waiting:
                raise BlockingIOError
            return self.waiting.pop(0), ("127.0.0.1", 5)

        def getsockname(self) -> tuple[str, int]:
            return "0.0.0.0", 49983

    sender = IFacialMocapSender.__new__(IFacialMocapSender)
    sender.receivers, sender.port = {}, 49983
    sender._answer(Waiting())  # type: ignore[arg-type]
    assert len(sender.receivers) <= 8


# --- Training.


def _training_options(data: bytes) -> None:
    from sedtalker.training.run import RunConfig, compose
    from sedtalker.training.task import naming_settings

    overrides = [line for line in _option(data).split("\n") if line]
    with naming_settings():
        RunConfig.model_validate(compose(overrides))


def _corpus_table(data: bytes) -> None:
    from sedtalker.training.corpora.manifest import read_manifest

    Path("audio").mkdir(exist_ok=True)
    _file("audio/manifest.csv", data)
    read_manifest(Path())


def _corpus_seed() -> list[bytes]:
    from sedtalker.training.corpora.manifest import COLUMNS

    return [(",".join(COLUMNS) + "\n" + ",".join("1" for _ in COLUMNS) + "\n").encode()]


def _pickles() -> list[bytes]:
    import pickle

    held = {"neutral": np.zeros((4, 3), np.float32), "lips": np.arange(4)}
    return [pickle.dumps(held, protocol=protocol) for protocol in (0, 2, 4)]


def _hostile_pickles() -> Iterator[bytes]:
    yield b"cos\nsystem\n(S'true'\ntR."
    yield b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR."
    yield b"(" * 100_000
    yield b"]" + b"2" * 60 + b"."
    yield b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"


# --- The table.


def _texts(*lines: str) -> Callable[[], list[bytes]]:
    return lambda: [line.encode() for line in lines]


def _and_any(*more: Callable[[], Iterable[bytes]]) -> Callable[[], Iterator[bytes]]:
    """Hostile inputs of some kinds, and those for every reader."""

    def inputs() -> Iterator[bytes]:
        yield from hostile.any_bytes()
        for kind in more:
            yield from kind()

    return inputs


def _long(suffix: str) -> Callable[[], list[bytes]]:
    return lambda: [held for key, held in hostile.long_tables().items() if key == suffix]


HELLO = '{"rate": 44100, "format": "f32le", "reply": "binary", "shapes": ["jawOpen"], "emotion": "happy:0.8", "fps": 30, "look_ahead": 0.3, "hop": 0.16, "gain": {"brows": 1.2}, "style": "clear"}'
ANIMATE = '{"to": ["glb", "track"], "emotion": [{"start": 0, "end": 0.5, "label": "happy", "intensity": 0.5}], "fps": 30, "light": "studio", "style": "articulation=0.5", "gain": {"jawOpen": 0.5}}'
SETTINGS = '{"emotion": "happy:0.8", "style": "clear", "gain": "brows=1.2", "fps": 25, "size": "640x480", "camera": "left", "background": "#88aacc", "to": "glb;usd", "light": "soft", "seed": 3, "only": ["npz"]}'
WHISPER = '{"segments": [{"start": 0, "end": 1, "text": "a b", "words": [{"start": 0, "end": 0.5, "word": "a"}]}]}'

TARGETS = (
    Target("sound", seeds.sounds, _audio, (mutation.change_wav, *BYTES), _and_any(hostile.sounds), 2.0),
    Target("sound from a pipe", lambda: [hostile.wav(), hostile.wav(tag=3, bits=32)], _pipe, (mutation.change_wav, *BYTES), _and_any(hostile.sounds)),
    Target("sound from a client", lambda: [hostile.wav()], _sent_sound, BYTES, _and_any(hostile.sounds), 0.3),
    *(
        Target(f"track {suffix}", lambda suffix=suffix: [seeds.track(suffix)], _track(suffix), JSON if suffix.endswith("json") else TEXT, _and_any(more, _long(suffix)))
        for suffix, more in (
            (".json", hostile.json_text), (".keys.json", hostile.json_text), (".csv", hostile.tables), (".txt", hostile.tables),
            (".textgrid", hostile.textgrid), (".rttm", hostile.tables),
        )
    ),
    Target("track list", _texts('[{"start": 0, "end": 0.5, "label": "happy", "intensity": 0.5}]', '{"duration": 1, "segments": [{"start": 0, "end": 1, "label": "sad"}]}'), _track(".json"), JSON),
    Target("emotion option", _texts("happy:0.8", "joy", "track.csv"), _emotion_option, TEXT, _and_any(), 0.5),
    Target("words .vtt", _texts("WEBVTT\n\n00:00.000 --> 00:01.500\n<00:00.500>a <c>b</c>\n"), _words(".vtt"), TEXT, _and_any(_long(".vtt")), 0.5),
    Target("words .srt", _texts("1\n00:00:00,000 --> 00:00:01,000\na b\n\n2\n00:00:01,000 --> 00:00:02,000\nc\n"), _words(".srt"), TEXT, _and_any(_long(".srt")), 0.5),
    Target("words .textgrid", lambda: [seeds.track(".textgrid")], _words(".textgrid"), TEXT, _and_any(hostile.textgrid), 0.5),
    Target("words .ctm", _texts("a 1 0.1 0.5 word 0.9\n;; x\na 1 0.7 0.5 other\n"), _words(".ctm"), TEXT, _and_any(_long(".ctm")), 0.5),
    Target("words .json", _texts(WHISPER, '{"word_segments": [{"start": 0, "end": 1, "word": "a"}]}', '{"chunks": [{"timestamp": [0, null], "text": "a"}]}', '{"transcription": [{"offsets": {"from": 0, "to": 900}, "text": "a"}]}'), _words(".json"), JSON, _and_any(hostile.json_text)),
    Target("mesh .obj", lambda: [seeds.mesh_file("a.obj"), seeds.obj_with_materials()], _obj_with_links, TEXT, _and_any(hostile.obj), 1.5),
    Target("materials .mtl", lambda: [seeds.materials()], _materials, TEXT, _and_any()),
    Target("pictures", lambda: [seeds.picture(kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")], _picture, (mutation.change_png, *BYTES), _and_any()),
    Target("mesh .ply", lambda: [seeds.mesh_file("a.ply"), seeds.plain_ply()], _mesh("input.ply"), (mutation.change_bytes, mutation.change_text), _and_any(hostile.ply), 1.5),
    Target("mesh .stl", lambda: [seeds.mesh_file("a.stl"), seeds.plain_stl()], _mesh("input.stl"), (mutation.change_bytes, mutation.change_text), _and_any(hostile.stl)),
    Target("mesh .glb", lambda: [seeds.glb()], _mesh("input.glb"), (mutation.change_glb, mutation.change_glb, *BYTES), _and_any(hostile.glb), 1.5),
    Target("mesh .gltf", lambda: [seeds.gltf()], _mesh("input.gltf"), JSON, _and_any(hostile.gltf, hostile.json_text), 1.5),
    Target("mesh .usda", lambda: [seeds.usda()], _mesh("input.usda"), TEXT, _and_any(hostile.usda), 2.0),
    Target("mesh .usdc", lambda: [seeds.usdc()], _mesh("input.usdc"), BYTES, tuple, 2.0),
    Target("animation .npz", lambda: [seeds.animation()], _animation, NPZ, _and_any(hostile.archives), 3.0),
    Target("face .sedface", lambda: [seeds.sedface()], _sedface, NPZ, _and_any(hostile.archives), 1.5),
    Target("registration cache", lambda: [seeds.registration_entry()], _entry, NPZ, _and_any(hostile.archives)),
    Target("rig .npz", lambda: [seeds.rig()], _rig("rig.npz"), NPZ, _and_any(hostile.archives)),
    Target("rig of OBJ", lambda: [seeds.mesh_file("a.obj")], _rig("rig/jawOpen.obj"), TEXT, _and_any()),
    Target("checkpoint config", lambda: [seeds.checkpoint()[0]], _checkpoint("config"), JSON, _and_any(hostile.json_text), 1.5),
    Target("checkpoint weights", lambda: [seeds.checkpoint()[1]], _checkpoint("weights"), (mutation.change_safetensors, *BYTES), _and_any()),
    Target("foreign weights .pth", lambda: [seeds.foreign_weights(old) for old in (False, True)], _foreign, BYTES, _and_any(hostile.archives, _hostile_pickles)),
    Target("pickled arrays .pkl", _pickles, _array_pickle, BYTES, _and_any(_hostile_pickles)),
    Target("landmarks", seeds.landmarks, _landmarks, JSON, _and_any(hostile.json_text)),
    Target("camera", _texts('{"yaw": 10, "pitch": 5, "fov": 20, "zoom": 1.2}', '{"position": [0, 0, 1], "target": [0, 0, 0], "up": [0, 1, 0], "fov": 30}'), _camera, JSON, _and_any(hostile.json_text), 0.5),
    Target("light", _texts('{"lights": [{"azimuth": 20, "elevation": 30, "colour": [1, 1, 1], "strength": 1}], "shadow": 0.5}'), _light, JSON, _and_any(hostile.json_text), 0.5),
    Target("style", _texts('{"format": "sedtalker-style", "version": 1, "style": {"articulation": 0.5}}'), _style, JSON, _and_any(hostile.json_text), 0.5),
    Target("coordinates", _texts('{"happy": [0.7, 0.4], "anger": [-0.4, 0.8]}'), _coordinates, JSON, _and_any(hostile.json_text), 0.5),
    Target("preset", _texts('{"fps": 25, "style": "clear", "gain": ["brows=1.2"], "video": false}'), _preset, JSON, _and_any(hostile.json_text), 0.7),
    Target("options as text", _texts("style=articulation=0.5", "gain=brows=1.2;jawOpen=.5", "size=640x480", "background=#123456,white", "camera=left", "emotion=happy:0.8", "light=soft", "to=glb,usd", "encoder=x", "model=hf:a/b", "coordinates=dietrich2026"), _text_options, TEXT, tuple, 0.7),
    Target("options as JSON", _texts(SETTINGS), _settings, JSON, _and_any(hostile.json_text), 0.7),
    Target("addresses", _texts("vmc://127.0.0.1:39539?names=vrm1", "livelink://host:11111,ws://:80?origin=*", "-"), _addresses, TEXT, _and_any(), 0.5),
    Target("ARKit .csv", lambda: [seeds.arkit_csv()], _arkit, TEXT, _and_any(hostile.tables)),
    Target("batch manifest .csv", _texts("audio,output,fps,emotion,speaker\na.wav,x/y,25,happy:0.5,ann\nb.wav,,,,\n"), _manifest("m.csv"), TEXT, _and_any(hostile.tables)),
    Target("batch manifest .jsonl", _texts('{"audio": "a.wav", "fps": 25, "output": "x"}\n{"audio": "b.wav", "gain": ["brows=1"]}\n'), _manifest("m.jsonl"), TEXT, _and_any(hostile.json_text)),
    Target("batch log", _log_seed, _log, TEXT, _and_any(hostile.json_text), 0.5),
    Target("project", lambda: [seeds.project()], _project, JSON, _and_any(hostile.json_text), 1.5),
    Target("edits of the studio", _edit_seeds, _edits, JSON, _and_any(hostile.json_text), 1.5),
    Target("exports of the studio", _texts('{"formats": ["glb", "track.csv"], "targets": "all", "size": 512, "video": true}'), _export_request, JSON, _and_any(hostile.json_text), 0.5),
    Target("names of uploads", _texts("speech.wav", "../../x.wav", "C:\\a\\b.wav"), _upload_name, TEXT, tuple, 0.3),
    Target("first message of a stream", _texts(HELLO), _hello, JSON, _and_any(hostile.json_text)),
    Target("options of the server", _texts(ANIMATE), _server_options, JSON, _and_any(hostile.json_text)),
    Target("requests of strangers", _texts("v1/animate\nhost: 127.0.0.1:80\nauthorization: Bearer x\norigin: http://127.0.0.1:80\nsec-websocket-protocol: x\n"), _access, TEXT, _and_any(), 0.5),
    Target("packets of receivers", _texts("iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719|sendDataVersion=v2"), _handshake, BYTES, _and_any(), 0.3),
    Target("options of training", _texts("experiment=decoder\ntrainer.steps=10\ndebug=fast", "experiment=diarizer\n+task.x=1"), _training_options, TEXT, _texts("trainer=null", "experiment=decoder\ntrainer=null", "experiment=decoder\ntrainer.steps=abc", "experiment=../x", "experiment=decoder\n~trainer"), 2.0),
    Target("table of a corpus", _corpus_seed, _corpus_table, TEXT, _and_any(hostile.tables), 0.5),
)  # fmt: skip
"""All of them."""
