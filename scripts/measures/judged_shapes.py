"""What MediaPipe sees of the shapes and the emotions of a face, and another artist's shapes to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.expressions import EMOTIONS
from sedtalker.face.face import Face, paired_names, pose, sides
from sedtalker.render import frame_head, make_renderer
from sedtalker.training.evaluation.shape_judge import Judge, Scores

RISE = 0.25
"""How far a shape's own score must rise over rest to count as seen."""

REST = 0.35
"""Score above which a shape counts as seen in the resting face."""

JUDGED = tuple(paired_names([name for name in ARKIT_52 if name != "tongueOut"]))
"""The 33 shapes that MediaPipe scores, left and right as one."""


def measure(face: Face, judge: Judge, size: int) -> dict[str, Any]:
    """What the judge says about every shape of a face, in renders of ``size`` pixels.

    ``found``: in how many of the 52 renders of one shape at weight 1 a face is found; ``agreeing``: how many of the 33
    judged shapes raise their own score by 0.25 or more over rest with both sides at weight 1; ``shapes``: each one's.
    """
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


def emotion_scores(face: Face, judge: Judge, size: int) -> dict[str, NDArray[np.float64]]:
    """How each of six emotions at full intensity changes the judge's scores (52,); zeros where no face is seen."""
    with make_renderer(face, frame_head(face), size, "numba") as view:

        def look(weights: Mapping[str, float]) -> NDArray[np.float64]:
            scores = judge(view.render(face.deform(pose(face, weights)[None])[0])) or {}
            return np.array([scores.get(name, 0.0) for name in ARKIT_52])

        rest = look({})
        seen = {emotion: look(weights) for emotion, weights in EMOTIONS.items()}
    return {emotion: (scores - rest) * scores.any() for emotion, scores in seen.items()}


def recognised_emotions(
    shown: Mapping[str, NDArray[np.float64]], known: Mapping[str, NDArray[np.float64]]
) -> dict[str, bool]:
    """Whether each emotion's change of scores is most like, by the cosine, the same emotion's of a known face."""

    def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))

    return {
        emotion: bool(change.any()) and max(known, key=lambda other: cosine(change, known[other])) == emotion
        for emotion, change in shown.items()
    }


INDEX_TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32}
"""Types of glTF component codes."""


def read_morph_targets(path: Path) -> tuple[list[str], Floats]:
    """Names (K,) and offsets (K, V, 3) of a GLB whose first mesh's primitives share one vertex buffer.

    Raises:
        InputError: the file is missing.
    """
    from pygltflib import GLTF2

    if not path.is_file():
        raise InputError(f"{path}: the morph targets are missing")
    file = GLTF2().load(str(path))
    blob, mesh = file.binary_blob(), file.meshes[0]

    def values(view: int, start: int | None, count: int, kind: type) -> Floats:
        offset = (file.bufferViews[view].byteOffset or 0) + (start or 0)
        return np.frombuffer(blob, kind, count, offset)

    def positions(accessor: int) -> Floats:
        entry = file.accessors[accessor]
        out = np.zeros((entry.count, 3), np.float32)
        if entry.bufferView is not None:
            out[:] = values(entry.bufferView, entry.byteOffset, 3 * entry.count, np.float32).reshape(-1, 3)
        if entry.sparse is not None:
            n, where, what = entry.sparse.count, entry.sparse.indices, entry.sparse.values
            index = values(where.bufferView, where.byteOffset, n, INDEX_TYPES[where.componentType])
            out[index] = values(what.bufferView, what.byteOffset, 3 * n, np.float32).reshape(-1, 3)
        return out

    targets = mesh.primitives[0].targets
    return list(mesh.extras["targetNames"]), np.stack([positions(target["POSITION"]) for target in targets])
