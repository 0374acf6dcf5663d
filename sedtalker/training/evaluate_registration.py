"""How well registration finds faces and carries shapes: heads with known truth, another artist's shapes, no heads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.catalogue import load_face
from sedtalker.face.face import Face
from sedtalker.face.files import read_mesh
from sedtalker.face.landmarks.views import View, rasterise
from sedtalker.face.quality import inverted_share, judge
from sedtalker.face.registration import RegistrationReport, register
from sedtalker.training.registration_targets import Head, no_heads, other_heads, random_identities, reference_source

Values = NDArray[np.floating]
Row = dict[str, Any]

IDENTITIES = 27
LARGEST_LANDMARK_ERROR = 0.1
"""Of the outer-eye-corner distance: mean over the 51 inner landmarks. Above, the face was not found rightly."""
LARGEST_TURN = 15.0
"""Degrees between the found and the true upright position."""
UNGRADED = ("tongueOut",)
"""Shapes that the reference rig does not have."""


def evaluate_registration(
    data: Path, identities: int = IDENTITIES, seed: int = 0, report: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """All figures that need no more than the data; each target's own under ``heads``.

    ``auto_success``: share of the targets that are registered with the face in its true place, without any help;
    ``refused``: share of the things without a face that are refused. Identities take their shapes from the mean head of
    their own rig, other heads from the built-in face. ``transfer_error``: RMS error of the offsets relative to the true
    offsets' RMS over the skin, inside of mouth and eye sockets included, mean over the shapes and the identities;
    ``transfer_cosine`` their cosine; ``transfer_cosine_foreign`` the cosine with another artist's shapes for the same
    head. ``lip_gap``, ``blink_gap``: millimetres that closed lips and lids leave open, the mean and (``_worst``) the
    worst head; ``eyeball_seen``: of what is seen of the eyeballs from the front, the share that a blink leaves,
    likewise; ``inverted``: share of skin triangles that a shape turns over.

    Args:
        data: the training data folder.
        identities: how many random people of the reference rig.
        seed: of people, rotations and units.
        report: gets a line for each target.

    Raises:
        InputError: the reference rig or the test meshes are missing.
    """
    builtin, reference = load_face(), reference_source(data)
    rows = [
        measure(head, source, report)
        for head, source in chain(
            ((head, reference) for head in random_identities(data, identities, seed)),
            ((head, builtin) for head in other_heads(data, seed)),
        )
    ]
    refused = {name: refuses(mesh, builtin, name) for name, mesh in no_heads(data).items()}
    report(f"refused {sum(refused.values())} of {len(refused)}")
    return {
        "targets": len(rows),
        "auto_success": _mean(float(row["success"]) for row in rows),
        "no_faces": len(refused),
        "refused": _mean(float(value) for value in refused.values()),
        **summary(rows),
        **foreign(data, builtin),
        "heads": rows,
        "not_refused": [name for name, value in refused.items() if not value],
    }


def summary(rows: list[Row]) -> dict[str, float]:
    """Means over the registered heads, and the worst gaps."""
    found: dict[str, float] = {}
    for key in ("transfer_error", "transfer_error_after_gain", "transfer_cosine", "landmark_error", "score"):
        found[key] = _mean(row[key] for row in rows if row.get(key) is not None)
    for key in ("lip_gap", "blink_gap", "eyeball_seen"):
        values = [row[key] for row in rows if row.get(key) is not None]
        found |= {key: _mean(values), f"{key}_worst": max(values, default=float("nan"))}
    found["inverted"] = _mean(row["inverted"] for row in rows if "inverted" in row)
    found["inverted_worst"] = max((row["inverted"] for row in rows if "inverted" in row), default=float("nan"))
    found["seconds"] = _mean(row["seconds"] for row in rows)
    return found


def measure(head: Head, source: Face, report: Callable[[str], None] = lambda line: None) -> Row:
    """Register one head: did it succeed, how good is it, how long did it take."""
    row: Row = {"name": head.name, "kind": head.kind, "vertices": len(head.mesh.vertices), "success": False}
    started = time.monotonic()
    try:
        face, found = register(head.mesh, source, head.name)
    except InputError as error:
        report(f"{head.name}: {error}")
        return {**row, "error": str(error), "seconds": time.monotonic() - started}
    row["seconds"] = time.monotonic() - started
    row["turn"] = turn_error(head, found)
    row["landmark_error"] = None if head.landmarks is None else landmark_error(head, face, found)
    row["success"] = row["turn"] < LARGEST_TURN and (row["landmark_error"] or 0.0) < LARGEST_LANDMARK_ERROR
    row |= {
        "score": judge(face, found).score,
        "fit_residual": found.fit_residual,
        "mouth_opens": found.mouth_opens,
        "eyes_found": all(found.eyes_found),
        "lip_gap": found.lip_gap,
        "blink_gap": found.blink_gap,
        "eyeball_seen": eyeball_seen(face),
        "inverted": inverted_share(face),
    }
    if head.offsets is not None:
        row |= transfer(head, face, found)
    graded = f", error {row['transfer_error']:.3f}" if "transfer_error" in row else ""
    report(f"{head.name}: {'found' if row['success'] else 'WRONG'}, score {row['score']:.2f}{graded}")
    return row


def eyeball_seen(face: Face, size: int = 300) -> float | None:
    """Of what is seen of the eyeballs from the front, the share that a full blink leaves; None without open eyes."""
    assert face.landmarks is not None
    marks = face.mesh.vertices[face.landmarks].astype(np.float64)
    is_eye = np.asarray(face.regions["eyes"][face.mesh.triangles].all(axis=1))
    closed = face.basis[face.shape_index["eyeBlinkRight"]] + face.basis[face.shape_index["eyeBlinkLeft"]]
    seen = np.zeros(2)
    for inner, outer in ((39, 36), (42, 45)):
        view = View(np.eye(3), marks[[inner, outer]].mean(0), 0.6 * float(np.linalg.norm(marks[inner] - marks[outer])))
        for k, vertices in enumerate((face.mesh.vertices, face.mesh.vertices + closed)):
            ids, _ = rasterise(view.project(vertices), face.mesh.triangles, size)
            seen[k] += float((is_eye[ids] & (ids >= 0)).sum())
    return float(seen[1] / seen[0]) if seen[0] > 0.001 * size**2 else None


def turn_error(head: Head, found: RegistrationReport) -> float:
    """Degrees between the found and the true upright position."""
    rest = np.asarray(found.rotation) @ head.rotation
    return float(np.degrees(np.arccos(np.clip((np.trace(rest) - 1) / 2, -1, 1))))


def landmark_error(head: Head, face: Face, found: RegistrationReport) -> float:
    """Mean distance of the 51 inner landmarks from the true ones, in outer-eye-corner distances."""
    assert head.landmarks is not None
    assert face.landmarks is not None
    true = found.scale * head.landmarks @ np.asarray(found.rotation).T + found.translation
    distance = np.linalg.norm(face.mesh.vertices[face.landmarks] - true, axis=1)[17:]
    return float(distance.mean() / np.linalg.norm(true[45] - true[36]))


def transfer(head: Head, face: Face, found: RegistrationReport) -> dict[str, float]:
    """Figures of all shapes' offsets against the true ones, means over the shapes."""
    assert head.offsets is not None
    turn = (found.scale * np.asarray(found.rotation)).astype(np.float32)
    rows = [
        compare(face.basis[k][head.skin], head.offsets[k][head.skin] @ turn.T)
        for name, k in face.shape_index.items()
        if name not in UNGRADED
    ]
    return {key: _mean(row[key] for row in rows) for key in rows[0]}


def compare(offset: Values, truth: Values) -> dict[str, float]:
    """Relative RMS error, the same after the best gain, and cosine of one shape's offsets (V, 3)."""
    size, dot = float(np.linalg.norm(truth)) + 1e-12, float((offset * truth).sum())
    gain = dot / (float((offset**2).sum()) + 1e-24)
    return {
        "transfer_error": float(np.linalg.norm(offset - truth)) / size,
        "transfer_error_after_gain": float(np.linalg.norm(gain * offset - truth)) / size,
        "transfer_cosine": dot / (size * float(np.linalg.norm(offset)) + 1e-24),
    }


def foreign(data: Path, source: Face) -> dict[str, Any]:
    """Cosine with another artist's ARKit shapes for the same head; each shape's under ``foreign_shapes``."""
    from sedtalker.datasets.morph_targets import read_morph_targets

    folder = data / "face" / "test_meshes"
    face, found = register(read_mesh(folder / "mh_head.obj"), source, "mh_head")
    names, offsets = read_morph_targets(folder / "mh_head_arkit52.glb")
    turn = found.scale * np.asarray(found.rotation)
    cosines = {
        name: compare(face.basis[face.shape_index[name]], offset @ turn.T)["transfer_cosine"]
        for name, offset in zip(names, offsets, strict=True)
        if name in face.shape_index and np.abs(offset).max() > 0
    }
    return {"transfer_cosine_foreign": _mean(cosines.values()), "foreign_shapes": cosines}


def refuses(mesh: Any, source: Face, name: str) -> bool:
    """Whether registration says that there is no face."""
    try:
        register(mesh, source, name)
    except InputError:
        return True
    return False


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")
