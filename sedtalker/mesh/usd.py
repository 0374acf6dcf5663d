"""Reading meshes and their blend shapes from USD (UsdGeom, UsdSkel), by Pixar's own library (``usd-core``)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints
from sedtalker.errors import InputError, extra
from sedtalker.mesh.mesh import Scene, ScenePart, joined
from sedtalker.processes import run_beside
from sedtalker.reading import is_file, is_utf8

_SKIPPED = ("guide", "proxy")
"""Purposes of prims that are no part of the picture."""
OPENING = 45
"""Seconds within which a file must open."""
_OPEN = """
import sys
from pxr import Usd
stage = Usd.Stage.Open(sys.argv[1])
for prim in stage.Traverse():
    for attribute in prim.GetAttributes():
        attribute.Get()
"""
"""What the trial process runs: it opens the file and reads every attribute."""
_LAYERS = """
import sys
from pxr import UsdUtils
for layer in UsdUtils.ComputeAllDependencies(sys.argv[1])[0]:
    print(layer.realPath)
"""
"""What a process beside this one runs to name the file's own layer and all others that it is composed of."""


def read_usd_scene(path: Path) -> Scene:
    """All meshes of a USD stage as one, at rest, with their polygons, UVs and blend shapes.

    Polygon groups are called by the prim, and by its material subsets where there are any. Vertex i of the result is
    point i of the first mesh, and so on through the stage. The skeleton's pose is not applied: points are in bind pose.

    Raises:
        InputError: not a USD file, a broken one, without meshes, or ``usd-core`` is not installed.
    """
    with extra("usd"):
        from pxr import Tf, Usd, UsdUtils
    check_openable(path)
    quiet = UsdUtils.CoalescingDiagnosticDelegate()  # its warnings are no lines for our user
    try:
        stage = Usd.Stage.Open(str(path))
        parts = _parts(stage)
        if not parts:
            raise InputError(f"{path}: there is no mesh in it")
        return joined(parts)
    except InputError:
        raise
    except (Tf.ErrorException, ValueError, IndexError, TypeError, AttributeError, RuntimeError, OverflowError):
        raise InputError(f"{path}: not a USD file, or a broken one") from None
    finally:
        del quiet


def check_openable(path: Path) -> None:
    """Open a file in a process of its own first: on broken ones the library may crash or never come back.

    The process is isolated: it imports nothing from the working directory or ``PYTHONPATH``.

    Raises:
        InputError: it does not open, or not within three quarters of a minute.
    """
    if not is_utf8(path):
        raise InputError(f"{path}: OpenUSD opens only files whose whole path is UTF-8: rename it")
    try:
        done = run_beside(_OPEN, [str(path)], OPENING)
    except subprocess.TimeoutExpired:
        raise InputError(f"{path}: a broken USD file: it does not open within {OPENING} seconds") from None
    if done.returncode != 0:
        raise InputError(f"{path}: not a USD file, or a broken one")


def layer_files(path: Path) -> list[str]:
    """The files, anywhere, of the further layers that a USD file is composed of; none where it does not open."""
    try:
        layers = run_beside(_LAYERS, [str(path)], OPENING).stdout.splitlines()
    except subprocess.TimeoutExpired:
        return []
    return [layer for layer in layers if is_file(Path(layer)) and not path.samefile(layer)]


def _parts(stage: Any) -> list[ScenePart]:
    from pxr import Usd, UsdGeom

    transforms = UsdGeom.XformCache(Usd.TimeCode.EarliestTime())
    parts = []
    for prim in stage.Traverse(Usd.TraverseInstanceProxies()):
        if not prim.IsA(UsdGeom.Mesh) or UsdGeom.Imageable(prim).ComputePurpose() in _SKIPPED:
            continue
        mesh = UsdGeom.Mesh(prim)
        points = mesh.GetPointsAttr().Get(Usd.TimeCode.EarliestTime())
        if points is None or not len(points):
            continue
        placed = np.array(transforms.GetLocalToWorldTransform(prim), dtype=np.float64).T
        parts.append(_part(mesh, np.array(points, dtype=np.float64), placed))
    return parts


def _part(mesh: Any, points: Doubles, matrix: Doubles) -> ScenePart:
    from pxr import Usd, UsdGeom

    first = Usd.TimeCode.EarliestTime()
    sizes = np.array(mesh.GetFaceVertexCountsAttr().Get(first) or (), dtype=np.int32)
    corners = np.array(mesh.GetFaceVertexIndicesAttr().Get(first) or (), dtype=np.int32)
    if (sizes < 0).any() or sizes.sum() != len(corners) or (len(corners) and not 0 <= corners.max() < len(points)):
        raise ValueError("polygons do not fit the points")
    order = np.arange(len(corners))
    flipped = mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded
    if flipped != (np.linalg.det(matrix[:3, :3]) < 0):
        order = _turned(sizes)
    uvs, corner_uvs = _uvs(mesh, corners)
    groups, names = _groups(mesh, len(sizes))
    return ScenePart(
        vertices=points @ matrix[:3, :3].T + matrix[:3, 3],
        sizes=sizes,
        corners=corners[order],
        uvs=uvs,
        corner_uvs=None if corner_uvs is None else corner_uvs[order],
        colours=_colours(mesh, len(points)),
        groups=groups,
        names=names,
        targets={name: offsets @ matrix[:3, :3].T for name, offsets in _targets(mesh, len(points)).items()},
    )


def _turned(sizes: Ints) -> NDArray[np.int64]:
    """Order of corners that winds every polygon the other way, from the same first corner."""
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)
    size = np.repeat(sizes, sizes)
    return start + (size - (np.arange(len(size)) - start)) % np.maximum(size, 1)


def _uvs(mesh: Any, corners: Ints) -> tuple[Floats | None, Ints | None]:
    """Texture coordinates (N, 2) and one of them for each corner; by preference those called ``st``."""
    from pxr import Usd, UsdGeom

    found = [
        p for p in UsdGeom.PrimvarsAPI(mesh).GetPrimvars() if str(p.GetTypeName()).startswith(("texCoord2", "float2"))
    ]
    found.sort(key=lambda p: p.GetPrimvarName() != "st")
    if not found:
        return None, None
    values = found[0].Get(Usd.TimeCode.EarliestTime())
    if values is None or not len(values):
        return None, None
    uvs = np.array(values, dtype=np.float32)
    how, chosen = found[0].GetInterpolation(), found[0].GetIndices(Usd.TimeCode.EarliestTime())
    index = np.arange(len(uvs), dtype=np.int32) if not chosen else np.array(chosen, dtype=np.int32)
    if how == UsdGeom.Tokens.faceVarying and len(index) == len(corners):
        corner_uvs = index
    elif how in (UsdGeom.Tokens.vertex, UsdGeom.Tokens.varying) and len(corners) and corners.max() < len(index):
        corner_uvs = index[corners]
    else:
        return None, None
    return uvs, np.where((corner_uvs >= 0) & (corner_uvs < len(uvs)), corner_uvs, -1).astype(np.int32)


def _colours(mesh: Any, count: int) -> Doubles | None:
    """Linear display colours (V, 3) by vertex."""
    from pxr import Usd

    primvar = mesh.GetDisplayColorPrimvar()
    values = primvar.ComputeFlattened(Usd.TimeCode.EarliestTime()) if primvar and primvar.HasValue() else None
    if values is None or len(values) not in (1, count):
        return None
    return np.nan_to_num(np.broadcast_to(np.array(values, dtype=np.float64), (count, 3)))


def _groups(mesh: Any, count: int) -> tuple[NDArray[np.integer], list[str]]:
    """Group of each polygon: its material subset, else the prim."""
    from pxr import UsdGeom

    prim = mesh.GetPrim()
    groups, names = np.zeros(count, np.int64), [prim.GetName()]
    for subset in UsdGeom.Subset.GetAllGeomSubsets(mesh):
        chosen = np.array(subset.GetIndicesAttr().Get() or (), dtype=np.int64)
        chosen = chosen[(chosen >= 0) & (chosen < count)]
        if subset.GetElementTypeAttr().Get() == UsdGeom.Tokens.face and len(chosen):
            groups[chosen] = len(names)
            names.append(subset.GetPrim().GetName())
    used, groups = np.unique(groups, return_inverse=True)
    return groups, [names[k] for k in used]


def _targets(mesh: Any, count: int) -> dict[str, Doubles]:
    """Blend shapes (V, 3) by the names that the mesh gives them."""
    from pxr import UsdSkel

    binding = UsdSkel.BindingAPI(mesh.GetPrim())
    names = list(binding.GetBlendShapesAttr().Get() or ())
    places = binding.GetBlendShapeTargetsRel().GetTargets()
    targets: dict[str, Doubles] = {}
    for name, place in zip(names, places, strict=False):
        shape = UsdSkel.BlendShape(mesh.GetPrim().GetStage().GetPrimAtPath(place))
        offsets = np.array(shape.GetOffsetsAttr().Get() or (), dtype=np.float64).reshape(-1, 3)
        rows = shape.GetPointIndicesAttr().Get()
        rows = np.arange(count) if rows is None or not len(rows) else np.array(rows, dtype=np.int64)
        if len(rows) != len(offsets) or (len(rows) and not 0 <= rows.min() <= rows.max() < count):
            raise ValueError("a blend shape does not fit the points")
        whole = targets.setdefault(str(name), np.zeros((count, 3)))
        whole[rows] += offsets
    return targets
