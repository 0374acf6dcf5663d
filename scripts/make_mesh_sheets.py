"""Contact sheets of the test meshes in six emotions, for docs/mesh.md.

    python scripts/make_mesh_sheets.py --data ../shared/data [--only people|stylised|hard|mouths]

Writes ``docs/images/mesh_people.jpg`` (persons of the reference rig, each in a topology, unit and turn of its own),
``mesh_stylised.jpg`` and ``mesh_hard.jpg`` (a head of another hand, one with blend shapes of its own, few
vertices, a scan shut and opened). Every row is what ``mesh register`` makes of a file; the columns are the expressions
at full intensity. ``mesh_mouths.jpg`` shows heads without a mouth, without and with the one that is added.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.expressions import EMOTIONS, MOUTH_SHAPES
from sedtalker.face.face import Face, pose
from sedtalker.face.fitting import FitOptions, fit
from sedtalker.mesh.files import read_scene
from sedtalker.mesh.mesh import Mesh, Scene
from sedtalker.render.camera import frame_head
from sedtalker.render.contact_sheet import tile
from sedtalker.render.renderer import make_renderer
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.evaluation.hard_heads import hard_heads
from sedtalker.training.evaluation.registration_targets import KINDS, other_heads, random_identities
from sedtalker.training.motion.expressive_motion import poses

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "head.obj"
SIZE = 128
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


def mouths(data: Path) -> Iterator[Row]:
    """Heads without a mouth, as they are and with what is added."""
    for head in hard_heads(data):
        if head.name in ("no mouth", "open at rest, no mouth"):
            yield head.name, plain(head.mesh), FitOptions(mouth="none")
            yield "--mouth auto", plain(head.mesh), FitOptions()


PAGES = {"people": people, "stylised": stylised, "hard": hard, "mouths": mouths}
SPEAKING = {name: MOUTH_SHAPES.get(name) or EMOTIONS[name] for name in ("ah", "ee", "oo", "f", "happy", "disgust")}


def expressions(face: Face, speaking: bool) -> list[np.ndarray]:
    """Pictures of a face at rest and in each emotion, or in shapes of the mouth."""
    table = np.zeros((len(CATEGORIES), len(face.shapes)), np.float32)
    table[:, :52] = poses()
    if speaking:
        table = np.stack([pose(face, weights) for weights in ({}, *SPEAKING.values())])
    with make_renderer(face, frame_head(face, zoom=1.5), SIZE) as view:
        return [view.render(vertices) for vertices in face.deform(table)]


def make_page(name: str, data: Path) -> Path:
    """One page: a row for each mesh, named under its face at rest."""
    source = load_face()
    pictures, labels = [], []
    for label, scene, options in PAGES[name](data):
        print(f"{name}: {label}", file=sys.stderr)
        face, _ = fit(scene, source, label, options)
        pictures += expressions(face, name == "mouths")
        labels += [label, *(SPEAKING if name == "mouths" else CATEGORIES[1:])]
    path = IMAGES / f"mesh_{name}.jpg"
    Image.fromarray(tile(pictures, labels, len(CATEGORIES))).save(path, quality=82, optimize=True)
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
