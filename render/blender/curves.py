"""F-curves by the thousand, in Blender 4.2 and in the layered actions of 4.4 and later."""

from __future__ import annotations

import bpy
import numpy as np

_LINEAR = 1  # keyframe interpolation
_OURS = "sedtalker"


def fresh_action(owner: bpy.types.ID, name: str) -> object:
    """The F-curves of a new action on ``owner``, in place of the action it had; the user's own is kept in the file."""
    animated = owner.animation_data_create()
    before = animated.action
    action = bpy.data.actions.new(name)
    action[_OURS] = True
    animated.action = action
    if before is not None and not before.get(_OURS):
        before.use_fake_user = True
    elif before is not None and before.users == 0:
        bpy.data.actions.remove(before)
    if not hasattr(action, "slots"):
        return action.fcurves
    slot = action.slots.new(owner.id_type, owner.name)
    animated.action_slot = slot
    strip = action.layers.new("SEDTalker").strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True).fcurves


def add_curve(curves: object, path: str, values: np.ndarray, start: int, index: int = 0) -> None:
    """One linear key a frame from ``start``; a value that never changes gets one key."""
    keys = np.asarray(values, np.float32)
    if len(keys) and (keys == keys[0]).all():
        keys = keys[:1]
    curve = curves.new(path, index=index)
    curve.keyframe_points.add(len(keys))
    points = np.column_stack([start + np.arange(len(keys), dtype=np.float32), keys])
    curve.keyframe_points.foreach_set("co", points.ravel())
    curve.keyframe_points.foreach_set("interpolation", np.full(len(keys), _LINEAR, np.int32))
    curve.update()
