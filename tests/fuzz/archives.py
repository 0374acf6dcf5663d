# ruff: noqa: E501
"""Readers of our own archives, of weights and of pickled arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.fuzz import hostile, mutation, seeds
from tests.fuzz.target import BYTES, JSON, NPZ, TEXT, Target, and_any, written

# --- Our own archives.


def _animation(data: bytes) -> None:
    from sedtalker.animation.animation import Animation

    animation = Animation.load(written("input.npz", data))
    if len(animation) > 2000 or len(animation.face.mesh.vertices) > 5000:
        return
    animation.face.deform(animation.coefficients[:2])
    animation.save("again.npz")
    animation.export("again.glb", targets="all")
    animation.render("again.png", size=64, at=0.0, backend="numba")


def _sedface(data: bytes) -> None:
    from sedtalker.face import Face

    face = Face.load(written("input.sedface", data))
    face.save("again.sedface")


def _entry(data: bytes) -> None:
    from sedtalker.face.registration.register import load_entry
    from tests.support.cube import cube_mesh

    load_entry(written("entry.npz", data), cube_mesh(), "cube")


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
        from sedtalker.checkpoint import is_checkpoint, weights_sha256
        from sedtalker.nn.engine import open_model

        folder = Path("checkpoint")
        folder.mkdir(exist_ok=True)
        config, weights = seeds.checkpoint()
        (folder / "config.json").write_bytes(data if part == "config" else config)
        (folder / "model.safetensors").write_bytes(data if part == "weights" else weights)
        is_checkpoint(folder)
        weights_sha256(folder)
        open_model(folder)

    return read


def _foreign(data: bytes) -> None:
    from sedtalker.checkpoint import convert_weights

    convert_weights(written("input.pth", data), Path("again.safetensors"))


def _array_pickle(data: bytes) -> None:
    from sedtalker.training.corpora.meshes.pickles import read_array_pickle

    read_array_pickle(written("templates.pkl", data))


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
    yield b"Nr\xff\xff\xff\xff."
    yield b"}N" + b"\x85" * 200_000 + b"Ns."
    yield b"]" + b"2a" * 100_000 + b"."
    yield b"})q\x000" + b"h\x00h\x00\x86q\x000" * 60 + b"h\x00Ns."
    yield b"N" * 1_100_000
    yield b"(dS'a'\ncnumpy\ndtype\n(S'V8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbs."


TARGETS = (
    Target("animation .npz", lambda: [seeds.animation()], _animation, NPZ, and_any(hostile.archives), 3.0),
    Target("face .sedface", lambda: [seeds.sedface()], _sedface, NPZ, and_any(hostile.archives), 1.5),
    Target("registration cache", lambda: [seeds.registration_entry()], _entry, NPZ, and_any(hostile.archives)),
    Target("rig .npz", lambda: [seeds.rig()], _rig("rig.npz"), NPZ, and_any(hostile.archives)),
    Target("rig of OBJ", lambda: [seeds.mesh_file("a.obj")], _rig("rig/jawOpen.obj"), TEXT, and_any()),
    Target("checkpoint config", lambda: [seeds.checkpoint()[0]], _checkpoint("config"), JSON, and_any(hostile.json_text), 1.5),
    Target("checkpoint weights", lambda: [seeds.checkpoint()[1]], _checkpoint("weights"), (mutation.change_safetensors, *BYTES), and_any()),
    Target("foreign weights .pth", lambda: [seeds.foreign_weights(old) for old in (False, True)], _foreign, (mutation.change_parts, *BYTES), _hostile_pickles, 2.0),
    Target("pickled arrays .pkl", _pickles, _array_pickle, BYTES, and_any(_hostile_pickles)),
)  # fmt: skip
"""These readers."""
