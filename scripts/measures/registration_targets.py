"""Targets of registration: surfaces in other triangles, heads with known truth, and things that are no heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, identity, vstack
from scipy.spatial import cKDTree

from sedtalker.arrays import Floats, Ints
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, ict_to_arkit
from sedtalker.face.builtin import FACES, load_face
from sedtalker.face.builtin.parts import GAZE_ANGLES, gaze_rotation
from sedtalker.face.face import Face
from sedtalker.face.registration.alignment import barycentric
from sedtalker.mesh.files import read_mesh
from sedtalker.mesh.mesh import Mesh, from_triangles, grid_triangles
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import label_components, point_normals, triangle_normals
from sedtalker.training.corpora.landmark_samples import Rig, random_rotation, sphere, stylise, torus
from sedtalker.training.tasks.landmarks import load_reference_rig

Points = NDArray[np.float64]
CENTIMETRE = 0.01
"""Metres; the rig's files are in centimetres."""


@contextmanager
def opened_rig(data: Path, name: str = "ict_lite.npz") -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of a file of the reference rig (MIT, USC Institute for Creative Technologies), in centimetres.

    Raises:
        InputError: it is missing.
    """
    path = data / "face" / name
    if not path.is_file():
        raise InputError(f"{path}: the reference rig is missing")
    with np.load(path, allow_pickle=False) as rig:
        yield rig


def rig_offsets(rig: Mapping[str, NDArray[Any]], unit: float = 1.0) -> Floats:
    """(52, V, 3) what each ARKit shape moves, times ``unit``; halves of a shape that the rig splits are added."""
    own = rig["arkit_names"] if "arkit_names" in rig else map(ict_to_arkit, rig["expression_names"].tolist())
    offsets = np.zeros((len(ARKIT_52), *rig["neutral"].shape), np.float32)
    for name, delta in zip(own, rig["expression_deltas"], strict=True):
        offsets[ARKIT_52.index(str(name))] += unit * delta.astype(np.float32)
    return offsets


def rig_masks(rig: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.bool_]]:
    """(V,) vertices of each region."""
    return {name.removeprefix("mask_"): rig[name].astype(bool) for name in rig if name.startswith("mask_")}


def read_reference_rig(data: Path) -> Face:
    """The light reference rig in metres; it has no tongueOut."""
    with opened_rig(data) as rig:
        mesh = from_triangles(rig["neutral"].astype(np.float32) * CENTIMETRE, rig["triangles"].astype(np.int32))
        basis, landmarks = rig_offsets(rig, CENTIMETRE), rig["landmarks68"].astype(np.int32)
        return Face("ICT-FaceKit light", mesh, ARKIT_52, basis, (), rig_masks(rig), landmarks)


def with_turning_eyes(rig: Face) -> Face:
    """The reference rig with eyeballs that follow its eyeLook shapes, which in its file move only the lids."""
    basis, vertices = rig.basis.copy(), rig.mesh.vertices
    for name in GAZE_ANGLES:
        eye = rig.regions["eyeball"] & ((vertices[:, 0] > 0) == name.endswith("Left"))
        centre = (vertices[eye].min(axis=0) + vertices[eye].max(axis=0)) / 2
        basis[rig.shape_index[name], eye] = (vertices[eye] - centre) @ (gaze_rotation(name).T - np.eye(3))
    return replace(rig, basis=basis)


def cut(kind: str, rest: Points, triangles: Ints, rng: np.random.Generator) -> tuple[csr_matrix, Ints]:
    """The same surface in other triangles, its vertices in random order.

    ``refined``: each triangle in four; ``split``: a vertex amid each triangle and the old edges flipped; ``remeshed``:
    split, then thinned to 20,000 triangles; a number: thinned to so many; others: as it is.

    Args:
        rest: (V, 3) positions; triangles: (T, 3) into them.

    Returns:
        the mean (V', V) that makes new vertices of old ones, and triangles into the new ones.
    """
    mean = identity(len(rest), format="csr")
    if kind == "refined":
        mean, triangles = refine(len(rest), triangles)
    elif kind.endswith("split") or kind == "remeshed":
        mean, triangles = split(len(rest), triangles)
    if kind.isdigit() or kind == "remeshed":
        thinned, triangles = thin(mean @ rest, triangles, int(kind) if kind.isdigit() else 20_000)
        mean = thinned @ mean
    order = rng.permutation(np.unique(triangles))
    place = np.full(mean.shape[0], -1, np.int32)
    place[order] = np.arange(len(order))
    return mean[order], place[triangles]


def thin(rest: Points, triangles: Ints, count: int) -> tuple[csr_matrix, Ints]:
    """Edges collapsed by quadric error (Garland & Heckbert 1997) down to ``count`` triangles; returns as ``cut``."""
    import igl

    new, faces, _, birth = igl.qslim(rest, triangles.astype(np.int64), count)
    new, faces = np.asarray(new), np.asarray(faces).astype(np.int32)
    part = label_components(len(rest), triangles)
    # Lips, lids and eyes lie against each other: only places of the same piece that face the same way are meant.
    normals, facing = point_normals(new, faces), triangle_normals(rest, triangles)
    _, near = cKDTree(rest[triangles].mean(axis=1)).query(new, k=48)
    corners = triangles[near].reshape(-1, 3)
    weights = barycentric(np.repeat(new, 48, axis=0), rest, corners).reshape(*near.shape, 3)
    places = (rest[corners].reshape(*near.shape, 3, 3) * weights[..., None]).sum(axis=2)
    distance = np.linalg.norm(places - new[:, None], axis=2)
    distance[(facing[near] * normals[:, None]).sum(axis=2) < 0.3] += 1.0
    distance[part[triangles[near, 0]] != part[np.asarray(birth)][:, None]] += 10.0
    best = np.argmin(distance, axis=1)
    rows, each = np.arange(0, 3 * len(new) + 1, 3), np.arange(len(new))
    chosen, share = triangles[near[each, best]], weights[each, best]
    return csr_matrix((share.reshape(-1), chosen.reshape(-1), rows), shape=(len(new), len(rest))), faces


def refine(count: int, triangles: Ints) -> tuple[csr_matrix, Ints]:
    """Each triangle in four, by the middles of its edges; returns as ``cut``."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, index = np.unique(sides, axis=0, return_inverse=True)
    ab, bc, ca = (index.reshape(-1, 3) + count).T
    a, b, c = triangles.T
    fine = np.stack([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]).transpose(0, 2, 1).reshape(-1, 3)
    return vstack([identity(count), _means(edges, count)]).tocsr(), fine.astype(np.int32)


def split(count: int, triangles: Ints) -> tuple[csr_matrix, Ints]:
    """A vertex amid each triangle, joined across the old edges (Kobbelt 2000, not smoothed); returns as ``cut``."""
    ends = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    middle = count + np.repeat(np.arange(len(triangles)), 3)
    _, index, uses = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(index.reshape(-1), kind="stable")
    inner = uses[index.reshape(-1)[order]] == 2
    first, second = order[inner].reshape(-1, 2).T
    lone = order[~inner]
    fine = [
        np.stack([ends[first, 0], middle[second], middle[first]], axis=1),
        np.stack([ends[first, 1], middle[first], middle[second]], axis=1),
        np.stack([ends[lone, 0], ends[lone, 1], middle[lone]], axis=1),
    ]
    return vstack([identity(count), _means(triangles, count)]).tocsr(), np.concatenate(fine).astype(np.int32)


def _means(corners: Ints, count: int) -> csr_matrix:
    """Rows (N, count) that take the mean of some old vertices (N, k)."""
    n, k = corners.shape
    return csr_matrix((np.full(n * k, 1.0 / k), corners.reshape(-1), np.arange(0, n * k + 1, k)), shape=(n, count))


# --- Heads whose true landmarks and shapes are known, in topologies of their own, and things that are no heads.

UNITS = (1.0, 10.0, 100.0, 1000.0)
"""File units in a metre of metres, decimetres, centimetres and millimetres."""
KINDS = ("same", "refined", "full", "12000", "split", "4000", "full split", "remeshed", "2000")
"""How an identity's surface is cut into triangles: as the light or the full rig has it, or as ``cut`` says."""
STYLISED = 6
"""Stylised people."""
LOW_POLY_TRIANGLES = 950
"""Triangles of the coarse head, before its mouth's inside is left out."""


@dataclass(frozen=True, eq=False)
class Head:
    """A head to register, in the file's coordinates.

    Attributes:
        name, kind: what to call it; what sort of target it is.
        mesh: what registration gets.
        rotation, scale: from upright metres to the file's coordinates: ``scale · rotation @ x + shift``.
        landmarks: (68, 3) true positions, or None where nobody marked them.
        offsets: (52, V, 3) true shape offsets, or None; skin: (V,) where they are compared.
    """

    name: str
    kind: str
    mesh: Mesh
    rotation: Points
    scale: float
    landmarks: Points | None = None
    offsets: Floats | None = None
    skin: NDArray[np.bool_] | None = None


def reference_source(data: Path) -> Face:
    """The light reference rig as a face to take shapes from, with eyes that turn and a tongue that comes out.

    Raises:
        InputError: the file is missing.
    """
    rig = with_turning_eyes(read_reference_rig(data))
    basis = rig.basis.copy()
    basis[rig.shape_index["tongueOut"], rig.regions["tongue"]] = (0, -0.003, 0.02)
    regions = {**rig.regions, "eyes": rig.regions["eyeball"], "skin": _outside(rig.regions)}
    return replace(rig, basis=basis, regions=regions, pivot=np.array([0, -0.07, -0.01], np.float32))


def _outside(regions: dict[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return ~(regions["eyeball"] | regions["teeth"] | regions["gums"] | regions["tongue"])


@dataclass(frozen=True, eq=False)
class _Identities:
    """A rig at one resolution: neutral (V, 3), identity modes (30, V, 3) and offsets (52, V, 3) in metres.

    ``skin`` and ``solid`` (V,): neither inside mouth nor eyeball; no lashes, tear ducts and shells over the eyes.
    """

    neutral: Points
    modes: Floats
    offsets: Floats
    triangles: Ints
    skin: NDArray[np.bool_]
    solid: NDArray[np.bool_]
    landmarks: Ints


def _read_identities(data: Path, name: str) -> _Identities:
    with opened_rig(data, name) as rig:
        neutral = CENTIMETRE * rig["neutral"].astype(np.float64)
        if "mask_skin" in rig:
            skin = _outside(rig_masks(rig))
            solid = np.ones(len(neutral), bool)
        else:
            ranges = dict(zip(rig["region_names"].tolist(), rig["region_vertex_range"].tolist(), strict=True))
            skin = np.arange(len(neutral)) < ranges["eye_socket_R"][1]
            solid = np.arange(len(neutral)) < ranges["eyeball_R"][1]
        return _Identities(
            neutral,
            CENTIMETRE * rig["identity_deltas"].astype(np.float32),
            rig_offsets(rig, CENTIMETRE),
            rig["triangles"].astype(np.int32),
            skin,
            solid,
            rig["landmarks68"],
        )


def random_identities(data: Path, count: int, seed: int) -> Iterator[Head]:
    """Random people of the reference rig: each of another topology, rotation, size and unit.

    Identity coefficients are standard normal, within ±2.5. In one of three teeth, tongue and eyeballs are missing.
    """
    light, full = (_read_identities(data, name) for name in ("ict_lite.npz", "ict_full.npz"))
    rng = np.random.default_rng(seed)
    for k in range(count):
        kind = KINDS[k % len(KINDS)]
        rig = light if kind in ("same", "refined", "split") else full
        triangles = rig.triangles[rig.solid[rig.triangles].all(axis=1)] if kind.isdigit() else rig.triangles
        if (k + k // len(KINDS)) % 3 == 1:
            triangles = triangles[rig.skin[triangles].all(axis=1)]
        weights = np.clip(rng.normal(size=len(rig.modes)), -2.5, 2.5).astype(np.float32)
        person = rig.neutral + np.tensordot(weights, rig.modes, 1)
        mean, triangles = cut(kind, rig.neutral, triangles, rng)
        rotation = random_rotation(rng)
        scale = float(rng.choice(UNITS) if rng.random() < 0.5 else 100 * np.exp(rng.uniform(-5, 5)))
        shift = rng.normal(size=3) * 0.5 * scale

        def place(points: Points, scale: float = scale, rotation: Points = rotation, shift: Points = shift) -> Points:
            return scale * points @ rotation.T + shift

        flat = rig.offsets.transpose(1, 0, 2).reshape(len(person), -1)
        moved = (mean @ flat).reshape(mean.shape[0], -1, 3).transpose(1, 0, 2)
        yield Head(
            f"identity {k} ({kind})",
            kind,
            from_triangles(place(mean @ person).astype(np.float32), triangles),
            rotation,
            scale,
            place(person[rig.landmarks]),
            np.asarray(scale * moved @ rotation.T.astype(np.float32), np.float32),
            np.asarray(mean @ (~rig.skin).astype(float) == 0),
        )


def other_heads(data: Path, seed: int) -> Iterator[Head]:
    """Built-in characters, stylised people, a head of another hand, and what is hard about files, each turned about."""
    rng = np.random.default_rng(seed + 1)
    for name in FACES:
        face = load_face(name)
        yield _turned(f"{name} (built in)", "character", face.mesh, rng, face.landmarks)
    rig = load_reference_rig(data / "face" / "ict_lite.npz")
    for k in range(STYLISED):
        yield _stylised(f"stylised {k}", rig, rng)
    yield from _of_another_hand(data, rng)
    yield _low_poly(rig, rng)
    yield _scan(rig, rng)
    marks = CENTIMETRE * rig.neutral[rig.landmarks]
    yield _turned("dense", "dense", dense_head(data, 200_000), rng, points=marks)


def _of_another_hand(data: Path, rng: np.random.Generator) -> Iterator[Head]:
    other = read_mesh(data / "face" / "test_meshes" / "mh_head.obj")
    yield Head("mh_head", "other hand", other, np.eye(3), 1.0)
    yield _turned("mh_head, turned", "other hand", other, rng)
    yield _turned("mh_head, inside-out", "inside-out", from_triangles(other.vertices, other.triangles[:, ::-1]), rng)
    mirrored = other.vertices * np.array([-1, 1, 1], np.float32)
    yield _turned("mh_head, mirrored", "mirrored", from_triangles(mirrored, other.triangles), rng)


def _low_poly(rig: Rig, rng: np.random.Generator) -> Head:
    """A head without a mouth's inside in about 500 vertices."""
    outside = rig.topologies[0][~rig.mouth_inside[rig.topologies[0]].any(axis=1)]
    mean, triangles = cut(str(LOW_POLY_TRIANGLES), rig.neutral, outside, rng)
    mesh = from_triangles((mean @ rig.neutral).astype(np.float32), triangles)
    return _turned("low-poly", "low-poly", mesh, rng, points=rig.neutral[rig.landmarks], size=CENTIMETRE)


def _person(rig: Rig, rng: np.random.Generator) -> tuple[Points, Points]:
    """Vertices and landmarks of a random person."""
    weights = np.clip(rng.normal(size=len(rig.identity)), -2.5, 2.5).astype(np.float32)
    person = rig.neutral + np.tensordot(weights, rig.identity, 1)
    return person, person[rig.landmarks]


def _scan(rig: Rig, rng: np.random.Generator, size: int = 260) -> Head:
    """What a depth camera sees of a person: one sheet, its lips and eyes without openings."""
    person, landmarks = _person(rig, rng)
    view = View(np.eye(3), landmarks[30], 14.0)
    ids, depth = rasterise(view.project(person), rig.topologies[0], size)
    rows, columns = np.nonzero(ids >= 0)
    index = np.full((size, size), -1)
    index[rows, columns] = np.arange(len(rows))
    flat = np.stack([(columns + 0.5) * 2 / size - 1, 1 - (rows + 0.5) * 2 / size, depth[rows, columns]], axis=1)
    points = flat * view.half_width + view.centre
    a, b, c, d = (index[i : size - 1 + i, j : size - 1 + j].ravel() for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    triangles = triangles[(triangles >= 0).all(axis=1)]
    triangles = triangles[np.ptp(points[triangles][:, :, 2], axis=1) < 3.0].astype(np.int32)
    mesh = from_triangles(points.astype(np.float32), triangles)
    return _turned("scan", "scan", mesh, rng, points=landmarks, size=CENTIMETRE)


def dense_head(data: Path, vertices: int) -> Mesh:
    """The reference head's skin, its triangles split in four until it has that many vertices, in metres."""
    rig = _read_identities(data, "ict_full.npz")
    triangles, points = rig.triangles[rig.skin[rig.triangles].all(axis=1)], rig.neutral
    while len(np.unique(triangles)) < vertices:
        mean, triangles = refine(len(points), triangles)
        points = mean @ points
    used, local = np.unique(triangles, return_inverse=True)
    return from_triangles(points[used].astype(np.float32), local.reshape(-1, 3).astype(np.int32))


def _stylised(name: str, rig: Rig, rng: np.random.Generator) -> Head:
    """A random person with other proportions of skull, eyes, nose, mouth and jaw."""
    person, landmarks = _person(rig, rng)
    moved = stylise(np.concatenate([person, landmarks]), landmarks, rng)
    mesh = from_triangles(moved[:-68].astype(np.float32), rig.topologies[0])
    return _turned(name, "stylised", mesh, rng, points=moved[-68:], size=CENTIMETRE)


def _turned(
    name: str,
    kind: str,
    mesh: Mesh,
    rng: np.random.Generator,
    landmarks: Ints | None = None,
    points: Points | None = None,
    size: float = 1.0,
) -> Head:
    """An upright mesh, ``size`` metres a unit, in a random rotation and place; true landmarks as vertices or points."""
    rotation, shift = random_rotation(rng), rng.normal(size=3) * 0.5 / size
    if landmarks is not None:
        points = mesh.vertices[landmarks].astype(np.float64)
    placed = mesh.with_vertices((mesh.vertices @ rotation.T + shift).astype(np.float32))
    return Head(name, kind, placed, rotation, 1.0 / size, None if points is None else points @ rotation.T + shift)


def no_heads(data: Path) -> dict[str, Mesh]:
    """Things that have no human face, by name."""
    ball, ring = sphere(20), torus(1.0, 0.4)
    ridges = ball[0] * (1 + 0.1 * np.sin(9 * ball[0][:, :1]) * np.cos(7 * ball[0][:, 1:2]))
    grid, faces = _height_field(lambda x, y: 0.2 * np.sin(3 * x) * np.cos(4 * y) + 0.1 * np.sin(11 * x + 5 * y))
    box = np.sign(ball[0]) * np.abs(ball[0]) ** 0.1
    capsule = ball[0] + np.sign(ball[0]) * (0, 1, 0)
    rig = _read_identities(data, "ict_lite.npz")
    behind = (rig.neutral[rig.triangles] @ (0, 0, 1) < 0.0).all(axis=1) & rig.skin[rig.triangles].all(axis=1)
    eyeball = rig.triangles[(~rig.skin)[rig.triangles].all(axis=1)]
    solids = {
        "sphere": ball, "torus": ring, "box": (box, ball[1]), "capsule": (capsule, ball[1]),
        "egg": (ball[0] * (0.7, 1.0, 0.8), ball[1]), "plate": (ball[0] * (1, 1, 0.02), ball[1]),
        "ridged ball": (ridges, ball[1]), "landscape": (grid, faces),
        "back of a head": (rig.neutral, rig.triangles[behind]), "teeth, tongue and eyes": (rig.neutral, eyeball),
    }  # fmt: skip
    meshes = {name: from_triangles(np.asarray(p, np.float32), t) for name, (p, t) in solids.items()}
    for file in ("suzanne.obj", "robot_expressive.glb"):
        meshes[file] = read_mesh(data / "face" / "test_meshes" / file)
    return meshes


def _height_field(height: Callable[[Points, Points], Points], side: int = 60) -> tuple[Points, Ints]:
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    points = np.stack([x.ravel(), y.ravel(), height(x, y).ravel()], axis=1)
    return points, grid_triangles(side, side)
