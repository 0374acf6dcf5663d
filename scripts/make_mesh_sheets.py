"""Contact sheets of the test meshes in six emotions, for docs/mesh.md.

    python scripts/make_mesh_sheets.py --data DIR [--only people|stylised|hard|heads|mouths|eyes]

Writes ``docs/images/mesh_people.jpg`` (persons of the reference rig, each in a topology, unit and turn of its own),
``mesh_stylised.jpg`` and ``mesh_hard.jpg`` (a head of another hand, one with blend shapes of its own, few
vertices, a scan shut and opened). Every row is what ``mesh register`` makes of a file; the columns are the expressions
at full intensity. ``mesh_heads.jpg`` shows hard heads and those by other hands, with closed lids and in
mouth shapes as well, ``mesh_mouths.jpg`` heads without a mouth, without and with the one that is added,
``mesh_eyes.jpg`` heads without eyeballs likewise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measures.hard_heads import hard_heads
from measures.registration_targets import KINDS, other_heads, random_identities
from PIL import Image

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.expressions import EMOTIONS, MOUTH_SHAPES
from sedtalker.face.face import Face, pose
from sedtalker.face.fitting import FitOptions, fit
from sedtalker.mesh.files import read_scene
from sedtalker.mesh.mesh import Mesh, Scene, from_triangles
from sedtalker.render.camera import frame_head
from sedtalker.render.contact_sheet import tile
from sedtalker.render.renderer import make_renderer
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.motion.expressive_motion import poses

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "head.obj"
SIZE = 128
SHORT = {"decimated to 3,000": "thinned", "remeshed, no mouth": "remeshed", "open at rest, no mouth": "open at rest"}
Row = tuple[str, Scene, FitOptions]


def plain(mesh: Mesh) -> Scene:
    """A mesh as a file without blend shapes has it."""
    return Scene(mesh, (), np.zeros((0, len(mesh.vertices), 3), np.float32))


def people(data: Path) -> Iterator[Row]:
    """Persons of the reference rig, one of each way to cut them into triangles."""
    for head in random_identities(data, len(KINDS), seed=0):
        yield head.name, plain(head.mesh), FitOptions()


def stylised(data: Path) -> Iterator[Row]:
    """Persons with other proportions."""
    for head in other_heads(data, seed=0):
        if head.name.startswith("stylised"):
            yield head.name, plain(head.mesh), FitOptions()


def hard(data: Path) -> Iterator[Row]:
    """What is hard about files."""
    yield "sample head", read_scene(SAMPLE), FitOptions()
    yield "own blend shapes", read_scene(data / "face" / "test_meshes" / "mh_head_arkit52.glb"), FitOptions()
    for head in other_heads(data, seed=0):
        if head.name in ("mh_head", "mh_head, mirrored", "low-poly", "scan"):
            yield head.name, plain(head.mesh), FitOptions()
        if head.name == "scan":
            yield "scan, --open-mouth", plain(head.mesh), FitOptions(open_mouth=True)


def heads(data: Path) -> Iterator[Row]:
    """Every hard head, and those by other hands."""
    for head in hard_heads(data):
        yield SHORT.get(head.name, head.name), plain(head.mesh), FitOptions()
    meshes = data / "face" / "test_meshes"
    yield "MakeHuman", read_scene(meshes / "mh_head.obj"), FitOptions()
    yield "own shapes", read_scene(meshes / "mh_head_arkit52.glb"), FitOptions()
    yield "sample head", read_scene(SAMPLE), FitOptions()


def mouths(data: Path) -> Iterator[Row]:
    """Heads without a mouth, as they are and with what is added."""
    for head in hard_heads(data):
        if head.name in ("no mouth", "open at rest, no mouth"):
            yield head.name, plain(head.mesh), FitOptions(mouth="none")
            yield "--mouth auto", plain(head.mesh), FitOptions()


def eyes(data: Path) -> Iterator[Row]:
    """Heads without eyeballs, as they are and with what is added."""
    for head in hard_heads(data):
        if head.name == "no eyeballs":
            yield head.name, plain(head.mesh), FitOptions(eyes="keep")
            yield "--eyes auto", plain(head.mesh), FitOptions()
    built_in = load_face("walter").mesh
    assert built_in.polygon_groups is not None
    shown = [k for k, name in enumerate(built_in.group_names) if name.startswith(("skin", "teeth", "gums", "tongue"))]
    kept = np.isin(built_in.polygon_groups[built_in.triangle_polygons], shown)
    used, corners = np.unique(built_in.triangles[kept], return_inverse=True)
    blind = from_triangles(built_in.vertices[used], corners.reshape(-1, 3).astype(np.int32))
    yield "no eyeballs", plain(blind), FitOptions(eyes="keep")
    yield "--eyes auto", plain(blind), FitOptions()


PAGES = {"people": people, "stylised": stylised, "hard": hard, "heads": heads, "mouths": mouths, "eyes": eyes}
LOOKING = {
    "left": {"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8}, "up": {"eyeLookUp": 0.8}, "down": {"eyeLookDown": 0.8},
    "half shut": {"eyeBlink": 0.5}, "shut": {"eyeBlink": 1.0}, "wide": {"eyeWide": 1.0},
}  # fmt: skip
SPEAKING = {name: MOUTH_SHAPES.get(name) or EMOTIONS[name] for name in ("ah", "ee", "oo", "f", "happy", "disgust")}


POSES = {"mouths": SPEAKING, "eyes": LOOKING, "heads": {**EMOTIONS, "lids": {"eyeBlink": 1.0}, **MOUTH_SHAPES}}
SIZES, QUALITIES = {"heads": 88}, {"heads": 60}


def expressions(face: Face, shown: dict[str, dict[str, float]] | None, size: int = SIZE) -> list[np.ndarray]:
    """Square pictures of a face at rest and in each emotion, or in the poses ``shown``."""
    table = np.zeros((len(CATEGORIES), len(face.shapes)), np.float32)
    table[:, :52] = poses()
    if shown:
        table = np.stack([pose(face, weights) for weights in ({}, *shown.values())])
    with make_renderer(face, frame_head(face, zoom=1.5), size) as view:
        return [view.render(vertices) for vertices in face.deform(table)]


def make_page(name: str, data: Path) -> Path:
    """One page: a row for each mesh, named under its face at rest."""
    source = load_face()
    pictures, labels = [], []
    for label, scene, options in PAGES[name](data):
        print(f"{name}: {label}", file=sys.stderr)
        face, _ = fit(scene, source, label, options)
        pictures += expressions(face, POSES.get(name), SIZES.get(name, SIZE))
        labels += [label, *POSES.get(name, CATEGORIES[1:])]
    path = IMAGES / f"mesh_{name}.jpg"
    columns = 1 + len(POSES.get(name, CATEGORIES[1:]))
    Image.fromarray(tile(pictures, labels, columns)).save(path, quality=QUALITIES.get(name, 82), optimize=True)
    return path


def main() -> None:
    """Make the pages and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=[*PAGES])
    chosen = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    try:
        data = find_data(chosen.data)
        for name in [chosen.only] if chosen.only else PAGES:
            path = make_page(name, data)
            print(f"{path}  {path.stat().st_size // 1000} kB")
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
