"""Pictures and videos of a scene of several heads: all in one picture, cuts to whoever speaks, or a split screen."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypedDict, Unpack, get_args

import numpy as np

from sedtalker.animation.option_fields import Backend, ShotKind
from sedtalker.animation.scene import Place, Scene, moved
from sedtalker.arrays import Floats
from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import from_triangles
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.render.camera import Camera, camera_around, measure_head
from sedtalker.render.light import Lighting, load_lighting
from sedtalker.render.picture import (
    Behind,
    DrawnMesh,
    Image,
    Portrait,
    Size,
    Standing,
    Viewpoint,
    picture_size,
    read_background,
    viewpoint,
)
from sedtalker.render.renderer import Renderer, make_renderer
from sedtalker.render.video import check_file, frame_at, write_drawn
from sedtalker.speakers.turns import Turn, Turns

TWO_HEADS, FURTHER_HEAD = (960, 540), 600
"""(width, height) in pixels of a picture whose size is not given, and what each head after the second adds to it."""
ASIDE = 0.5
"""Share of a head's turn in the scene by which its portraits are seen from the side: eyes meet across a cut."""
HEAD_DEPTH = 0.5
"""What counts for the width of a head ends so far below the middle of its portrait, in half heights: at the neck."""
PANEL_MARGIN = 0.2
"""What is kept free beside the outermost heads, in half heights of a portrait."""
PANEL_EDGE = 0.05
"""How far above the cut edges of shoulders pictures end, in heights of a portrait: those behind look higher."""
LINE = 270
"""The line between the pictures of a split screen is one pixel wide for so many of its height."""
LINE_COLOUR = 255
"""Grey of that line: white."""


class SceneLook(TypedDict, total=False):
    """How a scene is shown: what ``render_scene_frames`` takes beside it and the shot, with its defaults."""

    size: Size | None
    backend: Backend
    light: str | Lighting
    hook: Hook
    camera: str | Viewpoint
    background: str | Behind | None


def render_scene_frames(
    scene: Scene,
    shot: ShotKind = "two-shot",
    size: Size | None = None,
    backend: Backend = "auto",
    light: str | Lighting = "studio",
    hook: Hook = no_progress,
    *,
    camera: str | Viewpoint = "front",
    background: str | Behind | None = None,
    frames: tuple[int, int] | None = None,
) -> Generator[Image, None, None]:
    """Pictures (H, W, 3) uint8 sRGB of a scene, one a frame. A scene of one head is shown as its animation is.

    Args:
        scene: the heads and who speaks when.
        shot: ``two-shot``, however many heads there are; ``cut``; ``split``.
        size: as for ``render_frames``; by default 960 x 540, and wider for more than two heads in one picture.
        backend, light, hook, background: as for ``render_frames``.
        camera: as for ``render_frames``; one with a place stands in the scene, or where heads have portraits in the
            space of each head.
        frames: the first, and one past the last; by default all.

    Raises:
        InputError: as ``render_frames``, or no such shot.
    """
    view = _View(
        check_shot(shot, len(scene.names), size),
        backend,
        load_lighting(light) if isinstance(light, str) else light,
        viewpoint(camera),
        read_background(background),
    )
    start, stop = frames or (0, len(scene))
    draw = _cuts if shot == "cut" or len(scene.names) == 1 else _split if shot == "split" else _together
    with closing(draw(scene, view, start, stop)) as pictures:
        yield from counted(pictures, hook, "rendering", stop - start)


def render_scene(
    scene: Scene,
    path: Path | str,
    audio: Audio | Path | str | None = None,
    *,
    shot: ShotKind = "two-shot",
    at: float = 0.0,
    **look: Unpack[SceneLook],
) -> None:
    """Render a scene into a file, which appears whole or not at all.

    Args:
        path, audio, at: as for ``render_video``.
        shot: see ``render_scene_frames``.
        look: size, backend, light, hook, camera and background, see ``render_scene_frames``.

    Raises:
        InputError: as ``render_video``, or no such shot.
    """
    path = check_file(Path(path), look.get("background"), scene.fps)
    frames = None
    if path.suffix.lower() == ".png":
        frames = (k := frame_at(at, len(scene), scene.fps)), k + 1
    write_drawn(path, render_scene_frames(scene, shot, **look, frames=frames), scene.fps, audio)


def check_shot(shot: str, heads: int, size: Size | None = None) -> tuple[int, int]:
    """(width, height) in pixels of the pictures of a scene; by default what fits the shot and the number of heads.

    Raises:
        InputError: no such shot, or a size that cannot be used.
    """
    if shot not in get_args(ShotKind):
        raise InputError(f"there is no shot '{shot}': use one of {', '.join(get_args(ShotKind))}")
    if size is not None:
        return picture_size(size)
    width, height = TWO_HEADS
    return picture_size((width if shot == "cut" else width + FURTHER_HEAD * max(heads - 2, 0), height))


@dataclass(frozen=True, eq=False)
class _View:
    """How pictures are made, whatever the shot."""

    size: tuple[int, int]
    backend: Backend
    light: Lighting
    where: Viewpoint
    behind: Behind | None

    @property
    def aspect(self) -> float:
        """Width / height."""
        return self.size[0] / self.size[1]

    def renderer(self, subject: Face | list[DrawnMesh], camera: Camera) -> Renderer:
        """A renderer of a head, or of several."""
        return make_renderer(subject, camera, self.size, self.backend, background=self.behind, lighting=self.light)

    def portrait(self, face: Face, place: Place) -> Renderer:
        """A renderer of one head, seen a little from the side to which it does not turn."""
        if isinstance(self.where, Standing):
            return self.renderer(face, self.where.of(face))
        where = replace(self.where, yaw=self.where.yaw - ASIDE * place.yaw)
        return self.renderer(face, frame_heads([(face, Place())], where, self.aspect))


def _cuts(scene: Scene, view: _View, start: int, stop: int) -> Generator[Image, None, None]:
    """A portrait of whoever speaks."""
    cuts = cuts_of(scene.turns, scene.names)
    firsts = [int(np.clip(round(cut.at * scene.fps), start, stop)) for cut in cuts]
    with ExitStack() as stack:
        renderers = dict[str, Renderer]()
        for (_, name), (first, last) in zip(cuts, pairwise([*firsts, stop]), strict=True):
            if first == last:
                continue
            animation = scene.animations[name]
            if name not in renderers:
                renderers[name] = stack.enter_context(view.portrait(animation.face, scene.places[name]))
            with closing(renderers[name].render_all(animation.frames(start=first, stop=last))) as pictures:
                yield from pictures


def _split(scene: Scene, view: _View, start: int, stop: int) -> Generator[Image, None, None]:
    """A portrait of each, side by side, with a line between."""
    width, height = view.size
    edges = np.linspace(0, width, len(scene.names) + 1).round().astype(int)
    half = max(1, round(height / LINE)) / 2
    with ExitStack() as stack:
        parts = []
        for (name, animation), (left, right) in zip(scene.animations.items(), pairwise(edges), strict=True):
            part = replace(view, size=picture_size((int(right - left), height)))
            renderer = stack.enter_context(part.portrait(animation.face, scene.places[name]))
            frames = animation.frames(start=start, stop=stop)
            parts.append(stack.enter_context(closing(renderer.render_all(frames))))
        for pictures in zip(*parts, strict=True):
            whole = np.concatenate(pictures, axis=1)
            for edge in edges[1:-1]:
                whole[:, int(np.ceil(edge - half)) : int(np.ceil(edge + half))] = LINE_COLOUR
            yield whole


def _together(scene: Scene, view: _View, start: int, stop: int) -> Generator[Image, None, None]:
    """All heads in one picture."""
    faces = {name: animation.face for name, animation in scene.animations.items()}
    rests = {name: moved(face.mesh.vertices, face.pivot, scene.places[name]) for name, face in faces.items()}
    subjects = [DrawnMesh(face.mesh, face.regions, rests[name]) for name, face in faces.items()]
    everything = np.concatenate([*rests.values()])
    if isinstance(view.where, Standing):
        camera = view.where.of(from_triangles(everything, np.zeros((0, 3), np.int32)))
    else:
        heads = [(face, scene.places[name]) for name, face in faces.items()]
        camera = frame_heads(heads, view.where, view.aspect)

    def all_vertices() -> Iterator[Floats]:
        frames = [animation.frames(start=start, stop=stop) for animation in scene.animations.values()]
        for heads in zip(*frames, strict=True):
            placed = [
                moved(vertices, faces[name].pivot, scene.places[name])
                for name, vertices in zip(faces, heads, strict=True)
            ]
            yield np.concatenate(placed)

    with (
        view.renderer(subjects, camera) as renderer,
        closing(renderer.render_all(all_vertices())) as pictures,
    ):
        yield from pictures


def frame_heads(heads: Sequence[tuple[Face, Place]], where: Portrait, aspect: float) -> Camera:
    """A camera that shows all heads at their places; one alone as in its portrait, where that is wide enough.

    Where the width decides, the picture ends lower than a portrait, as far as shoulders reach, and the rest is above.

    Args:
        aspect: width of the picture / its height.
    """
    boxes, everything = [], []
    for face, place in heads:
        centre, half, lowest = measure_head(face)
        vertices = moved(face.mesh.vertices, face.pivot, place)
        middle = moved(centre[None].astype(np.float32), face.pivot, place)[0].astype(np.float64)
        across = vertices[vertices[:, 1] > middle[1] - HEAD_DEPTH * half, 0]
        left, right, up = across.min() - PANEL_MARGIN * half, across.max() + PANEL_MARGIN * half, middle[1] - centre[1]
        boxes.append((left, right, middle[1] - half, middle[1] + half, lowest + up, middle[2]))
        everything.append(vertices)
    lefts, rights, bottoms, tops, lowest, depths = np.array(boxes).T
    left, right, bottom, top = lefts.min(), rights.max(), bottoms.max(), tops.max()
    more = (right - left) / aspect - (top - bottom)
    if len(heads) == 1 and more <= 0:
        return where.of(heads[0][0])
    bottom -= np.clip(more, 0.0, max(bottom - lowest.max() - PANEL_EDGE * (top - bottom), 0.0))
    half = max(top - bottom, (right - left) / aspect) / 2
    middle = np.array([(left + right) / 2, bottom + half, depths.mean()])
    look = {"yaw": where.yaw, "pitch": where.pitch, "fov": where.fov}
    return camera_around(middle, half / where.zoom, np.concatenate(everything), **look)


# --- When the camera cuts to another speaker: decided by the turns alone.


LEAST_SECONDS = 1.2
"""A shot lasts at least so long: faster cuts are hard to follow."""
BACKCHANNEL = 0.7
"""Seconds: shorter turns ("mhm", "yes") do not move the camera, and shorter pauses do not part turns."""
LEAD = 0.15
"""Seconds by which a cut comes before a turn: the breath before it is seen."""


class CameraCut(NamedTuple):
    """From ``at`` seconds on the picture shows ``speaker``."""

    at: float
    speaker: str


def cuts_of(turns: Turns, names: Sequence[str]) -> list[CameraCut]:
    """The shots of a scene, the first at 0 s.

    Whoever begins to talk is shown, but for a turn that is a backchannel, or that ends while the one who is shown goes
    on talking. A cut that would come too soon waits; it is left out where too little of the turn remains.

    Args:
        turns: who speaks when.
        names: the speakers who can be shown; the first is shown where nobody talks.
    """
    talks = sorted(talk for name in names for talk in _talks(turns, name))
    shown = talks[0].speaker if talks else names[0]
    cuts, until = [CameraCut(0.0, shown)], 0.0  # until when the one who is shown has been known to talk
    for start, end, speaker in talks:
        if speaker == cuts[-1].speaker:
            until = max(until, end)
            continue
        at = max(start - LEAD, cuts[-1].at + LEAST_SECONDS)
        if end <= until or end - max(at, start) < BACKCHANNEL:
            continue
        cuts.append(CameraCut(at, speaker))
        until = end
    return cuts


def _talks(turns: Turns, speaker: str) -> list[Turn]:
    """The turns of a speaker that are no backchannels, joined over short pauses."""
    joined = list[Turn]()
    for start, end in turns.of(speaker):
        if joined and start - joined[-1].end < BACKCHANNEL:
            joined[-1] = joined[-1]._replace(end=end)
        else:
            joined.append(Turn(start, end, speaker))
    return [turn for turn in joined if turn.end - turn.start >= BACKCHANNEL]
