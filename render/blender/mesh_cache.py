"""An animation on a mesh as a Mesh Cache: every vertex of every frame from a PC2 or MDD file."""

from __future__ import annotations

import struct
from pathlib import Path

import bpy
import numpy as np

from .face_animation import BROKEN, FaceAnimation, Placement, UnusableFile
from .shape_keys import rest_positions

CACHE = "SEDTalker cache"
_AXES = {(0, 1): "POS_X", (0, -1): "NEG_X", (1, 1): "POS_Y", (1, -1): "NEG_Y", (2, 1): "POS_Z", (2, -1): "NEG_Z"}


def write_pc2(path: Path, animation: FaceAnimation, placement: Placement) -> None:
    """All frames where the mesh lies, so that neither units nor axes need converting."""
    frames = len(animation.weights)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as stream:
            header = (b"POINTCACHE2\0", 1, len(animation.vertices), 0.0, 1.0, frames)
            stream.write(struct.pack("<12siiffi", *header))
            for index in range(frames):
                stream.write(placement.points(animation.frame(index)).astype("<f4").tobytes())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_first_frame(path: Path) -> tuple[np.ndarray, int, float | None]:
    """Vertices (V, 3) of sample 0, the number of samples, and their rate where the file has it.

    Raises:
        UnusableFile: neither PC2 nor MDD, or cut short.
    """
    try:
        with path.open("rb") as stream:
            if path.suffix.lower() == ".pc2":
                magic, _, points, _, _, frames = struct.unpack("<12siiffi", stream.read(32))
                if magic != b"POINTCACHE2\0":
                    raise UnusableFile(f"{path.name} is no PC2 point cache")
                times, number = np.zeros(1), "<f4"
            else:
                frames, points = struct.unpack(">ii", stream.read(8))
                times, number = np.frombuffer(stream.read(4 * max(frames, 0)), ">f4"), ">f4"
            if not (frames > 0 < points and path.stat().st_size - stream.tell() == 12 * points * frames):
                raise ValueError("cut short, or no cache")
            first = np.frombuffer(stream.read(points * 12), number).reshape(points, 3)
        return first, frames, (frames - 1) / float(times[-1] - times[0]) if times[-1] > times[0] else None
    except BROKEN:
        raise UnusableFile(f"{path.name} is no point cache, or it is cut short") from None


def apply_cache(target: bpy.types.Object, path: Path, start: int, axes: tuple[str, str] = ("POS_Y", "POS_Z")) -> None:
    """A Mesh Cache modifier on top of the stack; ``axes`` are the file's forward and up, by default Blender's own."""
    old = target.modifiers.get(CACHE)
    if old:
        target.modifiers.remove(old)
    modifier = target.modifiers.new(CACHE, "MESH_CACHE")
    modifier.cache_format = "MDD" if path.suffix.lower() == ".mdd" else "PC2"
    modifier.filepath = str(path)
    modifier.frame_start = start
    modifier.interpolation = "LINEAR"
    modifier.play_mode = "SCENE"
    modifier.time_mode = "FRAME"
    modifier.forward_axis, modifier.up_axis = axes
    target.modifiers.move(len(target.modifiers) - 1, 0)


def cache_axes(target: bpy.types.Object, first: np.ndarray) -> tuple[str, str]:
    """The file's forward and up axis that lay its first frame nearest the mesh at rest.

    Raises:
        UnusableFile: other vertices, another scale, or another shape.
    """
    rest = rest_positions(target.data).astype(np.float64)
    if len(rest) != len(first):
        raise UnusableFile(f"the cache has {len(first):,} vertices, {target.name} has {len(rest):,}")
    best, axes = np.inf, ("POS_Y", "POS_Z")
    for forward, forward_name in _AXES.items():
        for up, up_name in _AXES.items():
            if forward[0] == up[0]:
                continue
            y, z = (np.eye(3)[axis] * sign for axis, sign in (forward, up))
            turned = first @ np.stack([np.cross(y, z), y, z]).T
            distance = float(np.sqrt(((turned - rest) ** 2).sum(axis=1).mean()))
            if distance < best:
                best, axes = distance, (forward_name, up_name)
    if best > 0.1 * max(float(np.ptp(rest, axis=0).max()), 1e-30):
        raise UnusableFile(f"the cache does not lie on {target.name}: another mesh, vertex order or scale")
    return axes
