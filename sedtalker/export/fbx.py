"""FBX 7.4, binary: the face, blend shapes and their curves, and a skeleton of two bones, for Unity, Unreal and Maya.

The format has no public specification. Records and names are those that Autodesk's FBX SDK writes and Blender's
importer reads; the container is described by the Blender Foundation ("FBX binary file format specification", 2013).
Centimetres and +Y up, as these programs expect. The same input gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.animation.option_fields import Targets
from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.errors import said_of
from sedtalker.export.fbx_records import CREATED, FILE_ID, VERSION, Record, encoded, named, one, properties
from sedtalker.export.targets import LEAST_OFFSET, MorphTargets, Normals, choose_targets, surface_of
from sedtalker.face.face import Face, head_weights
from sedtalker.face.shape_maps import ShapeMap
from sedtalker.mesh.mesh import Material
from sedtalker.render.light import default_colours, to_linear
from sedtalker.storage import whole_file
from sedtalker.version import __version__

CENTIMETRES = 100.0
"""Centimetres in a metre."""
TICKS = 46_186_158_000
"""Units of time in a second."""
_TIME_MODES = {120.0: 1, 100.0: 2, 60.0: 3, 50.0: 4, 48.0: 5, 30.0: 6, 25.0: 10, 24.0: 11}
"""Numbers that the format has for frame rates; 14 is any other."""
_LINEAR = 4
"""Flag of keys between which values are linear."""
_DIGITS = 4
"""Decimal digits of centimetres and of normals: a micrometre, so that trailing zeros compress."""
_ROOT = np.int64(0)
"""The scene, as connections name it."""


def write_fbx(
    path: Path, animation: Animation, audio: str | None = None, targets: Targets | ShapeMap = "arkit"
) -> dict[str, Any]:
    """Write a face; the file appears whole or not at all.

    Polygons, vertex order, UVs and base colour pictures are those of the mesh. The head turns by the bone ``head``, a
    child of ``body``. Frame i is at ``i / fps`` seconds, linear in between.

    Args:
        audio: the sound; its path is kept with the provenance, in the property ``sedtalker`` of the mesh.
        targets: which blend shapes, see ``choose_targets``.

    Raises:
        InputError: it takes more than 4 GiB.
    """
    face = animation.face
    chosen = choose_targets(face, animation.coefficients, targets, animation.fps)
    scene = _Scene()
    kept = dict(animation.provenance) | ({} if audio is None else {"audio": audio})
    model, geometry = _mesh(scene, face, kept)
    channels = _blend_shapes(scene, face, geometry, chosen)
    head = _skeleton(scene, face, model, geometry)
    _motion(scene, animation, chosen, channels, head)
    with whole_file(path) as temporary, temporary.open("wb") as file, said_of(str(path)):
        file.writelines(encoded(scene.document(animation)))
    return chosen.describe(face, animation.coefficients)


# --- The scene: objects, and what belongs to what.


class _Scene:
    """Objects with their numbers, and the connections between them."""

    def __init__(self) -> None:
        self.objects: list[Record] = []
        self.connections: list[Record] = []

    def add(
        self, kind: str, name: str, label: str, subkind: str, *inner: Record, of: np.int64 | None = None
    ) -> np.int64:
        """Number of a new object; ``of``: what it belongs to, ``_ROOT`` for the scene."""
        number = np.int64(1000 + len(self.objects))
        self.objects.append(Record(kind, (number, f"{name}\0\1{label}", subkind), list(inner)))
        if of is not None:
            self.connect(number, of)
        return number

    def connect(self, number: np.int64, to: np.int64, name: str | None = None) -> None:
        """An object belongs to another, or drives its property ``name``."""
        self.connections.append(Record("C", ("OO", number, to) if name is None else ("OP", number, to, name)))

    def document(self, animation: Animation) -> list[Record]:
        """All records of the file."""
        kinds = [record.name for record in self.objects]
        counts = [
            Record("ObjectType", (kind,), [one("Count", kinds.count(kind))])
            for kind in dict.fromkeys(["GlobalSettings", *kinds])
        ]
        counts[0].inner[0].values = (1,)
        stop = _ticks(len(animation) - 1, animation.fps)
        take = Record(
            "Take",
            ("speech",),
            [Record("LocalTime", (_ticks(0, 1.0), stop)), Record("ReferenceTime", (_ticks(0, 1.0), stop))],
        )
        creator = f"SEDTalker {__version__}"
        number = one("FBXVersion", VERSION)
        header = [one("FBXHeaderVersion", 1003), number, one("Creator", creator)]
        scene = [properties(), one("RootNode", _ROOT)]
        return [
            Record("FBXHeaderExtension", (), header),
            one("FileId", FILE_ID),
            one("CreationTime", CREATED.decode()),
            one("Creator", creator),
            _settings(animation, stop),
            Record("Documents", (), [one("Count", 1), Record("Document", (np.int64(999), "", "Scene"), scene)]),
            Record("References"),
            Record("Definitions", (), [one("Version", 100), one("Count", len(self.objects) + 1), *counts]),
            Record("Objects", (), self.objects),
            Record("Connections", (), self.connections),
            Record("Takes", (), [one("Current", "speech"), take]),
        ]


def _settings(animation: Animation, stop: np.int64) -> Record:
    """Centimetres, +Y up, +Z to the front, frame rate and length."""
    axes = {"UpAxis": 1, "UpAxisSign": 1, "FrontAxis": 2, "FrontAxisSign": 1, "CoordAxis": 0, "CoordAxisSign": 1}
    mode = _TIME_MODES.get(float(animation.fps), 14)
    inner = [
        *(named(name, "int", "Integer", value) for name, value in axes.items()),
        named("UnitScaleFactor", "double", "Number", 1.0),
        named("OriginalUnitScaleFactor", "double", "Number", 1.0),
        named("TimeMode", "enum", "", mode),
        named("CustomFrameRate", "double", "Number", float(animation.fps)),
        named("TimeSpanStart", "KTime", "Time", _ticks(0, 1.0)),
        named("TimeSpanStop", "KTime", "Time", stop),
    ]
    return Record("GlobalSettings", (), [one("Version", 1000), properties(*inner)])


def _ticks(frame: int, fps: float) -> np.int64:
    return np.int64(round(frame * TICKS / fps))


# --- The mesh.


def _mesh(scene: _Scene, face: Face, provenance: dict[str, Any]) -> tuple[np.int64, np.int64]:
    """The mesh at rest, with normals, UVs, colours and materials: numbers of its model and of its geometry."""
    mesh, surface = face.mesh, surface_of(face)
    kept = named("sedtalker", "KString", "", json.dumps(provenance, ensure_ascii=False), flags="U")
    model = scene.add("Model", face.name, "Model", "Mesh", one("Version", 232), properties(kept), of=_ROOT)
    corners = mesh.polygon_vertices.astype(np.int32)
    ends = np.cumsum(mesh.polygon_sizes) - 1
    indices = corners.copy()
    indices[ends] = ~indices[ends]  # the last corner of a polygon is marked so
    colours = np.concatenate(
        [default_colours(mesh, face.regions), np.ones((len(mesh.vertices), 1), np.float32)], axis=1
    )
    polygons = np.zeros(len(mesh.polygon_sizes), np.int32)
    polygons[mesh.triangle_polygons] = surface.triangles
    layers = [
        _layer(
            "LayerElementNormal",
            "ByPolygonVertex",
            Normals=np.round(Normals(face).rest[corners].astype(np.float64), _DIGITS),
        ),
        _layer(
            "LayerElementColor",
            "ByPolygonVertex",
            Colors=np.round(colours.astype(np.float64), _DIGITS),
            ColorIndex=corners,
        ),
        _layer("LayerElementSmoothing", "ByPolygon", Smoothing=np.ones(len(ends), np.int32)),
        _layer("LayerElementMaterial", "ByPolygon", Materials=polygons),
    ]
    palette, coloured = None, mesh.colours is not None and not any(own and own.texture for own in mesh.materials)
    if mesh.uvs is not None and mesh.polygon_uvs is not None and not coloured:
        table = np.concatenate([mesh.uvs, np.zeros((1, 2), np.float32)]).astype(np.float64)  # for corners without one
        which = np.where(mesh.polygon_uvs < 0, len(mesh.uvs), mesh.polygon_uvs).astype(np.int32)
    else:
        which = mesh.corner_polygons.astype(np.int32)
        shown = (
            np.stack([np.bincount(which, colours[corners, k]) for k in range(3)], axis=1) / mesh.polygon_sizes[:, None]
        )
        picture, table = _palette(shown)
        palette = _texture(scene, "colours", picture)
    layers.append(_layer("LayerElementUV", "ByPolygonVertex", UV=np.round(table, 6), UVIndex=which))
    listed = [Record("LayerElement", (), [one("Type", layer.name), one("TypedIndex", 0)]) for layer in layers]
    geometry = scene.add(
        *("Geometry", face.name, "Geometry", "Mesh"),
        properties(),
        one("GeometryVersion", 124),
        one("Vertices", _centimetres(mesh.vertices)),
        one("PolygonVertexIndex", indices),
        *layers,
        Record("Layer", (0,), [one("Version", 100), *listed]),
        of=model,
    )
    linear = to_linear(default_colours(mesh, face.regions))
    for index, name in enumerate(surface.names):
        mean = linear[mesh.triangles[surface.triangles == index]].reshape(-1, 3).mean(axis=0)
        own = surface.materials[index]
        pictured = palette is None and own is not None and own.texture is not None
        texture = _texture(scene, name, own.texture) if pictured else palette  # type: ignore[union-attr, arg-type]
        _material(scene, model, name, mean, own, texture)
    return model, geometry


def _centimetres(points: Reals) -> Doubles:
    return np.round(CENTIMETRES * points.astype(np.float64), _DIGITS).reshape(-1)


def _layer(name: str, mapping: str, **arrays: NDArray[Any]) -> Record:
    """Values of corners or polygons; a second array says which value each has."""
    reference = "IndexToDirect" if len(arrays) > 1 or "Materials" in arrays else "Direct"
    inner = [
        one("Version", 101),
        one("Name", "UVMap" if "UV" in arrays else ""),
        one("MappingInformationType", mapping),
        one("ReferenceInformationType", reference),
    ]
    return Record(name, (0,), [*inner, *(one(key, values.reshape(-1)) for key, values in arrays.items())])


def _material(
    scene: _Scene, model: np.int64, name: str, mean: Floats, own: Material | None, texture: np.int64 | None
) -> None:
    """A material with a picture, or of the mean colour of its vertices."""
    colour = mean if texture is None else np.ones(3) if own is None else own.colour[:3]
    number = scene.add(
        *("Material", own.name if own is not None else name, "Material", ""),
        one("Version", 102),
        one("ShadingModel", "phong"),
        properties(
            named("DiffuseColor", "Color", "", *map(float, colour), flags="A"),
            named("Opacity", "double", "Number", float(own.colour[3]) if own is not None else 1.0),
        ),
        of=model,
    )
    if texture is not None:
        scene.connect(texture, number, "DiffuseColor")


def _texture(scene: _Scene, name: str, picture: bytes) -> np.int64:
    """Number of a texture with a PNG or JPEG file inside."""
    file = f"{name}.{'png' if picture.startswith(bytes([137]) + b'PNG') else 'jpg'}"
    inner = [one("RelativeFilename", file), one("Content", picture)]
    video = scene.add("Video", name, "Video", "Clip", one("Type", "Clip"), one("Filename", file), *inner)
    texture = scene.add(
        *("Texture", name, "Texture", ""),
        one("Type", "TextureVideoClip"),
        one("FileName", file),
        one("RelativeFilename", file),
        properties(named("UVSet", "KString", "", "UVMap")),
    )
    scene.connect(video, texture)
    return texture


def _palette(colours: Reals) -> tuple[bytes, Doubles]:
    """A picture with a patch for each polygon's colour (F, 3), and the middles of the patches (F, 2).

    Few programs show vertex colours by themselves. All corners of a polygon are at one point of the picture, so no
    filter mixes it with another.
    """
    side = int(np.ceil(np.sqrt(len(colours))))
    patches = np.zeros((side * side, 3))
    patches[: len(colours)] = colours
    pixels = np.round(255.0 * np.clip(patches, 0.0, 1.0)).astype(np.uint8).reshape(side, side, 3)
    file = BytesIO()
    Image.fromarray(pixels.repeat(2, axis=0).repeat(2, axis=1)).save(file, "PNG")
    row, column = np.divmod(np.arange(len(colours)), side)
    return file.getvalue(), np.stack([(column + 0.5) / side, 1.0 - (row + 0.5) / side], axis=1)


# --- What moves it.


def _blend_shapes(scene: _Scene, face: Face, geometry: np.int64, chosen: MorphTargets) -> list[np.int64]:
    """Numbers of the channels of the blend shapes."""
    if not chosen.names:
        return []
    deformer = scene.add("Deformer", face.name, "Deformer", "BlendShape", one("Version", 100), of=geometry)
    normals, channels = Normals(face), []
    for name, offsets, peak in zip(chosen.names, chosen.offsets, chosen.peaks, strict=True):
        moved = np.flatnonzero(np.abs(offsets).max(axis=1) * peak > LEAST_OFFSET)
        rows = moved if len(moved) else np.zeros(1, np.int64)
        bent = normals.change(offsets, float(peak) / 2)[rows].astype(np.float64)
        inner = [
            one("DeformPercent", 0.0),
            one("FullWeights", np.array([100.0])),
            properties(named("DeformPercent", "Number", "", 0.0, flags="A")),
        ]
        version = one("Version", 100)
        channels.append(scene.add("Deformer", name, "SubDeformer", "BlendShapeChannel", version, *inner, of=deformer))
        scene.add(
            *("Geometry", name, "Geometry", "Shape"),
            properties(),
            version,
            one("Indexes", rows.astype(np.int32)),
            one("Vertices", _centimetres(offsets[rows])),
            one("Normals", np.round(bent, _DIGITS).reshape(-1)),
            of=channels[-1],
        )
    return channels


def _skeleton(scene: _Scene, face: Face, model: np.int64, geometry: np.int64) -> np.int64:
    """Bones ``body`` and, inside it, ``head``, the skin on them, and how all stand at rest; the number of the head."""
    follow = head_weights(face).astype(np.float64)
    pivot = CENTIMETRES * face.pivot.astype(np.float64)
    skin = scene.add("Deformer", face.name, "Deformer", "Skin", one("Version", 101), of=geometry)
    parent: np.int64 = _ROOT
    poses = [(model, np.zeros(3))]
    for name, at, weights in (("body", np.zeros(3), 1.0 - follow), ("head", pivot, follow)):
        place = named("Lcl Translation", "Lcl Translation", "", *map(float, at), flags="A")
        bone = scene.add("Model", name, "Model", "LimbNode", one("Version", 232), properties(place), of=parent)
        kind = one("TypeFlags", "Skeleton")
        scene.add("NodeAttribute", name, "NodeAttribute", "LimbNode", kind, of=bone)
        rows = np.flatnonzero(weights > 0.0).astype(np.int32)
        inner = [one("Indexes", rows), one("Weights", weights[rows])] if len(rows) else []
        cluster = scene.add(
            *("Deformer", name, "SubDeformer", "Cluster"),
            one("Version", 100),
            *inner,
            one("Transform", _moved_by(-at)),
            one("TransformLink", _moved_by(at)),
            of=skin,
        )
        scene.connect(bone, cluster)
        poses.append((bone, at))
        parent = bone
    nodes = [Record("PoseNode", (), [one("Node", number), one("Matrix", _moved_by(at))]) for number, at in poses]
    count = one("NbPoseNodes", len(nodes))
    scene.add("Pose", "rest", "Pose", "BindPose", one("Type", "BindPose"), one("Version", 100), count, *nodes)
    return parent


def _moved_by(offset: Doubles) -> Doubles:
    """A translation as the format has it: a row of 16, the offset in the last four."""
    matrix = np.eye(4)
    matrix[3, :3] = offset
    return matrix.reshape(-1)


def _motion(
    scene: _Scene, animation: Animation, chosen: MorphTargets, channels: Sequence[np.int64], head: np.int64
) -> None:
    """Curves of the blend shapes, in per cent, and of the head's rotation, in degrees."""
    stop = _ticks(len(animation) - 1, animation.fps)
    span = properties(
        *(named(name, "KTime", "Time", stop) for name in ("LocalStop", "ReferenceStop")),
        *(named(name, "KTime", "Time", _ticks(0, 1.0)) for name in ("LocalStart", "ReferenceStart")),
    )
    stack = scene.add("AnimationStack", "speech", "AnimStack", "", span)
    layer = scene.add("AnimationLayer", "speech", "AnimLayer", "", of=stack)
    times = np.array([_ticks(frame, animation.fps) for frame in range(len(animation))], np.int64)
    for channel, weights in zip(channels, chosen.weights.T, strict=True):
        _curves(scene, layer, times, channel, "DeformPercent", {"DeformPercent": 100.0 * weights})
    turns = Rotation.from_rotvec(np.asarray(animation.head_rotation, np.float64)).as_euler("xyz")
    degrees = np.degrees(np.unwrap(turns, axis=0))
    _curves(scene, layer, times, head, "Lcl Rotation", dict(zip("XYZ", degrees.T, strict=True)), short="R")


def _curves(
    scene: _Scene,
    layer: np.int64,
    times: NDArray[np.int64],
    of: np.int64,
    name: str,
    values: dict[str, Reals],
    short: str | None = None,
) -> None:
    """A property of an object over time, a curve for each of its parts."""
    first = [named(f"d|{part}", "Number", "", float(curve[0]), flags="A") for part, curve in values.items()]
    node = scene.add("AnimationCurveNode", short or name, "AnimCurveNode", "", properties(*first), of=layer)
    scene.connect(node, of, name)
    for part, curve in values.items():
        number = scene.add(
            *("AnimationCurve", "", "AnimCurve", ""),
            one("Default", float(curve[0])),
            one("KeyVer", 4008),
            one("KeyTime", times),
            one("KeyValueFloat", curve.astype(np.float32)),
            one("KeyAttrFlags", np.array([_LINEAR], np.int32)),
            one("KeyAttrDataFloat", np.zeros(4, np.float32)),
            one("KeyAttrRefCount", np.array([len(times)], np.int32)),
        )
        scene.connect(number, node, f"d|{part}")
