"""Reading exported files back, to compare them with what was written."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from sedtalker.arrays import Floats
from sedtalker.errors import InputError
from sedtalker.export.usd import JOINTS
from sedtalker.face.face import turn_head
from sedtalker.mesh.gltf import GltfFile, read_gltf
from sedtalker.mesh.mesh import Mesh, Scene

# --- Vertex caches.


@dataclass(frozen=True, eq=False)
class PointCache:
    """Absolute vertex positions (T, V, 3) float32 at ``times`` (T,) seconds."""

    times: NDArray[np.float64]
    points: Floats


def read_mdd(path: Path) -> PointCache:
    """All frames of an MDD file."""
    data = path.read_bytes()
    count, points = struct.unpack(">ii", data[:8])
    assert len(data) == 8 + 4 * count + 12 * count * points
    times = np.frombuffer(data[8 : 8 + 4 * count], dtype=">f4").astype(np.float64)
    values = np.frombuffer(data[8 + 4 * count :], dtype=">f4").astype(np.float32)
    return PointCache(times, values.reshape(count, points, 3))


def read_pc2(path: Path, fps: float) -> PointCache:
    """All samples of a PC2 file; ``fps`` turns its frames into seconds."""
    data = path.read_bytes()
    magic, version, points, start, step, count = struct.unpack("<12siiffi", data[:32])
    assert (magic, version) == (b"POINTCACHE2\0", 1)
    assert len(data) == 32 + 12 * count * points
    values = np.frombuffer(data[32:], dtype="<f4").astype(np.float32)
    return PointCache((start + step * np.arange(count)) / fps, values.reshape(count, points, 3))


def read_npy(path: Path) -> NDArray[np.float32]:
    """Vertices (T, V, 3) float32, mapped from the file."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    assert array.ndim == 3
    assert array.dtype == np.float32
    return array


# --- glTF.


class Turn(NamedTuple):
    """Rotation of a node: where it stands, its rotation at rest, its keys, and how far each vertex follows (V,)."""

    pivot: Floats
    rest: Rotation
    keys: Slerp
    times: NDArray[np.float64]
    followers: Floats


class GltfAnimation(NamedTuple):
    """A morphing mesh under turning nodes.

    Attributes:
        scene: the mesh at rest and its morph targets, in scene coordinates.
        times: (T,) seconds of the weight keys.
        weights: (T, K) float32, one column for each of ``scene.target_names``.
        turns: the turning nodes, whose parents stand still.
    """

    scene: Scene
    times: Floats
    weights: Floats
    turns: tuple[Turn, ...]

    def vertices(self, seconds: NDArray[np.floating]) -> Floats:
        """Vertices (t, W, 3) at times ``seconds`` (t,)."""
        at = np.clip(seconds, self.times[0], self.times[-1])
        weights = np.stack([np.interp(at, self.times, column) for column in self.weights.T], axis=1)
        points = self.scene.mesh.vertices + np.tensordot(weights, self.scene.targets, axes=(1, 0))
        for turn in self.turns:
            at = np.clip(seconds, turn.times[0], turn.times[-1])
            rotation = (turn.keys(at) * turn.rest.inv()).as_matrix()
            points = turn_head(points, rotation, turn.pivot, turn.followers)
        return points.astype(np.float32)


def read_glb_animation(path: Path) -> GltfAnimation:
    """The first animation of a glTF file with one morphing mesh: linear weights, and rotations of its parent nodes.

    Raises:
        InputError: no such animation, or a broken file.
    """
    scene, file = read_gltf(path), GltfFile(path)
    if not file.document.animations:
        raise InputError(f"{path}: there is no animation in it")
    animation = file.document.animations[0]
    try:
        times, weights = np.zeros(1), np.zeros((1, len(scene.target_names)))
        turns = []
        for channel in animation.channels:
            sampler = animation.samplers[channel.sampler]
            keys, values = file.accessor(sampler.input)[:, 0], file.accessor(sampler.output)
            if channel.target.path == "weights":
                times, weights = keys, values.reshape(len(keys), -1)
            elif channel.target.path == "rotation":
                turns.append(_turn(file, channel.target.node, keys, values, len(scene.mesh.vertices)))
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise InputError(f"{path}: a broken glTF animation") from None
    return GltfAnimation(scene, times.astype(np.float32), weights.astype(np.float32), tuple(turns))


def _turn(file: GltfFile, node: int, keys: NDArray[np.float64], values: NDArray[np.float64], count: int) -> Turn:
    document = file.document
    pivot = file.node_matrices()[node][:3, 3].astype(np.float32)
    rest = Rotation.from_quat(document.nodes[node].rotation or (0.0, 0.0, 0.0, 1.0))
    if len(keys) == 1:
        keys, values = np.array([keys[0], keys[0] + 1.0]), np.repeat(values, 2, axis=0)
    followers = np.ones(count, dtype=np.float32)
    if document.skins and node in document.skins[0].joints:
        attributes = document.meshes[0].primitives[0].attributes
        joints, weights = file.accessor(attributes.JOINTS_0), file.accessor(attributes.WEIGHTS_0)
        followers = (
            np.where(joints == document.skins[0].joints.index(node), weights, 0.0).sum(axis=1).astype(np.float32)
        )
    return Turn(pivot, rest, Slerp(keys, Rotation.from_quat(values)), keys, followers)


# --- USD.


@dataclass(frozen=True, eq=False)
class UsdAnimation:
    """A mesh that moves, by blend shapes and a head joint or by points.

    Attributes:
        mesh: the mesh at rest.
        times: (T,) seconds of the keys.
        target_names: (K,) blend shapes; empty where the points are sampled.
        targets: (K, V, 3) offsets.
        weights: (T, K).
        head: rotations of the head joint at ``times``, about ``pivot``; None where the points are sampled.
        followers: (V,) how far each vertex follows the head.
        pivot: (3,) the head joint at rest.
        points: (T, V, 3) where the points are sampled.
        audio: path of the sound as the file has it.
    """

    mesh: Mesh
    times: NDArray[np.float64]
    target_names: tuple[str, ...] = ()
    targets: Floats | None = None
    weights: Floats | None = None
    head: Slerp | None = None
    followers: Floats | None = None
    pivot: Floats | None = None
    points: Floats | None = None
    audio: str | None = None

    def vertices(self, seconds: NDArray[np.floating]) -> Floats:
        """Vertices (t, V, 3) at times ``seconds`` (t,), linear in between."""
        at = np.clip(seconds, self.times[0], self.times[-1])
        if self.points is not None:
            right = np.clip(np.searchsorted(self.times, at), 1, max(len(self.times) - 1, 1)) % len(self.times)
            left = np.maximum(right - 1, 0)
            step = np.where(right > left, self.times[right] - self.times[left], 1.0)
            share = ((at - self.times[left]) / step)[:, None, None]
            return ((1.0 - share) * self.points[left] + share * self.points[right]).astype(np.float32)
        assert self.targets is not None
        assert self.weights is not None
        assert self.head is not None
        assert self.followers is not None
        assert self.pivot is not None
        weights = np.stack([np.interp(at, self.times, column) for column in self.weights.T], axis=1)
        still = self.mesh.vertices + np.tensordot(weights, self.targets, axes=(1, 0))
        return turn_head(still, self.head(at).as_matrix(), self.pivot, self.followers)


def read_usd(path: Path) -> UsdAnimation:
    """What ``write_usd`` wrote.

    Raises:
        InputError: not a USD file, none of ours, or ``usd-core`` is not installed.
    """
    try:
        from pxr import Tf, Usd, UsdGeom, UsdMedia, UsdSkel
    except ImportError:
        raise InputError("USD needs the package usd-core: pip install 'sedtalker[usd]'") from None
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException:
        raise InputError(f"{path}: not a USD file, or a broken one") from None
    rate = stage.GetTimeCodesPerSecond()
    meshes = [UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    sounds = [UsdMedia.SpatialAudio(prim) for prim in stage.Traverse() if prim.IsA(UsdMedia.SpatialAudio)]
    motions = [UsdSkel.Animation(prim) for prim in stage.Traverse() if prim.IsA(UsdSkel.Animation)]
    if len(meshes) != 1 or UsdGeom.GetStageUpAxis(stage) != UsdGeom.Tokens.y:
        raise InputError(f"{path}: not a face that SEDTalker wrote")
    audio = sounds[0].GetFilePathAttr().Get().path if sounds else None
    mesh, samples = _usd_mesh(meshes[0]), meshes[0].GetPointsAttr().GetTimeSamples()
    if samples:
        points = np.stack([np.asarray(meshes[0].GetPointsAttr().Get(code)) for code in samples])
        return UsdAnimation(mesh, np.asarray(samples) / rate, points=points, audio=audio)
    if not motions:
        raise InputError(f"{path}: there is no animation in it")
    return _skinned(meshes[0], mesh, motions[0], rate, audio)


def _usd_mesh(source: Any) -> Mesh:
    from pxr import UsdGeom

    st = UsdGeom.PrimvarsAPI(source).GetPrimvar("st")
    has_uvs = st and st.HasValue()
    return Mesh(
        vertices=np.asarray(source.GetPointsAttr().Get(), dtype=np.float32),
        polygon_sizes=np.asarray(source.GetFaceVertexCountsAttr().Get(), dtype=np.int32),
        polygon_vertices=np.asarray(source.GetFaceVertexIndicesAttr().Get(), dtype=np.int32),
        uvs=np.asarray(st.Get(), dtype=np.float32) if has_uvs else None,
        polygon_uvs=np.asarray(st.GetIndices(), dtype=np.int32) if has_uvs else None,
    )


def _skinned(source: Any, mesh: Mesh, motion: Any, rate: float, audio: str | None) -> UsdAnimation:
    from pxr import UsdSkel

    binding = UsdSkel.BindingAPI(source.GetPrim())
    names = tuple(motion.GetBlendShapesAttr().Get())
    codes = motion.GetRotationsAttr().GetTimeSamples()
    targets = np.zeros((len(names), len(mesh.vertices), 3), dtype=np.float32)
    own = list(binding.GetBlendShapesAttr().Get())
    for name, place in zip(own, binding.GetBlendShapeTargetsRel().GetTargets(), strict=True):
        shape = UsdSkel.BlendShape(source.GetPrim().GetStage().GetPrimAtPath(place))
        rows = np.asarray(shape.GetPointIndicesAttr().Get(), dtype=np.int64)
        targets[names.index(name), rows] = np.asarray(shape.GetOffsetsAttr().Get(), dtype=np.float32)
    head = JOINTS.index("body/head")
    quaternions = []
    for code in codes:
        turn = motion.GetRotationsAttr().Get(code)[head]
        quaternions.append([*turn.GetImaginary(), turn.GetReal()])
    times = np.asarray(codes) / rate
    if len(times) == 1:
        keys, turns = np.array([times[0], times[0] + 1.0]), np.repeat(quaternions, 2, axis=0)
    else:
        keys, turns = times, np.asarray(quaternions)
    return UsdAnimation(
        mesh,
        times,
        target_names=names,
        targets=targets,
        weights=np.stack([np.asarray(motion.GetBlendShapeWeightsAttr().Get(code)) for code in codes]),
        head=Slerp(keys, Rotation.from_quat(turns)),
        followers=np.asarray(binding.GetJointWeightsPrimvar().Get(), dtype=np.float32).reshape(-1, 2)[:, head],
        pivot=np.asarray(motion.GetTranslationsAttr().Get()[head], dtype=np.float32),
        audio=audio,
    )


# --- FBX.


@dataclass(frozen=True)
class FbxRecord:
    """A record of an FBX file: its name, values and the records inside."""

    name: str
    values: list[Any]
    inner: list[FbxRecord] = field(default_factory=list)

    def all(self, name: str) -> list[FbxRecord]:
        """The records of that name inside."""
        return [record for record in self.inner if record.name == name]

    def value(self, name: str) -> Any:
        """The first value of the first record of that name inside."""
        return self.all(name)[0].values[0]

    def named(self, name: str) -> list[Any]:
        """The values of the property of that name."""
        return next(p.values[4:] for p in self.all("Properties70")[0].inner if p.values[0] == name)


def read_fbx_records(path: Path) -> FbxRecord:
    """All records of a binary FBX file of version 7.4."""
    data = path.read_bytes()
    assert data[:27] == b"Kaydara FBX Binary  \0\x1a\0" + struct.pack("<I", 7400)
    root, at = FbxRecord("", []), 27
    while (record := _fbx_record(data, at))[0] is not None:
        root.inner.append(record[0])
        at = record[1]
    assert (len(data) - 140) % 16 == 0, "the footer is aligned"
    return root


def _fbx_record(data: bytes, at: int) -> tuple[FbxRecord | None, int]:
    end, count, size, length = struct.unpack_from("<IIIB", data, at)
    if end == 0:
        return None, at + 13
    record = FbxRecord(data[at + 13 : at + 13 + length].decode(), [])
    place = at + 13 + length
    after = place + size
    for _ in range(count):
        value, place = _fbx_value(data, place)
        record.values.append(value)
    assert place == after
    while place < end:
        inner, place = _fbx_record(data, place)
        if inner is not None:
            record.inner.append(inner)
    assert place == end
    return record, end


def _fbx_value(data: bytes, at: int) -> tuple[Any, int]:
    kind, at = chr(data[at]), at + 1
    if kind in "SR":
        size = struct.unpack_from("<I", data, at)[0]
        raw = data[at + 4 : at + 4 + size]
        return (raw.decode() if kind == "S" else raw), at + 4 + size
    if kind in "dfli":
        count, packed, size = struct.unpack_from("<III", data, at)
        assert packed == 1
        values = np.frombuffer(
            zlib.decompress(data[at + 12 : at + 12 + size]), {"l": "<i8", "i": "<i4"}.get(kind, kind)
        )
        assert len(values) == count
        return values, at + 12 + size
    form = {"I": "<i", "L": "<q", "D": "<d"}[kind]
    return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)


@dataclass(frozen=True)
class FbxAnimation:
    """What ``write_fbx`` wrote, in centimetres.

    Attributes:
        root: all records.
        objects: by their numbers.
        links: (child, parent, property or None) of the connections.
    """

    root: FbxRecord
    objects: dict[int, FbxRecord]
    links: list[tuple[int, int, str | None]]

    def of(self, parent: int, kind: str, subkind: str | None = None) -> list[int]:
        """Numbers of the objects of a kind that belong to another or drive it."""
        below = [self.objects[child] for child, above, _ in self.links if above == parent]
        found = [o for o in below if o.name == kind and subkind in (None, o.values[2])]
        return [o.values[0] for o in found]

    def only(self, kind: str, subkind: str) -> int:
        """Number of the only object of a kind."""
        (found,) = [n for n, o in self.objects.items() if (o.name, o.values[2]) == (kind, subkind)]
        return found

    def curve(self, of: int, part: str) -> NDArray[np.float32]:
        """The values of a property's curve."""
        (node,) = self.of(of, "AnimationCurveNode")
        (number,) = [child for child, above, name in self.links if above == node and name == f"d|{part}"]
        return np.asarray(self.objects[number].value("KeyValueFloat"))

    def vertices(self, frames: NDArray[np.integer]) -> Floats:
        """Vertices (t, V, 3) in metres: shapes first, then the skin."""
        geometry = self.only("Geometry", "Mesh")
        points = np.asarray(self.objects[geometry].value("Vertices")).reshape(-1, 3)
        moved = np.repeat(points[None], len(frames), axis=0)
        for channel in self.of(self.of(geometry, "Deformer", "BlendShape")[0], "Deformer"):
            shape = self.objects[self.of(channel, "Geometry")[0]]
            share = self.curve(channel, "DeformPercent")[frames] / 100.0
            moved[:, shape.value("Indexes")] += share[:, None, None] * shape.value("Vertices").reshape(-1, 3)
        bones = {self.objects[n].values[1].split("\0")[0]: n for n in self.objects if self.objects[n].name == "Model"}
        angles = np.stack([self.curve(bones["head"], axis)[frames] for axis in "XYZ"], axis=1)
        turns = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
        weights = np.zeros(len(points))
        skin = self.of(geometry, "Deformer", "Skin")[0]
        for cluster in self.of(skin, "Deformer"):
            if bones["head"] in self.of(cluster, "Model"):
                weights[self.objects[cluster].value("Indexes")] = self.objects[cluster].value("Weights")
        pivot = np.asarray(self.objects[bones["head"]].named("Lcl Translation"))
        return turn_head(moved, turns, pivot.astype(np.float32), weights.astype(np.float32)) / 100.0


def read_fbx(path: Path) -> FbxAnimation:
    """What ``write_fbx`` wrote."""
    root = read_fbx_records(path)
    objects = {record.values[0]: record for record in root.all("Objects")[0].inner}
    links = [
        (c.values[1], c.values[2], c.values[3] if len(c.values) > 3 else None) for c in root.all("Connections")[0].inner
    ]
    return FbxAnimation(root, objects, links)
