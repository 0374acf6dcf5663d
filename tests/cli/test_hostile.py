"""Every command that reads files, on files that are made to do harm: exit code 2, one line, nothing left."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app
from tests.fuzz import hostile, seeds
from tests.support.moving import moving_cube

NOTHING_DECODED = ("--no-video", "--progress", "none")
"""Options of ``animate`` for tests in which it must not come to that."""


def broken_numbers(name: str) -> bytes:
    """An animation of the cube with one array spoilt."""
    with np.load(io.BytesIO(seeds.animation())) as held:
        arrays = dict(held)
    described = json.loads(str(arrays["animation_json"]))
    match name:
        case "index":
            arrays["face_polygon_vertices"] = arrays["face_polygon_vertices"] + 10_000
        case "nan":
            arrays["coefficients"][1, 0] = np.nan
        case "turn":
            arrays["head_rotation"] = arrays["head_rotation"][:-1]
        case "landmarks":
            arrays["face_landmarks"] = np.array([-5], np.int32)
        case "fps":
            described["fps"] = -30
        case "text":
            described["fps"] = "fast"
        case "provenance":
            described["provenance"] = ["a"]
    arrays["animation_json"] = np.array(json.dumps(described))
    made = io.BytesIO()
    np.savez(made, **arrays)
    return made.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "good.wav": hostile.wav,
    "good.obj": lambda: seeds.mesh_file("good.obj"),
    "good.npz": seeds.animation,
    "text.wav": lambda: b"not sound",
    "empty.wav": lambda: b"",
    "rate0.wav": lambda: hostile.wav(rate=0),
    "rate1.wav": lambda: hostile.wav(rate=1),
    "rate1e9.wav": lambda: hostile.wav(rate=10**9),
    "codec.wav": lambda: hostile.wav(tag=0x4143),
    "list.wav": lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "half.npz": lambda: seeds.animation()[:2000],
    "words.npz": lambda: b"not an archive",
    "claims.npz": lambda: hostile.claiming_array("(1000000000, 1000000000)", b""),
    "bomb.npz": lambda: hostile.bomb(2**20),
    "half.sedface": lambda: seeds.sedface()[:1000],
    "claims.sedface": lambda: hostile.claiming_array("(1000000000, 1000000000)", b""),
    "huge.gltf": lambda: list(hostile.gltf())[2],
    "circle.glb": lambda: list(hostile.glb())[11],
    "uri.gltf": lambda: seeds.gltf().replace(b"data:application/octet-stream;base64,", b"http://127.0.0.1:9/"),
    "huge.ply": lambda: list(hostile.ply())[4],
    "empty.ply": lambda: b"ply\nformat ascii 1.0\nelement vertex 1000000000\nend_header\n",
    "huge.stl": lambda: b"\0" * 80 + struct.pack("<I", 2**32 - 1),
    "index.obj": lambda: b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999999999999\n",
    "text.usda": lambda: b"#usda 1.0\ndef Mesh \"m\" {",
    "huge.TextGrid": lambda: next(hostile.textgrid()),
    "deep.json": lambda: b"[" * 100_000,
    "digits.json": lambda: b'[{"start": 0, "end": ' + b"9" * 5000 + b', "label": "happy"}]',
    "surrogate.json": lambda: b'[{"start": 0, "end": 1, "label": "\\ud800"}]',
    "list.json": lambda: b"[]",
    "strange.json": lambda: b'{"nothing": 1}',
    "wide.csv": lambda: b"start,end,label\n0,1," + b"x" * 200_000 + b"\n",
    "long.csv": lambda: b"start,end,label\n0,1e12,happy\n",
    "latin.csv": lambda: "start,end,label\n0,1,fröhlich\n".encode("latin-1"),
    "escape.csv": lambda: b"start,end,label\n0,1,\x1b[2J\n",
    "bad.jsonl": lambda: b'{"audio": "' + b"a" * 5000 + b'.wav"}\n',
    "up.jsonl": lambda: b'{"audio": "good.wav", "output": "../../up"}\n',
    "code.pth": lambda: pickle.dumps(print),
    "code.pkl": lambda: b"cos\nsystem\n(S'true'\ntR.",
}  # fmt: skip
"""The files."""
WRONG = ("index", "nan", "turn", "landmarks", "fps", "text", "provenance")
"""What is spoilt in animations, see ``broken_numbers``."""
FILES |= {f"{kind}.npz": (lambda kind=kind: broken_numbers(kind)) for kind in WRONG}

SOUNDS = (
    "text.wav",
    "empty.wav",
    "rate0.wav",
    "rate1.wav",
    "rate1e9.wav",
    "list.wav",
    "missing.wav",
    "a" * 300 + ".wav",
)
ANIMATIONS = ("half.npz", "words.npz", "claims.npz", "bomb.npz", *(f"{kind}.npz" for kind in WRONG), "a" * 300 + ".npz")
MESHES = (
    "huge.gltf", "circle.glb", "uri.gltf", "huge.ply", "empty.ply", "huge.stl", "index.obj", "claims.sedface",
    "half.sedface", "loop.obj", "a" * 300 + ".obj",
)  # fmt: skip
TRACKS = (
    "huge.TextGrid", "deep.json", "digits.json", "surrogate.json", "wide.csv", "long.csv", "latin.csv", "escape.csv",
    "h" * 300, "happy:2", "happy:nan", "hapy:1", "loop.csv",
)  # fmt: skip
COMMANDS: list[tuple[str, ...]] = [
    *(("diarize", sound) for sound in SOUNDS),
    *(("animate", sound, *NOTHING_DECODED) for sound in SOUNDS[:3]),
    *(("export", animation, "--to", "glb") for animation in ANIMATIONS),
    *(("render", animation, "-o", "out.mp4") for animation in ANIMATIONS[4:]),
    *(("compare", animation, "good.npz") for animation in ANIMATIONS[:4]),
    *(("play", animation, "--to", "-") for animation in ANIMATIONS[:4]),
    *(("mesh", "inspect", mesh) for mesh in MESHES if not mesh.endswith(".sedface")),
    *(("mesh", "register", mesh, "-o", "out.sedface") for mesh in MESHES[:4]),
    *(("animate", "good.wav", "--mesh", mesh, *NOTHING_DECODED) for mesh in MESHES),
    *(("animate", "good.wav", "--emotion", track, *NOTHING_DECODED) for track in TRACKS),
    *(
        ("animate", "good.wav", option, file, *NOTHING_DECODED)
        for option in ("--style", "--light", "--camera", "--coordinates")
        for file in ("deep.json", "digits.json", "surrogate.json", "missing.json", "loop.json")
    ),
    *(("animate", "good.wav", "--preset", file) for file in ("deep.json", "list.json", "strange.json", "missing.json")),
    ("animate", "good.wav", "--face", "a" * 300, *NOTHING_DECODED),
    ("animate", "good.wav", "--decoder", "folder", *NOTHING_DECODED),
    ("animate", "good.wav", "--encoder", "a" * 300, *NOTHING_DECODED),
    ("animate", "good.wav", "--background", "a" * 300 + ".png"),
    ("diarize", "good.wav", "--stream", "--look-ahead", "inf"),
    ("face", "show", "claims.sedface", "-o", "out.png"),
    ("face", "show", "half.sedface", "-o", "out.png"),
    ("style", "half.npz", "good.wav", "-o", "out.json"),
    ("style", "wide.csv", "good.wav", "-o", "out.json"),
    ("batch", "wide.csv", "-o", "out"),
    ("batch", "bad.jsonl", "-o", "out"),
    ("batch", "up.jsonl", "-o", "out"),
    ("batch", "deep.jsonl", "-o", "out"),
    ("checkpoint", "inspect", "folder"),
    ("checkpoint", "inspect", "a" * 300),
    ("checkpoint", "convert", "code.pth", "out.safetensors"),
    ("checkpoint", "convert", "text.wav", "out.safetensors"),
    ("data", "convert", "pickles"),
    ("train", "trainer=null"),
    ("train", "experiment=decoder", f"{400 * 'a'}.steps=10"),
    ("train", "experiment=decoder", "trainer.steps=abc"),
]
"""The command lines."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the files."""
    made = tmp_path_factory.mktemp("hostile")
    for name, data in FILES.items():
        (made / name).write_bytes(data())
    (made / "deep.jsonl").write_bytes(b"[" * 100_000)
    for name in ("loop.obj", "loop.csv", "loop.json"):
        (made / name).symlink_to(name)
    (made / "folder").mkdir()
    (made / "folder" / "config.json").write_bytes(b"[" * 100_000)
    (made / "pickles").mkdir()
    (made / "pickles" / "templates.pkl").write_bytes(FILES["code.pkl"]())
    return made


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, as the working folder, with a folder for temporary files that is looked at."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return folder


def everything(folder: Path) -> set[str]:
    return {os.path.join(root, name) for root, folders, files in os.walk(folder) for name in (*folders, *files)}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(word[:20] for word in command[:4]))
def test_one_line_and_exit_code_2(command: tuple[str, ...], here: Path, tmp_path: Path) -> None:
    before = everything(here)
    done = CliRunner().invoke(app, list(command))
    said = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    assert done.exit_code == 2, done.output
    assert len(said) == 1, said
    assert said[0].startswith("error: ")
    assert said[0].isprintable()
    assert "Traceback" not in done.output
    assert everything(here) == before
    assert [name for name in everything(tmp_path) if not any(word in name for word in ("cache", "torch"))] == []


def test_sixty_four_channels_are_heard(here: Path, tmp_path: Path) -> None:
    (tmp_path / "many.wav").write_bytes(hostile.wav(64, seconds=0.3))
    done = CliRunner().invoke(app, ["diarize", str(tmp_path / "many.wav"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["duration"] > 0.0


def test_the_good_animation_is_exported(tmp_path: Path) -> None:
    """So that the spoilt ones are refused for what was spoilt."""
    moving_cube(6).save(tmp_path / "good.npz")
    assert CliRunner().invoke(app, ["export", str(tmp_path / "good.npz"), "--to", "glb"]).exit_code == 0
