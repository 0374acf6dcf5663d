"""Two animations of one face: how far their vertices are apart, as measures and as a video."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from sedtalker.animation.animation import Animation
from sedtalker.animation.option_fields import Backend
from sedtalker.arrays import Doubles, Floats, Reals, nearest_rotation
from sedtalker.audio import Audio, FrameClock, resample_frames
from sedtalker.errors import InputError
from sedtalker.face.face import Face, head_weights
from sedtalker.metrics.motion import lip_vertex_error, mean_vertex_error, upper_face_dynamics_deviation
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.render.camera import frame_head
from sedtalker.render.codecs import write_video
from sedtalker.render.light import Lighting, load_lighting
from sedtalker.render.picture import Image, Renderer
from sedtalker.render.renderer import make_renderer
from sedtalker.storage import UNREADABLE

log = logging.getLogger(__name__)

CHUNK = 64
"""Frames whose vertices are in memory at once."""
RAMP = ((0.80, 0.80, 0.80), (0.98, 0.88, 0.45), (0.95, 0.55, 0.20), (0.80, 0.15, 0.15), (0.30, 0.02, 0.25))
"""sRGB from no difference to the top of the scale; its lightness falls throughout."""


FURTHEST = 0.1
"""Metres that a vertex sequence may lie from its mesh, root mean square: more is another unit, place or order."""


@dataclass(frozen=True, eq=False)
class VertexSequence:
    """What another method gives: every vertex of every frame.

    Attributes:
        frames: (T, V, 3) metres, in the place of the mesh.
        fps: frames a second.
        face: the face they move: its mesh and its regions.
    """

    frames: Floats
    fps: float
    face: Face

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self) / self.fps

    def vertices(self, start: int = 0, stop: int | None = None) -> Floats:
        """(t, V, 3) of frames ``start`` to ``stop``."""
        return np.asarray(self.frames[start:stop], np.float32)

    def resampled(self, fps: float) -> VertexSequence:
        """The same motion at ``fps`` frames a second, linear between frames."""
        if fps == self.fps:
            return self
        times = FrameClock(fps).times(max(round(self.duration * fps), 1))
        flat = np.asarray(self.frames, np.float32).reshape(len(self), -1)
        moved = resample_frames(flat, FrameClock(self.fps).times(len(self)), times)
        return replace(self, frames=moved.reshape(len(moved), -1, 3).astype(np.float32), fps=fps)


Moving = Animation | VertexSequence
"""What can be compared."""


def read_vertices(path: Path, fps: float, face: Face) -> VertexSequence:
    """A ``.npy`` of vertices (T, V, 3) or (T, 3 V), metres, as research code and ``--to npy`` write it.

    Raises:
        InputError: it cannot be read, has another number of vertices, or does not lie where the mesh is.
    """
    try:
        frames: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except UNREADABLE:
        raise InputError(f"{path}: not a .npy of numbers") from None
    count = len(face.mesh.vertices)
    if not np.issubdtype(frames.dtype, np.floating) or frames.ndim not in (2, 3) or not len(frames):
        raise InputError(f"{path}: give floats (frames, vertices, 3) or (frames, 3 vertices), not {frames.shape}")
    if frames[0].size != 3 * count:
        raise InputError(f"{path}: {frames[0].size // 3} vertices a frame, but the mesh has {count}")
    frames = frames.reshape(len(frames), count, 3)
    apart = float(np.sqrt(((frames[0] - face.mesh.vertices) ** 2).sum(-1).mean()))
    if not apart < FURTHEST:
        raise InputError(f"{path}: its first frame is {apart:.3g} m from the mesh: is it in metres, and of this mesh?")
    if not all(np.isfinite(frames[start : start + CHUNK]).all() for start in range(0, len(frames), CHUNK)):
        raise InputError(f"{path}: some of its coordinates are not finite numbers")
    return VertexSequence(frames, fps, face)


def align(a: Moving, b: Moving) -> tuple[Moving, Moving]:
    """Both at the frames a second of ``a``, as long as the shorter.

    Raises:
        InputError: they are not of the same face.
    """
    one, other = a.face.mesh, b.face.mesh
    if not np.array_equal(one.polygon_sizes, other.polygon_sizes) or not np.array_equal(
        one.polygon_vertices, other.polygon_vertices
    ):
        counts = f"{len(one.vertices)} and {len(other.vertices)} vertices"
        raise InputError(f"the animations are on different meshes ({counts}): compare two of one face")
    if one.vertices.shape != other.vertices.shape or not np.allclose(one.vertices, other.vertices, atol=1e-6):
        raise InputError(f"the animations are of different faces ({a.face.name}, {b.face.name}): compare two of one")
    b = b.resampled(a.fps)
    frames = min(len(a), len(b))
    if frames == 0:
        raise InputError("an animation is empty: there is nothing to compare")
    if len(a) != len(b):
        log.info(
            f"the animations last {a.duration:.2f} and {b.duration:.2f} s; only the length of the shorter is compared"
        )
    return _cut(a, frames), _cut(b, frames)


def _cut(moving: Moving, frames: int) -> Moving:
    """The first frames."""
    if isinstance(moving, VertexSequence):
        return replace(moving, frames=moving.frames[:frames])
    head = moving.head_rotation[:frames]
    return replace(moving, coefficients=moving.coefficients[:frames], head_rotation=head, track=None)


STILLEST = 0.25
"""Share of a head's vertices, those that its shapes move least, by which head motion is found."""


def _still(a: Moving, b: Moving, start: int, stop: int) -> tuple[Floats, Floats]:
    """Vertices (t, V, 3) of both without head motion.

    An animation knows it apart. Between a vertex sequence and an animation it is taken off both by ``_without_motion``;
    two vertex sequences are compared as they are, which is how measures are published.
    """
    if isinstance(a, VertexSequence) and isinstance(b, VertexSequence):
        return a.vertices(start, stop), b.vertices(start, stop)
    if isinstance(a, Animation) and isinstance(b, Animation):
        return tuple(x.face.deform(x.coefficients[start:stop]) for x in (a, b))  # type: ignore[return-value]
    return _without_motion(a.vertices(start, stop), a.face), _without_motion(b.vertices(start, stop), a.face)


def _without_motion(moved: Floats, face: Face) -> Floats:
    """Vertices (t, V, 3) turned and shifted back, so that what expressions hardly move lies where it rests (Kabsch).

    The neck follows the head by the weights of ``face``.
    """
    rest, follow = face.mesh.vertices.astype(np.float64), head_weights(face)
    reach, whole = np.linalg.norm(face.basis, axis=-1).max(0), follow >= 0.999 * follow.max()
    anchor = whole & (reach <= np.quantile(reach[whole], STILLEST))
    points, target = moved[:, anchor].astype(np.float64), rest[anchor]
    centre, home = points.mean(1, keepdims=True), target.mean(0)
    turn = nearest_rotation(np.einsum("tvi,vj->tij", points - centre, target - home))  # turns columns, and rows back
    centred = moved - centre + (turn @ (home - face.pivot))[:, None]
    still, neck = centred @ turn, np.flatnonzero(~whole)
    skinned = np.eye(3) + follow[neck, None, None] * (turn - np.eye(3))[:, None]
    still[:, neck] = np.linalg.solve(skinned, centred[:, neck, :, None])[..., 0]
    return np.asarray(still + face.pivot, np.float32)


def differences(a: Moving, b: Moving) -> dict[str, Any]:
    """How far the vertices of two animations of one face, equally long, are apart.

    Head motion is left out, except between two vertex sequences, which are compared as they are.

    ``mean_mm`` and ``max_mm`` are vertex distances over all frames and vertices, the largest at ``max_at`` seconds;
    ``lve_mm2`` and ``fdd_mm`` as in ``sedtalker.metrics.motion`` with ``b`` as the reference: a positive ``fdd_mm``
    means that ``a``'s upper face moves less. None where the face has no such region.
    """
    lips, upper = a.face.regions.get("lips"), a.face.regions.get("upper_face")
    mean, lve, largest, at = 0.0, 0.0, -1.0, 0
    foreheads: list[tuple[Floats, Floats]] = []
    for start in range(0, len(a), CHUNK):
        made, reference = _still(a, b, start, start + CHUNK)
        mean += mean_vertex_error(made, reference) * len(made)
        lve += 0.0 if lips is None else lip_vertex_error(made, reference, lips) * len(made)
        furthest = np.linalg.norm(made - reference, axis=-1).max(1)
        if furthest.max() > largest:
            largest, at = float(furthest.max()), start + int(furthest.argmax())
        if upper is not None:
            foreheads.append((made[:, upper], reference[:, upper]))
    fdd = None
    if upper is not None and upper.any():
        moved = [np.concatenate(parts) for parts in zip(*foreheads, strict=True)]
        whole = np.ones(int(upper.sum()), bool)
        fdd = 1e3 * upper_face_dynamics_deviation(moved[0], moved[1], a.face.mesh.vertices[upper], whole)
    return {
        "frames": len(a),
        "fps": a.fps,
        "mean_mm": 1e3 * mean / len(a),
        "max_mm": 1e3 * largest,
        "max_at": at / a.fps,
        "lve_mm2": None if lips is None else 1e6 * lve / len(a),
        "fdd_mm": fdd,
    }


# --- The video.


def render_comparison(
    a: Moving,
    b: Moving,
    path: Path,
    audio: Audio | None = None,
    *,
    names: tuple[str, str] = ("A", "B"),
    scale: float = 5.0,
    size: int = 384,
    backend: Backend = "auto",
    light: str | Lighting = "studio",
    hook: Hook = no_progress,
) -> None:
    """A video of both side by side, and of the first coloured by its distance to the second.

    Args:
        a: an animation, from ``align``.
        b: the reference, from ``align``.
        audio: the sound; it is cut where the animations end.
        names: printed over the pictures.
        scale: top of the colour scale, millimetres.
        size: side of each of the three pictures, pixels.
        backend: see ``make_renderer``.
        light: a preset, a ``.json`` file, or a lighting.
    """
    lighting = load_lighting(light) if isinstance(light, str) else light
    sound = None if audio is None else (audio.samples[: int(a.duration * audio.rate)], audio.rate)
    with (
        make_renderer(a.face, frame_head(a.face), size, backend, lighting=lighting) as picture,
        closing(counted(_frames(a, b, picture, names, scale), hook, "rendering", len(a))) as frames,
    ):
        write_video(path, frames, a.fps, sound)


def _frames(a: Moving, b: Moving, picture: Renderer, labels: tuple[str, str], scale: float) -> Iterator[Image]:
    """Pictures (S, 3 S, 3) of ``a``, ``b`` and ``a`` coloured by the distance to ``b``."""
    caption = None
    for start in range(0, len(a), CHUNK):
        stop = min(start + CHUNK, len(a))
        still = _still(a, b, start, stop)
        apart = 1e3 * np.linalg.norm(still[0] - still[1], axis=-1)
        for one, other, distance in zip(a.vertices(start, stop), b.vertices(start, stop), apart, strict=True):
            colours = _ramp(distance, scale).astype(np.float32)
            shown = [picture.render(one), picture.render(other), picture.render(one, colours)]
            frame = np.concatenate(shown, axis=1)
            caption = _caption(frame.shape[0], labels, scale) if caption is None else caption
            ink, cover = caption
            yield np.round(frame * (1 - cover) + ink * cover).astype(np.uint8)


def _ramp(values: Reals, top: float) -> Doubles:
    """Colours (N, 3) of values (N,) on a scale from 0 to ``top``."""
    stops = np.linspace(0.0, top, len(RAMP))
    return np.stack([np.interp(values, stops, channel) for channel in zip(*RAMP, strict=True)], axis=1)


def _caption(size: int, labels: tuple[str, str], scale: float) -> tuple[Image, Floats]:
    """What is printed over every frame: colours (S, 3 S, 3) and cover (S, 3 S, 1): the names and the colour scale."""
    sheet = Pictures.new("RGBA", (3 * size, size), (0, 0, 0, 0))
    draw, line = ImageDraw.Draw(sheet), max(10, size // 24)
    font = ImageFont.load_default(line)
    ink, paper = (20, 24, 32, 255), (255, 255, 255, 255)
    for i, text in enumerate((f"A  {labels[0]}", f"B  {labels[1]}", "|A - B|")):
        draw.text((i * size + line // 2, line // 2), text, ink, font, stroke_width=1, stroke_fill=paper)
    left, right, top = 2 * size + size // 8, 3 * size - size // 8, size - 3 * line
    bar = np.round(255 * _ramp(np.arange(right - left) / max(right - left - 1, 1), 1.0)).astype(np.uint8)
    sheet.paste(Pictures.fromarray(np.repeat(bar[None], line + 1, axis=0)), (left, top))
    draw.rectangle([left - 1, top - 1, right, top + line + 1], outline=ink)
    for x, anchor, text in (
        (left, "la", "0"),
        ((left + right) // 2, "ma", f"{scale / 2:g}"),
        (right, "ra", f"{scale:g} mm"),
    ):
        draw.text((x, top + line + 3), text, ink, font, anchor=anchor, stroke_width=1, stroke_fill=paper)
    pixels = np.asarray(sheet)
    return pixels[..., :3].astype(np.uint8), np.asarray(pixels[..., 3:] / 255, np.float32)
