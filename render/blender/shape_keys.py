"""An animation on a mesh as shape keys and a hook for the head, all of it editable."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .curves import add_curve, fresh_action
from .face_animation import FaceAnimation, Placement, continuous

HEAD = "SEDTalker head"
_MADE = "sedtalker_shape_keys"  # names of the keys this add-on made, so that a second import replaces them
_LEAST_SHARE = 1e-5  # of the mesh's size: a shape that moves less is left out


def rest_positions(mesh: bpy.types.Mesh) -> np.ndarray:
    """(V, 3) local positions without any shape key."""
    points = mesh.shape_keys.reference_key.data if mesh.shape_keys else mesh.vertices
    positions = np.empty(len(mesh.vertices) * 3, np.float32)
    points.foreach_get("co", positions)
    return positions.reshape(-1, 3)


def apply_shape_keys(target: bpy.types.Object, animation: FaceAnimation, placement: Placement, start: int) -> None:
    """Shapes and weights become shape keys and their F-curves, the head's turns an empty that hooks the head.

    Args:
        target: a mesh of the animation's vertices; its own shape keys and modifiers stay.
        animation: the motion.
        placement: how the animation's face lies on the mesh.
        start: the frame of sample 0.
    """
    _remove_made(target)
    rest = rest_positions(target.data).astype(np.float64)
    if target.data.shape_keys is None:
        target.shape_key_add(name="Basis", from_mix=False)
    size = max(float(np.ptp(rest, axis=0).max()), 1e-30)
    curves = fresh_action(target.data.shape_keys, f"{animation.name} speech")
    made = []
    for k, name in enumerate(animation.shapes):
        offsets = placement.directions(animation.offsets[k].astype(np.float64))
        weights = animation.weights[:, k]
        if np.abs(offsets).max(initial=0.0) < _LEAST_SHARE * size:
            continue
        key = target.shape_key_add(name=name, from_mix=False)
        key.data.foreach_set("co", (rest + offsets).astype(np.float32).ravel())
        key.slider_min = max(-10.0, min(0.0, float(weights.min(initial=0.0))))
        key.slider_max = min(10.0, max(1.0, float(weights.max(initial=0.0))))
        add_curve(curves, f'key_blocks["{bpy.utils.escape_identifier(key.name)}"].value', weights, start)
        made.append(key.name)
    target[_MADE] = made
    _hook_head(target, animation, placement, start)


def remove_animation(target: bpy.types.Object) -> None:
    """Take off what an import put on: keys, hook and caches. The user's own stay."""
    _remove_made(target)
    for modifier in [m for m in target.modifiers if m.name.startswith("SEDTalker")]:
        target.modifiers.remove(modifier)


def _remove_made(target: bpy.types.Object) -> None:
    keys = target.data.shape_keys
    for name in target.get(_MADE, ()):
        if keys and name in keys.key_blocks:
            target.shape_key_remove(keys.key_blocks[name])
    if _MADE in target:
        del target[_MADE]
    modifier = target.modifiers.get(HEAD)
    if modifier:
        hook = modifier.object
        target.modifiers.remove(modifier)
        if hook and hook.get("sedtalker_hook"):
            bpy.data.objects.remove(hook)
    if HEAD in target.vertex_groups:
        target.vertex_groups.remove(target.vertex_groups[HEAD])


def _hook_head(target: bpy.types.Object, animation: FaceAnimation, placement: Placement, start: int) -> None:
    """An empty at the pivot, a child of the mesh, turns the vertices of a group by their weights."""
    if np.allclose(animation.head_turns, (1, 0, 0, 0), atol=1e-9):
        return
    group = target.vertex_groups.new(name=HEAD)
    followers = np.asarray(animation.followers, np.float64)
    for weight in np.unique(followers[followers > 0]):
        group.add(np.flatnonzero(followers == weight).tolist(), float(weight), "REPLACE")
    hook = bpy.data.objects.new(f"{target.name} head", None)
    hook["sedtalker_hook"] = True
    hook.empty_display_type = "SPHERE"
    hook.empty_display_size = 0.2 * max(float(np.ptp(rest_positions(target.data), axis=0).max()), 1e-6)
    (target.users_collection or (bpy.context.scene.collection,))[0].objects.link(hook)
    hook.parent = target
    pivot = placement.points(np.asarray(animation.pivot, np.float64))
    hook.location = Vector(pivot)
    hook.rotation_mode = "QUATERNION"
    modifier = target.modifiers.new(HEAD, "HOOK")
    modifier.object = hook
    modifier.vertex_group = HEAD
    modifier.falloff_type = "NONE"
    modifier.strength = 1.0
    modifier.matrix_inverse = Matrix.Translation(-Vector(pivot))
    target.modifiers.move(len(target.modifiers) - 1, 0)
    turns = animation.head_turns.copy()
    turns[:, 1:] = turns[:, 1:] @ placement.rotation.T  # the axes, as the mesh lies
    curves = fresh_action(hook, f"{animation.name} head")
    for column, values in enumerate(continuous(turns).T):
        add_curve(curves, "rotation_quaternion", values, start, column)
