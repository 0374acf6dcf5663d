"""A scene of several heads as one GLB or USD file: each at its place, with its own blend shapes, on one clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from sedtalker.animation.option_fields import Targets
from sedtalker.animation.scene import Scene
from sedtalker.errors import InputError
from sedtalker.export.glb import Standpoint, add_head
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.export.targets import choose_targets
from sedtalker.export.usd import add_audio, check_usd, identifiers, new_stage, save_stage
from sedtalker.export.usd import add_head as add_usd_head
from sedtalker.face.shape_maps import ShapeMap

SCENE_ROOT = "/Scene"
"""Prim of all heads in a USD file."""


def write_scene(
    scene: Scene, path: Path | str, audio: str | None = None, targets: Targets | ShapeMap = "arkit"
) -> dict[str, Any]:
    """Write a scene as ``.glb``, ``.usdc``, ``.usda`` or ``.usd``; the file appears whole or not at all.

    Each head is a tree of nodes or prims that has the name of its speaker and stands at its place. In a GLB file one
    animation, ``speech``, moves all of them, and other names begin with those of the speakers; who speaks when is in
    ``asset.extras.turns``. In a USD file ``/Scene`` has a prim with skeleton, blend shapes and materials for each.

    Args:
        audio: the sound, as the file should name it, relative to itself.
        targets: which blend shapes each head has, see ``choose_targets``.

    Returns:
        For each speaker how many blend shapes there are and what they lose, see ``MorphTargets.describe``.

    Raises:
        InputError: another suffix, a scene without frames, or ``usd-core`` is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"{path}: a scene is written as {', '.join(WRITERS)}")
    if not len(scene):
        raise InputError(f"{path}: the scene has no frames")
    return WRITERS[path.suffix.lower()](path, scene, audio, targets)


def _write_glb(path: Path, scene: Scene, audio: str | None, targets: Targets | ShapeMap) -> dict[str, Any]:
    builder, said = GltfBuilder(), dict[str, Any]()
    for name, animation in scene.animations.items():
        face, place = animation.face, scene.places[name]
        chosen = choose_targets(face, animation.coefficients, targets, animation.fps)
        x, y, z = (float(v) for v in np.add(face.pivot, place.position))
        turn = [float(v) for v in Rotation.from_euler("y", place.yaw, degrees=True).as_quat(canonical=True)]
        at = Standpoint(name, (x, y, z), (turn[0], turn[1], turn[2], turn[3]))
        add_head(builder, face, chosen, animation.fps, animation.head_rotation, at=at)
        said[name] = chosen.describe(face, animation.coefficients)
    turns = [[round(start, 3), round(end, 3), speaker] for start, end, speaker in scene.turns.turns]
    provenance = {name: dict(animation.provenance) for name, animation in scene.animations.items()}
    extras = {"speakers": provenance, "turns": turns} | ({} if audio is None else {"audio": audio})
    builder.write(path, builder.document(extras))
    return said


def _write_usd(path: Path, scene: Scene, audio: str | None, targets: Targets | ShapeMap) -> dict[str, Any]:
    check_usd()
    from pxr import Gf, Usd, UsdGeom

    stage, said = new_stage(len(scene), scene.fps), dict[str, Any]()
    root = UsdGeom.Xform.Define(stage, SCENE_ROOT)
    stage.SetDefaultPrim(root.GetPrim())
    Usd.ModelAPI(root.GetPrim()).SetKind("assembly")
    for label, (name, animation) in zip(identifiers(scene.names), scene.animations.items(), strict=True):
        said[name] = add_usd_head(stage, f"{SCENE_ROOT}/{label}", animation, targets)
        prim, place = stage.GetPrimAtPath(f"{SCENE_ROOT}/{label}"), scene.places[name]
        prim.SetDisplayName(name)
        where = UsdGeom.XformCommonAPI(prim)
        where.SetTranslate(Gf.Vec3d(*place.position))
        where.SetPivot(Gf.Vec3f(*map(float, animation.face.pivot)))
        where.SetRotate(Gf.Vec3f(0.0, place.yaw, 0.0))
    if audio is not None:
        add_audio(stage, SCENE_ROOT, audio)
    save_stage(stage, path)
    return said


WRITERS: dict[str, Callable[[Path, Scene, str | None, Targets | ShapeMap], dict[str, Any]]] = {
    ".glb": _write_glb,
    ".usdc": _write_usd,
    ".usda": _write_usd,
    ".usd": _write_usd,
}
"""By suffix."""
