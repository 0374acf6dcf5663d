"""Let MediaPipe's face landmarker judge a face: is it found, and does each shape show what its name says?

python scripts/judge_face.py --data ../shared/data --json [--face NAME]

``found``: in how many of the 52 renders of one shape at weight 1 a face is found. ``agreeing``: of the 33 ARKit shapes
that MediaPipe scores, left and right as one (all but tongueOut), those whose own score rises by 0.25 or more over rest
with both sides at weight 1. ``agreeing_minus_reference``: that count less the reference rig's in the same renderer. In
the rig's file the eyeLook shapes move only lids; here its eyeballs turn with them as ours do, which helps it.
``reference_still_eyes`` is its count without that help.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.datasets.manifest import find_data
from sedtalker.datasets.reference_rig import read_reference_rig
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin.eyes import GAZE_ANGLES, gaze_rotation
from sedtalker.face.catalogue import load_face
from sedtalker.face.face import Face
from sedtalker.face.pose import paired_names, pose, sides
from sedtalker.render import frame_head, make_renderer

Picture = NDArray[np.uint8]
Scores = dict[str, float]
Judge = Callable[[Picture], Scores | None]

RISE = 0.25
REST = 0.35
JUDGED = tuple(paired_names([name for name in ARKIT_52 if name != "tongueOut"]))
"""The 33 shapes that MediaPipe scores, left and right as one."""


@contextmanager
def open_judge(data: Path) -> Iterator[Judge]:
    """A function from a picture to MediaPipe's 52 scores, or None where it finds no face.

    Raises:
        InputError: MediaPipe or its model is missing.
    """
    os.environ.setdefault("GLOG_minloglevel", "3")
    model = data / "face" / "face_landmarker.task"
    if not model.is_file():
        raise InputError(f"{model}: MediaPipe's face landmarker is missing")
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError:
        raise InputError("mediapipe is not installed: pip install 'sedtalker[landmarks]'") from None
    options = vision.FaceLandmarkerOptions(BaseOptions(str(model)), output_face_blendshapes=True)
    with vision.FaceLandmarker.create_from_options(options) as landmarker:

        def judge(picture: Picture) -> Scores | None:
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(picture))
            seen = landmarker.detect(image).face_blendshapes
            return {c.category_name: float(c.score) for c in seen[0]} if seen else None

        yield judge


def reference_face(data: Path) -> Face:
    """The reference rig in its own colours."""
    rig = read_reference_rig(data)
    with np.load(data / "face" / "ict_lite.npz", allow_pickle=False) as file:
        colours, eyes = file["colors"].astype(np.float32) / 255, file["mask_eyeball"].astype(bool)
    return replace(rig, mesh=replace(rig.mesh, colours=colours), regions=rig.regions | {"eyes": eyes})


def with_turning_eyes(rig: Face) -> Face:
    """The reference rig with eyeballs that follow its eyeLook shapes."""
    basis, vertices = rig.basis.copy(), rig.mesh.vertices
    for name in GAZE_ANGLES:
        eye = rig.regions["eyes"] & ((vertices[:, 0] > 0) == name.endswith("Left"))
        centre = (vertices[eye].min(axis=0) + vertices[eye].max(axis=0)) / 2
        basis[rig.shape_index[name], eye] = (vertices[eye] - centre) @ (gaze_rotation(name).T - np.eye(3))
    return replace(rig, basis=basis)


def measure(face: Face, judge: Judge, size: int) -> dict[str, Any]:
    """What the judge says about every shape of a face."""
    with make_renderer(face, frame_head(face), size, "numba") as view:

        def look(*shapes: str) -> Scores | None:
            return judge(view.render(face.deform(pose(face, dict.fromkeys(shapes, 1.0))[None])[0]))

        rest = look()
        lost = [name for name in ARKIT_52 if look(name) is None]
        rows = {name: _row(sides(face, name), rest or {}, look(name)) for name in JUDGED}
    loudest = dict(sorted((rest or {}).items(), key=lambda item: -item[1])[:6])
    return {
        "found": len(ARKIT_52) - len(lost),
        "not_found": lost,
        "agreeing": sum(row["rise"] >= RISE for row in rows.values()),
        "rest_found": rest is not None,
        "rest_max": max(loudest.values(), default=0.0),
        "rest_loudest": loudest,
        "rest_over": [name for name, score in loudest.items() if score >= REST],
        "shapes": rows,
    }


def _row(own: tuple[str, ...], rest: Scores, seen: Scores | None) -> dict[str, Any]:
    """Score of one shape (the mean of its halves), its rise, and which other scores rise most."""
    if seen is None:
        return {"score": 0.0, "rise": 0.0, "others": {}}
    before, after = (float(np.mean([scores.get(half, 0.0) for half in own])) for scores in (rest, seen))
    rises = {name: score - rest.get(name, 0.0) for name, score in seen.items() if name not in own}
    others = sorted(rises.items(), key=lambda item: -item[1])[:3]
    return {"score": after, "rise": after - before, "others": {k: v for k, v in others if v > 0.1}}


def judge_face(data: Path, name: str, size: int) -> dict[str, Any]:
    """The whole comparison of one face with the reference rig."""
    face, rig = load_face(name), reference_face(data)
    with open_judge(data) as judge:
        own, reference, still = (measure(f, judge, size) for f in (face, with_turning_eyes(rig), rig))
    for shape, row in own["shapes"].items():
        row["reference_rise"] = reference["shapes"][shape]["rise"]
    return {
        "face": name,
        "size": size,
        **own,
        "reference_agreeing": reference["agreeing"],
        "reference_still_eyes": still["agreeing"],
        "reference_found": reference["found"],
        "agreeing_minus_reference": own["agreeing"] - reference["agreeing"],
    }


def print_table(result: dict[str, Any]) -> None:
    """The figures for a person."""
    print(f"{'shape':18} {'score':>6} {'rise':>6} {'ref':>6}  rises instead")
    for name, row in result["shapes"].items():
        others = ", ".join(f"{k} {v:.2f}" for k, v in row["others"].items())
        mark = "+" if row["rise"] >= RISE else " "
        print(f"{name:18} {row['score']:6.2f} {row['rise']:6.2f}{mark}{row['reference_rise']:6.2f}  {others}")
    print(f"\nfound {result['found']} of 52; not found: {', '.join(result['not_found']) or 'none'}")
    print(f"agreeing {result['agreeing']} of {len(JUDGED)}, reference {result['reference_agreeing']}")
    print("at rest " + ", ".join(f"{k} {v:.2f}" for k, v in result["rest_loudest"].items()))


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="training data [SEDTALKER_DATA or ../shared/data]")
    parser.add_argument("--face", default="builtin", help="name of a built-in face")
    parser.add_argument("--size", type=int, default=480, help="side of the renders, pixels")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    try:
        result = judge_face(find_data(args.data), args.face, args.size)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        print_table(result)


if __name__ == "__main__":
    main()
