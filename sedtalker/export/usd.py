"""USD: blend shapes on a skeleton of two joints (UsdSkel), or every vertex at every frame.

Follows OpenUSD's UsdGeom, UsdSkel, UsdShade and UsdMedia schemas; written by Pixar's own library (``usd-core``).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.option_fields import Targets
from sedtalker.arrays import Floats
from sedtalker.errors import InputError, extra
from sedtalker.export.glb import quaternions_of
from sedtalker.export.targets import MorphTargets, Normals, choose_targets, surface_of
from sedtalker.face.face import Face, head_weights
from sedtalker.face.shape_maps import ShapeMap
from sedtalker.reading import is_utf8
from sedtalker.render.light import default_colours, to_linear
from sedtalker.storage import temporary_folder, whole_file
from sedtalker.version import __version__

ROOT = "/Face"
"""Prim of the face."""
JOINTS = ("body", "body/head")
"""Joints of the skeleton."""
MOST_POINT_BYTES = 2 << 30
"""Largest amount of time-sampled points, bytes: the library keeps them in memory until the file is written."""
_LEAST_OFFSET = 1e-6
"""Metres: smaller offsets of blend shapes are left out."""
_LEAST_NORMAL = 1e-3
"""Smaller changes of a unit normal are left out."""


def write_usd(
    path: Path,
    animation: Animation,
    audio: str | None = None,
    targets: Targets | ShapeMap = "arkit",
    points: bool = False,
) -> dict[str, Any]:
    """Write a face as ``.usdc``, ``.usda`` or ``.usd``; the file appears whole or not at all.

    The mesh keeps its polygons, vertex order and UVs. Metres, +Y up, frame i at time code i. By default the face has
    blend shapes with weights over time and a head joint; with ``points`` every vertex has time samples instead, exactly
    as ``animation.vertices`` gives them. Group k of the mesh is bound to a material of its own.

    Args:
        audio: the sound to refer to, its path relative to the file.
        targets: which blend shapes, see ``choose_targets``.
        points: time-sampled vertices instead of blend shapes.

    Raises:
        InputError: there are too many points, or ``usd-core`` is not installed.
    """
    check_usd()
    face = animation.face
    if points and 12 * len(animation) * len(face.mesh.vertices) > MOST_POINT_BYTES:
        raise InputError(
            f"{path}: more than {MOST_POINT_BYTES >> 30} GiB of points; write mdd, or usd without --points"
        )
    stage = new_stage(len(animation), animation.fps)
    said = add_head(stage, ROOT, animation, targets, points)
    if audio is not None:
        add_audio(stage, ROOT, audio)
    save_stage(stage, path)
    return said


def check_usd() -> None:
    """Load OpenUSD; raise ``InputError`` where ``usd-core`` is not installed.

    Its libraries are loaded once, before a program starts threads: beside imports of other threads, loading them may
    never end.
    """
    with extra("usd"):
        from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel, UsdUtils, Vt  # noqa: F401


def new_stage(frames: int, fps: float) -> Any:
    """A stage in metres, +Y up, with frames for time codes."""
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    stage.SetTimeCodesPerSecond(fps)
    stage.SetFramesPerSecond(fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(frames - 1)
    stage.GetRootLayer().documentation = f"SEDTalker {__version__}"
    return stage


def save_stage(stage: Any, path: Path) -> None:
    """Write a stage; the file appears whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    from pxr import Tf

    try:
        with whole_file(path) as temporary:
            if is_utf8(temporary):
                stage.GetRootLayer().Export(str(temporary))
                return
            with temporary_folder() as folder:  # OpenUSD writes only to paths in UTF-8; the file is moved from one
                written = folder / f"stage{path.suffix}"
                stage.GetRootLayer().Export(str(written))
                shutil.move(written, temporary)
    except Tf.ErrorException:
        raise InputError(f"{path}: cannot be written by the USD library: is the disk full?") from None


def add_head(
    stage: Any,
    place: str,
    animation: Animation,
    targets: Targets | ShapeMap = "arkit",
    points: bool = False,
) -> dict[str, Any]:
    """Add a head at the prim ``place``, which becomes the stage's default where it has none; see ``write_usd``."""
    from pxr import Usd, UsdGeom, UsdSkel

    root = UsdGeom.Xform.Define(stage, place) if points else UsdSkel.Root.Define(stage, place)
    if not stage.HasDefaultPrim():
        stage.SetDefaultPrim(root.GetPrim())
    Usd.ModelAPI(root.GetPrim()).SetKind("component")
    mesh = _mesh(stage, place, animation.face)
    _materials(stage, place, animation.face, mesh)
    return _sampled_points(animation, mesh) if points else _blend_shapes(stage, root, animation, mesh, targets)


def _sampled_points(animation: Animation, mesh: Any) -> dict[str, Any]:
    """Vertices of every frame as time samples of the mesh."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for i, vertices in enumerate(animation.frames()):
        mesh.GetPointsAttr().Set(_vectors(vertices), i)
        low, high = np.minimum(low, vertices.min(axis=0)), np.maximum(high, vertices.max(axis=0))
    mesh.GetExtentAttr().Set(_vectors(np.stack([low, high])))
    return {"points": len(animation.face.mesh.vertices)}


def _blend_shapes(
    stage: Any, root: Any, animation: Animation, mesh: Any, targets: Targets | ShapeMap
) -> dict[str, Any]:
    """Blend shapes on a skeleton; what they lose."""
    from pxr import UsdGeom

    face = animation.face
    chosen = choose_targets(face, animation.coefficients, targets, animation.fps)
    _skeleton(stage, str(root.GetPath()), animation, mesh, chosen)
    reach = np.abs(chosen.offsets).sum(axis=0).max(axis=0) + 0.02
    extent = np.stack([face.mesh.vertices.min(axis=0) - reach, face.mesh.vertices.max(axis=0) + reach])
    UsdGeom.ModelAPI.Apply(root.GetPrim()).SetExtentsHint(_vectors(extent))
    return chosen.describe(face, animation.coefficients)


def identifiers(names: Iterable[str]) -> list[str]:
    """Names as USD allows them, each once: those that become alike get a number."""
    from pxr import Tf

    found = list[str]()
    for number, label in enumerate(map(Tf.MakeValidIdentifier, names)):
        while label in found:
            label = f"{label}_{number}"
        found.append(label)
    return found


def _vectors(values: Floats) -> Any:
    from pxr import Vt

    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(values, dtype=np.float32))


def _integers(values: Any) -> Any:
    from pxr import Vt

    return Vt.IntArray.FromNumpy(np.ascontiguousarray(values, dtype=np.int32))


def _mesh(stage: Any, place: str, face: Face) -> Any:
    """The mesh at rest: polygons as the file had them, no subdivision, UVs by corner, linear colours by vertex."""
    from pxr import Sdf, UsdGeom, Vt

    source = face.mesh
    mesh = UsdGeom.Mesh.Define(stage, f"{place}/Mesh")
    mesh.CreatePointsAttr(_vectors(source.vertices))
    mesh.CreateFaceVertexCountsAttr(_integers(source.polygon_sizes))
    mesh.CreateFaceVertexIndicesAttr(_integers(source.polygon_vertices))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(_vectors(np.stack([source.vertices.min(axis=0), source.vertices.max(axis=0)])))
    mesh.CreateDoubleSidedAttr(True)
    colours = to_linear(default_colours(source, face.regions)).astype(np.float32)
    mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(_vectors(colours))
    if source.uvs is not None and source.polygon_uvs is not None:
        table = np.concatenate([source.uvs, np.zeros((1, 2), dtype=np.float32)])  # corners without one get the last
        st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
            "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying
        )
        st.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(table)))
        st.SetIndices(_integers(np.where(source.polygon_uvs < 0, len(source.uvs), source.polygon_uvs)))
    return mesh


def _materials(stage: Any, place: str, face: Face, mesh: Any) -> None:
    """A UsdPreviewSurface for each polygon group, coloured by the mesh's display colour."""
    from pxr import Sdf, UsdGeom, UsdShade

    surface = surface_of(face)
    polygons = np.zeros(len(face.mesh.polygon_sizes), dtype=np.int32)
    polygons[face.mesh.triangle_polygons] = surface.triangles
    binding = UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim())
    UsdGeom.Scope.Define(stage, f"{place}/Materials")
    labels = identifiers(surface.names)
    for index, (label, roughness) in enumerate(zip(labels, surface.roughness, strict=True)):
        look = f"{place}/Materials/{label}"
        material = UsdShade.Material.Define(stage, look)
        shader = UsdShade.Shader.Define(stage, f"{look}/Surface")
        shader.CreateIdAttr("UsdPreviewSurface")
        own = surface.materials[index]
        shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(own.roughness if own else roughness)
        shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(own.metallic if own else 0.0)
        if own and own.alpha == "BLEND":
            shader.CreateInput("opacity", Sdf.ValueTypeNames.Float).Set(own.colour[3])
        colour = UsdShade.Shader.Define(stage, f"{look}/Colour")
        colour.CreateIdAttr("UsdPrimvarReader_float3")
        colour.CreateInput("varname", Sdf.ValueTypeNames.String).Set("displayColor")
        output = colour.CreateOutput("result", Sdf.ValueTypeNames.Float3)
        shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(output)
        material.CreateSurfaceOutput().ConnectToSource(shader.CreateOutput("surface", Sdf.ValueTypeNames.Token))
        faces = _integers(np.flatnonzero(polygons == index))
        subset = binding.CreateMaterialBindSubset(label, faces)
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)


def _skeleton(stage: Any, place: str, animation: Animation, mesh: Any, targets: MorphTargets) -> None:
    """Joints ``body`` and ``body/head``, the skin's weights, blend shapes and their motion."""
    from pxr import Gf, UsdGeom, UsdSkel, Vt

    face = animation.face
    names = identifiers(targets.names)
    skeleton = UsdSkel.Skeleton.Define(stage, f"{place}/Skeleton")
    pivot = Gf.Matrix4d().SetTranslate(Gf.Vec3d(*map(float, face.pivot)))
    skeleton.CreateJointsAttr(list(JOINTS))
    skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray([Gf.Matrix4d(1.0), pivot]))
    skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray([Gf.Matrix4d(1.0), pivot]))

    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    follow = head_weights(face)
    binding.CreateJointIndicesPrimvar(False, 2).Set(_integers(np.tile([0, 1], len(follow))))
    shares = np.stack([1.0 - follow, follow], axis=1).astype(np.float32)
    binding.CreateJointWeightsPrimvar(False, 2).Set(Vt.FloatArray.FromNumpy(shares.reshape(-1)))

    normals = Normals(face)
    mesh.CreateNormalsAttr(_vectors(normals.rest))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    shapes, held = [], [child.GetName() for child in mesh.GetPrim().GetChildren()]  # parts with a material
    prims = identifiers((*held, *names))[len(held) :]
    for name, offsets, most in zip(prims, targets.offsets, targets.peaks, strict=True):
        bent = normals.change(offsets, most / 2)
        moved = (np.abs(offsets).max(axis=1) > _LEAST_OFFSET) | (np.abs(bent).max(axis=1) > _LEAST_NORMAL)
        rows = np.flatnonzero(moved) if moved.any() else np.zeros(1, dtype=np.int64)
        shape = UsdSkel.BlendShape.Define(stage, mesh.GetPath().AppendChild(name))
        shape.CreateOffsetsAttr(_vectors(offsets[rows]))
        shape.CreateNormalOffsetsAttr(_vectors(bent[rows]))
        shape.CreatePointIndicesAttr(_integers(rows))
        shapes.append(shape.GetPath())
    binding.CreateBlendShapesAttr(names)
    binding.CreateBlendShapeTargetsRel().SetTargets(shapes)

    motion = UsdSkel.Animation.Define(stage, f"{place}/Motion")
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([motion.GetPath()])
    motion.CreateJointsAttr(list(JOINTS))
    motion.CreateTranslationsAttr(_vectors(np.stack([np.zeros(3, np.float32), face.pivot])))
    motion.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)] * 2))
    motion.CreateBlendShapesAttr(names)
    rotations, weights = motion.CreateRotationsAttr(), motion.CreateBlendShapeWeightsAttr()
    for i, (x, y, z, w) in enumerate(quaternions_of(animation.head_rotation).tolist()):
        rotations.Set(Vt.QuatfArray([Gf.Quatf(1.0), Gf.Quatf(w, x, y, z)]), i)
        weights.Set(Vt.FloatArray.FromNumpy(np.ascontiguousarray(targets.weights[i], dtype=np.float32)), i)


def add_audio(stage: Any, place: str, audio: str) -> None:
    """A reference to the sound, played from the first frame on without a place in space; what is no UTF-8 in its name
    becomes "?", as ``write_text`` does it.
    """
    from pxr import Sdf, UsdMedia

    audio = audio.encode(errors="replace").decode()
    sound = UsdMedia.SpatialAudio.Define(stage, f"{place}/Audio")
    is_whole = audio.startswith("..") or Path(audio).is_absolute()  # absolute: it lies on another drive
    sound.CreateFilePathAttr(Sdf.AssetPath(audio if is_whole else f"./{audio}"))
    sound.CreateAuralModeAttr(UsdMedia.Tokens.nonSpatial)
    sound.CreatePlaybackModeAttr(UsdMedia.Tokens.onceFromStartToEnd)
