"""The web page with everything that it needs, as a folder for any static server: ``build/web``.

    python scripts/build_web.py                          # exports the models and builds
    python scripts/build_web.py --models build/onnx      # with models that are there
    python scripts/build_web.py --tables                 # only web/src/tables.js, what the npm package has from Python

onnxruntime-web comes from the npm registry, pinned by version and SHA-512; three.js and the head's materials are those
of the studio. Whatever a server may send uncompressed is gzipped here and unpacked by the page; JavaScript is minified.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import minify

from scripts.vendor_studio import Package, fetch
from scripts.web_head import head_glb, head_targets
from sedtalker.animation.articulation import TONGUE
from sedtalker.audio import load_audio
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.emotion.plot import COLOURS
from sedtalker.export.arkit import ANGLES, EYE_TURN, RATE
from sedtalker.export.onnx_models import FORMAT_VERSION
from sedtalker.export.vrm import EMOTIONS as VRM_EMOTIONS
from sedtalker.face import Face
from sedtalker.face.arkit import ARKIT_52
from sedtalker.render.camera import frame_head
from sedtalker.render.light import MATERIALS, load_lighting, part_of_group
from sedtalker.speech.features import FRAME_CLOCK

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
SAMPLE = ROOT / "data" / "samples" / "four_moods.wav"
STATIC = ROOT / "sedtalker" / "studio" / "static"
CACHE = ROOT / "build" / "node"
STAGE = ("head.js", "morph.js", "quality.js", "shading.js")
"""Modules of the studio's stage that the page uses."""
RUNTIME = Package(
    name="onnxruntime-web",
    version="1.30.0",
    integrity="q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    licence="MIT",
    files={
        "dist/ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.mjs",
        "dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
    },
)
"""The smallest of its builds: WebAssembly on the processor, no WebGPU."""
NETWORKS = (
    "speech_encoder.onnx", "emotion_encoder.onnx", "diarizer.onnx", "articulation.onnx", "articulation_streaming.onnx",
    "burst_detector.onnx", "decoder_64.onnx", "decoder_4.onnx",
)  # fmt: skip
"""Files of the export that the page runs; the decoders of other step lengths would be the same weights again."""
MOST_BYTES = 20_000_000
"""What the page may weigh, as it lies there."""


def tables() -> str:
    """What the JavaScript has from Python, as a module."""
    held = {
        "MODEL_VERSION": (FORMAT_VERSION, "The version of model.json that is read."),
        "SHAPES": ({"names": list(ARKIT_52), "tongueNames": list(TONGUE)}, "The shapes of a frame, in their order."),
        "LIVE_LINK": (
            {"rate": RATE, "angles": list(ANGLES), "eyeTurn": float(EYE_TURN)},
            "CSV of Live Link Face: frames a second, columns behind the weights, radians of an eye at weight 1.",
        ),
        "VRM": ({"emotions": VRM_EMOTIONS}, "The VRM expression of a category; disgust has none."),
        "EMOTIONS": (COLOURS, "Colours of the categories: Okabe and Ito's palette."),
    }
    lines = ["/** Made by scripts/build_web.py from the Python package: change it there. */"]
    for name, (value, about) in held.items():
        kind = "Record<string, string>" if name == "EMOTIONS" else "any" if name == "VRM" else None
        note = f"/** {about}{f' @type {{{kind}}}' if kind else ''} */"
        lines += ["", note, f"export const {name} = {json.dumps(value, indent=2, ensure_ascii=False)};"]
    return "\n".join(lines) + "\n"


def runtime() -> dict[str, bytes]:
    """The files of onnxruntime-web, from the registry once."""
    kept = CACHE / f"{RUNTIME.name}-{RUNTIME.version}.tgz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(fetch(RUNTIME))
    data = kept.read_bytes()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != RUNTIME.integrity:
        raise SystemExit(f"{kept}: not {RUNTIME.name} {RUNTIME.version}: delete it and try again")
    with tarfile.open(fileobj=BytesIO(data), mode="r:gz") as archive:
        found = {}
        for source, place in RUNTIME.files.items():
            member = archive.extractfile(f"package/{source}")
            assert member is not None
            found[place] = member.read()
    return found


def export_models(folder: Path) -> None:
    """``sedtalker models export`` with weights of eight bits."""
    command = [sys.executable, "-m", "sedtalker", "models", "export", "--onnx", str(folder), "--int8", "--force"]
    subprocess.run(command, check=True, cwd=ROOT)


def packed(data: bytes) -> bytes:
    """Gzipped, the same bytes every time."""
    return gzip.compress(data, 9, mtime=0)


def head_json(face: Face, model_bytes: int) -> dict[str, Any]:
    """How the head is lit, drawn and moved; and how many bytes the page loads with the models."""
    targets, correctives = head_targets(face)
    camera = frame_head(face)
    groups = face.mesh.group_names if face.mesh.polygon_groups is not None and face.mesh.group_names else None
    return {
        "targets": list(targets.names),
        "names": list(ARKIT_52),
        "tongueNames": list(TONGUE),
        "correctives": correctives,
        "parts": {name: part_of_group(name) for name in groups} if groups else {name: name for name in MATERIALS},
        "materials": {part: asdict(material) for part, material in MATERIALS.items()},
        "lighting": asdict(load_lighting("studio")),
        "view": {
            "position": [float(x) for x in camera.position],
            "target": [float(x) for x in camera.target],
            "fov": float(camera.fov),
        },
        "bytes": model_bytes,
    }


def sample_emotion() -> dict[str, Any]:
    """The emotions that are given to the sample, whose voice is synthetic, on the frames of a track."""
    audio = load_audio(SAMPLE)
    times = FRAME_CLOCK.times(FRAME_CLOCK.frames(audio.duration))
    track = parse_emotion(str(SAMPLE.with_suffix(".emotion.json")), audio.duration).at(times)
    return {
        "posterior": [round(float(x), 4) for x in track.posterior.reshape(-1)],
        "intensity": [round(float(x), 4) for x in track.intensity],
        "segments": [asdict(segment) for segment in track.segments()],
    }


def build(out: Path, models: Path, sedtalker: Path = WEB / "src" / "sedtalker.js") -> None:
    """The page in ``out``, which is emptied first.

    Args:
        out: the folder.
        models: of ``sedtalker models export --onnx``.
        sedtalker: the module in place of ``src/sedtalker.js``, for tests.
    """
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(WEB / "src", out / "src")
    (out / "src" / "tables.js").write_text(tables(), encoding="utf-8")
    shutil.copy(sedtalker, out / "src" / "sedtalker.js")
    for name in ("page.css", "page.js", "speaking.js", "stage.js", "track.js"):
        shutil.copy(WEB / "page" / name, out)
    (out / "index.html").write_text(index_html(), encoding="utf-8")
    shutil.copy(STATIC / "icon.svg", out)
    (out / "stage").mkdir()
    for name in STAGE:
        shutil.copy(STATIC / "js" / "stage" / name, out / "stage")
    shutil.copytree(STATIC / "vendor" / "three", out / "vendor" / "three")
    (out / "sample.wav.gz").write_bytes(packed(SAMPLE.read_bytes()))
    (out / "sample.json").write_text(json.dumps(sample_emotion(), separators=(",", ":")), encoding="utf-8")
    (out / "licences.txt").write_text(licences(), encoding="utf-8")
    face = Face.builtin()
    (out / "head.glb.gz").write_bytes(packed(head_glb(face)))
    (out / "ort").mkdir()
    for name, data in runtime().items():
        is_code = name.endswith(".mjs")
        (out / "ort" / (name if is_code else name + ".gz")).write_bytes(data if is_code else packed(data))
    (out / "models").mkdir()
    write_models(models, out / "models")
    loaded = [*(out / "models").iterdir(), *(out / "ort").glob("*.gz")]
    for module in out.rglob("*.js"):
        small = minify.string("application/javascript", module.read_text(encoding="utf-8"))
        module.write_text(small, encoding="utf-8")
    described = head_json(face, sum(path.stat().st_size for path in loaded))
    (out / "head.json").write_text(json.dumps(described, separators=(",", ":")), encoding="utf-8")


def write_models(models: Path, out: Path) -> None:
    """The networks that the page runs, gzipped, and their ``model.json``.

    Raises:
        SystemExit: one of them is missing.
    """
    missing = [name for name in ("model.json", *NETWORKS) if not (models / name).is_file()]
    if missing:
        raise SystemExit(f"{models}: there is no {missing[0]}; sedtalker models export --onnx makes one")
    described = json.loads((models / "model.json").read_text(encoding="utf-8"))
    kept = {name.removesuffix(".onnx") for name in NETWORKS}
    described["models"] = {name: about for name, about in described.get("models", {}).items() if name in kept}
    (out / "model.json.gz").write_bytes(packed(json.dumps(described, separators=(",", ":")).encode()))
    for name in NETWORKS:
        (out / f"{name}.gz").write_bytes(packed((models / name).read_bytes()))


def index_html() -> str:
    """The page, whose policy allows the one script that is in it."""
    text = (WEB / "page" / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="importmap">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    return text.replace("SCRIPT_HASH", f"'sha256-{digest}'")


def licences() -> str:
    """Whose work the page is made of."""
    return "\n\n".join(
        [
            (ROOT / "LICENSE").read_text(encoding="utf-8"),
            (ROOT / "NOTICE").read_text(encoding="utf-8"),
            "three.js\n\n" + (STATIC / "vendor" / "three" / "LICENSE").read_text(encoding="utf-8"),
            f"{RUNTIME.name} {RUNTIME.version}: Copyright (c) Microsoft Corporation, MIT License\n",
        ]
    )


def weights(out: Path) -> Iterator[tuple[str, int, int]]:
    """(part, bytes as they lie there, bytes where the server gzips text) of the page."""
    parts = {
        "models": "models", "onnxruntime-web": "ort", "three.js": "vendor", "head": "head.*", "sample": "sample.*",
    }  # fmt: skip
    counted: set[Path] = set()
    for name, pattern in [*parts.items(), ("page", "*")]:
        files = [p for each in sorted(out.glob(pattern)) for p in ([each] if each.is_file() else each.rglob("*"))]
        files += [p for p in out.rglob("*")] if name == "page" else []
        chosen = {p for p in files if p.is_file()} - counted
        counted |= chosen
        raw = [p.read_bytes() for p in sorted(chosen)]
        yield name, sum(map(len, raw)), sum(min(len(data), len(packed(data))) for data in raw)


def main() -> None:
    """Build, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "web")
    parser.add_argument(
        "--models", type=Path, help="folder of sedtalker models export --onnx; made where none is given"
    )
    parser.add_argument("--tables", action="store_true", help="only write web/src/tables.js")
    arguments = parser.parse_args()
    (WEB / "src" / "tables.js").write_text(tables(), encoding="utf-8")
    if arguments.tables:
        return
    models = arguments.models or ROOT / "build" / "onnx"
    if arguments.models is None:
        export_models(models)
    build(arguments.out, models)
    rows = list(weights(arguments.out))
    for name, raw, small in [*rows, ("in all", sum(r[1] for r in rows), sum(r[2] for r in rows))]:
        print(f"{name:16} {raw / 1e6:7.2f} MB  {small / 1e6:7.2f} MB gzipped")
    if sum(row[1] for row in rows) > MOST_BYTES:
        raise SystemExit(f"the page is heavier than {MOST_BYTES / 1e6:.0f} MB")
    print(arguments.out / "index.html")


if __name__ == "__main__":
    main()
