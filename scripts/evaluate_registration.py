"""Measure registration: same-rig truth on random identities, another artist's shapes, and refusal of non-faces.

python scripts/evaluate_registration.py --data ../shared/data --json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, ict_to_arkit
from sedtalker.face.face import Face
from sedtalker.face.files import read_mesh
from sedtalker.face.landmarks.rigs import load_reference_rig
from sedtalker.face.landmarks.samples import Rig, random_rotation
from sedtalker.face.landmarks.views import turn
from sedtalker.face.mesh import Floats, Ints, Mesh, from_triangles
from sedtalker.face.registration import register

Values = NDArray[np.floating]


def rig_face(data: Path, rig: Rig) -> Face:
    """The reference rig as a source face, in metres."""
    with np.load(data / "face" / "ict_lite.npz", allow_pickle=False) as file:
        masks = {key[5:]: file[key].astype(bool) for key in file.files if key.startswith("mask_")}
    basis = np.zeros((52, len(rig.neutral), 3), np.float32)
    for name, offset in zip(rig.expression_names, rig.expressions, strict=True):
        basis[ARKIT_52.index(ict_to_arkit(name))] += 0.01 * offset
    turn_eyes(basis, rig)
    basis[ARKIT_52.index("tongueOut"), masks["tongue"]] = (0, -0.003, 0.02)
    inside = masks["eyeball"] | masks["teeth"] | masks["gums"] | masks["tongue"]
    regions = {**masks, "eyes": masks["eyeball"], "skin": ~inside}
    mesh = from_triangles((0.01 * rig.neutral).astype(np.float32), rig.topologies[0])
    return Face("reference", mesh, ARKIT_52, basis, (), regions, rig.landmarks, np.array([0, -0.07, -0.01], np.float32))


def turn_eyes(basis: Floats, rig: Rig) -> None:
    """Let the eyeballs follow the eyeLook shapes, which in the reference only move the lids."""
    for side, sign in (("Left", 1), ("Right", -1)):
        eye = rig.eyes & (sign * rig.neutral[:, 0] > 0)
        local = 0.01 * (rig.neutral[eye] - rig.neutral[eye].mean(0))
        for word, yaw, pitch in (("In", -30 * sign, 0), ("Out", 30 * sign, 0), ("Up", 0, 25), ("Down", 0, -25)):
            basis[ARKIT_52.index(f"eyeLook{word}{side}"), eye] = local @ (turn(yaw, pitch).T - np.eye(3))


def identity_target(rig: Rig, rng: np.random.Generator) -> tuple[Mesh, Ints]:
    """A random identity, rotated, scaled and shifted, its vertices shuffled, some refined, some without interior.

    Returns the mesh and the two rig vertices (V, 2) whose mean each of its vertices is.
    """
    weights = np.clip(rng.normal(size=len(rig.identity)), -2.5, 2.5).astype(np.float32)
    vertices = rig.neutral + np.tensordot(weights, rig.identity, 1)
    triangles = rig.topologies[0]
    if rng.random() < 0.3:
        triangles = triangles[~(rig.eyes | rig.mouth_inside)[triangles].any(axis=1)]
    ends = np.repeat(np.arange(len(vertices))[:, None], 2, axis=1)
    if rng.random() < 0.25:
        ends, triangles = refine(len(vertices), triangles)
    order = rng.permutation(len(ends))
    ends, triangles = ends[order], np.argsort(order)[triangles].astype(np.int32)
    placed = np.exp(rng.uniform(-5, 5)) * vertices[ends].mean(axis=1) @ random_rotation(rng).T + rng.normal(size=3) * 10
    return from_triangles(placed.astype(np.float32), triangles), ends


def refine(count: int, triangles: Ints) -> tuple[Ints, Ints]:
    """Each triangle split in four: end points (V, 2) of the new vertices' edges, and triangles."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, index = np.unique(sides, axis=0, return_inverse=True)
    ab, bc, ca = (index.reshape(-1, 3) + count).T
    a, b, c = triangles.T
    split = np.stack([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]).transpose(0, 2, 1).reshape(-1, 3)
    return np.concatenate([np.repeat(np.arange(count)[:, None], 2, axis=1), edges]), split.astype(np.int32)


def similarity_to(moving: Values, fixed: Values) -> tuple[float, Values]:
    """Scale and rotation of the least-squares similarity between corresponding points."""
    a, b = moving - moving.mean(0), fixed - fixed.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    return float(s.sum() / (a**2).sum()), u @ vt


def compare(found: Values, truth: Values) -> dict[str, float]:
    """Relative RMS error, the same after the best gain, and cosine of one shape's offsets (V, 3)."""
    size, dot = float(np.linalg.norm(truth)) + 1e-12, float((found * truth).sum())
    gain = dot / (float((found**2).sum()) + 1e-24)
    return {
        "error": float(np.linalg.norm(found - truth)) / size,
        "error_after_gain": float(np.linalg.norm(gain * found - truth)) / size,
        "cosine": dot / (size * float(np.linalg.norm(found)) + 1e-24),
    }


def same_rig(data: Path, count: int, seed: int) -> dict[str, Any]:
    """Transfer from the rig's mean head to its own identities, whose true offsets are known."""
    rig, rng = load_reference_rig(data / "face" / "ict_lite.npz"), np.random.default_rng(seed)
    source = rig_face(data, rig)
    rows, failed, seconds, angles, scales = [], 0, [], [], []
    for _ in range(count):
        mesh, ends = identity_target(rig, rng)
        started = time.monotonic()
        try:
            face, report = register(mesh, source, "target")
        except InputError:
            failed += 1
            continue
        seconds.append(time.monotonic() - started)
        used = np.unique(mesh.triangles)
        skin = used[source.regions["skin"][ends[used]].all(axis=1)]
        scale, rotation = similarity_to(mesh.vertices[used].astype(np.float64), rig.neutral[ends[used]].mean(axis=1))
        turn = np.asarray(report.rotation) @ rotation.T
        angles.append(float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))))
        scales.append(100 * report.scale / scale)
        for k in range(51):
            truth = 100 * report.scale / scale * (source.basis[k][ends[skin]].mean(axis=1) @ turn.T)
            rows.append(compare(face.basis[k][skin], truth))
    mean = {key: float(np.mean([row[key] for row in rows])) for key in ("error", "error_after_gain", "cosine")}
    return {
        "targets": count, "auto_success": 1 - failed / count, "transfer_error": mean["error"], **mean,
        "rotation_degrees": float(np.mean(angles)), "scale_spread": float(np.std(np.log(scales))),
        "seconds": float(np.mean(seconds)),
    }  # fmt: skip


def read_morph_targets(path: Path) -> tuple[list[str], Floats]:
    """Names (K,) and offsets (K, V, 3) of a GLB whose primitives share one vertex buffer."""
    from pygltflib import GLTF2

    file = GLTF2().load(str(path))
    blob = file.binary_blob()
    mesh = file.meshes[0]

    def floats(accessor: int) -> Floats:
        entry = file.accessors[accessor]
        out = np.zeros((entry.count, 3), np.float32)
        if entry.bufferView is not None:
            view = file.bufferViews[entry.bufferView]
            start = (view.byteOffset or 0) + (entry.byteOffset or 0)
            out[:] = np.frombuffer(blob, np.float32, entry.count * 3, start).reshape(-1, 3)
        if entry.sparse is not None:
            kinds = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32}
            where, what = entry.sparse.indices, entry.sparse.values
            i = file.bufferViews[where.bufferView].byteOffset or 0
            v = file.bufferViews[what.bufferView].byteOffset or 0
            index = np.frombuffer(blob, kinds[where.componentType], entry.sparse.count, i + (where.byteOffset or 0))
            out[index] = np.frombuffer(blob, np.float32, 3 * entry.sparse.count, v + (what.byteOffset or 0)).reshape(
                -1, 3
            )
        return out

    targets = mesh.primitives[0].targets
    return list(mesh.extras["targetNames"]), np.stack([floats(t["POSITION"]) for t in targets])


def foreign(data: Path, source: Face) -> dict[str, Any]:
    """Transfer to a head of another topology, against another artist's shapes for it."""
    folder = data / "face" / "test_meshes"
    mesh = read_mesh(folder / "mh_head.obj")
    started = time.monotonic()
    face, report = register(mesh, source, "mh_head")
    seconds = time.monotonic() - started
    names, offsets = read_morph_targets(folder / "mh_head_arkit52.glb")
    turn = report.scale * np.asarray(report.rotation)
    rows = {}
    for name, offset in zip(names, offsets, strict=True):
        if name in face.shape_index and np.abs(offset).max() > 0:
            rows[name] = compare(face.basis[face.shape_index[name]], offset @ turn.T)
    return {
        "transfer_cosine_foreign": float(np.mean([row["cosine"] for row in rows.values()])),
        "error_after_gain": float(np.mean([row["error_after_gain"] for row in rows.values()])),
        "seconds": seconds,
        "shapes": {name: round(row["cosine"], 3) for name, row in rows.items()},
        "fit_residual": report.fit_residual,
        "blink_gap": report.blink_gap,
        "lip_gap": report.lip_gap,
    }


def refusals(data: Path, source: Face) -> dict[str, bool]:
    """Which things that are no faces are refused."""
    import trimesh

    solids = {
        "sphere": trimesh.creation.icosphere(3), "box": trimesh.creation.box().subdivide().subdivide().subdivide(),
        "torus": trimesh.creation.torus(1.0, 0.4), "capsule": trimesh.creation.capsule(),
    }  # fmt: skip
    meshes = {
        k: from_triangles(np.asarray(s.vertices, np.float32), np.asarray(s.faces, np.int32)) for k, s in solids.items()
    }
    for name in ("suzanne.obj", "robot_expressive.glb"):
        meshes[name] = read_mesh(data / "face" / "test_meshes" / name)
    refused = {}
    for name, mesh in meshes.items():
        try:
            register(mesh, source, name)
            refused[name] = False
        except InputError:
            refused[name] = True
    return refused


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SEDTALKER_DATA", "../shared/data")))
    parser.add_argument("--targets", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--source", choices=("reference", "builtin"), default="reference", help="face of the foreign test"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    source = rig_face(arguments.data, load_reference_rig(arguments.data / "face" / "ict_lite.npz"))
    if arguments.source == "builtin":
        from sedtalker.face.builtin import load_builtin

        source = load_builtin()
    result = {
        "same_rig": same_rig(arguments.data, arguments.targets, arguments.seed),
        "foreign": foreign(arguments.data, source),
        "refused": refusals(arguments.data, source),
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        for part, figures in result.items():
            print(
                part,
                *(f"{key}={value}" for key, value in figures.items() if not isinstance(value, dict)),
                file=sys.stdout,
            )


if __name__ == "__main__":
    main()
