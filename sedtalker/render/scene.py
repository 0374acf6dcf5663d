"""Pictures and videos of a scene of several heads: all in one picture, cuts to whoever speaks, or a split screen."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Unpack, get_args

import numpy as np

from sedtalker.animation.option_fields import Backend, ShotKind
from sedtalker.animation.scene import Place, Scene, moved
from sedtalker.audio import Audio
from sedtalker.errors import InputError, one_of
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import from_triangles
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.render.camera import Camera, frame_heads
from sedtalker.render.light import Lighting, load_lighting
from sedtalker.render.picture import (
    SMALLEST,
    Behind,
    DrawnMesh,
    Image,
    Renderer,
    Size,
    Standing,
    Viewpoint,
    picture_size,
    read_background,
    viewpoint,
)
from sedtalker.render.renderer import make_renderer
from sedtalker.render.video import Look, check_file, frame_at, write_drawn
from sedtalker.speakers.turns import Turn, Turns

TWO_HEADS, FURTHER_HEAD = (960, 540), 600
"""(width, height) in pixels of a picture whose size is not given, and what each head after the second adds to it."""
ASIDE = 0.5
"""Share of a head's turn in the scene by which its portraits are seen from the side: eyes meet across a cut."""
LARGER = 1.25
"""Heads stand in more rows, one above another, only where they are so many times larger then."""
WIDEST = 3840
"""Widest picture whose size is not given, pixels: that of most players of H.264."""
LINE = 270
"""The lines between the parts of a picture are one pixel wide for so many of its height."""
LINE_COLOUR = 255
"""Grey of these lines: white."""


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
        shot: ``two-shot``, however many heads there are; ``cut``; ``split``. Where one row of heads would be small,
            the first and the last have several rows.
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
    cut = shot == "cut" or len(scene.names) == 1
    drawn = _cuts(scene, view, start, stop) if cut else _parted(scene, view, shot, start, stop)
    with closing(drawn) as pictures:
        yield from counted(pictures, hook, "rendering", stop - start)


def render_scene(
    scene: Scene,
    path: Path | str,
    audio: Audio | Path | str | None = None,
    *,
    shot: ShotKind = "two-shot",
    at: float = 0.0,
    **look: Unpack[Look],
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
    write_drawn(path, render_scene_frames(scene, shot, **look, frames=frames), scene.duration, scene.fps, audio)


def check_shot(shot: str, heads: int, size: Size | None = None) -> tuple[int, int]:
    """(width, height) in pixels of the pictures of a scene; by default what fits the shot and the number of heads.

    Raises:
        InputError: no such shot, or a size that cannot be used.
    """
    if shot not in get_args(ShotKind):
        raise InputError(f"there is no shot '{shot}': {one_of(shot, get_args(ShotKind))}")
    if size is not None:
        return picture_size(size)
    width, height = TWO_HEADS
    return picture_size((width if shot == "cut" else min(width + FURTHER_HEAD * max(heads - 2, 0), WIDEST), height))


@dataclass(frozen=True, eq=False)
class _View:
    """How pictures are made, whatever the shot."""

    size: tuple[int, int]
    backend: Backend
    light: Lighting
    where: Viewpoint
    behind: Behind | None

    def camera(self, heads: Sequence[tuple[Face, Place]]) -> Camera:
        """The camera that sees heads at their places."""
        if not isinstance(self.where, Standing):
            return frame_heads(heads, self.size[0] / self.size[1], **asdict(self.where))
        everything = np.concatenate([moved(face.mesh.vertices, face.pivot, place) for face, place in heads])
        return self.where.of(from_triangles(everything, np.zeros((0, 3), np.int32)))

    def renderer(self, heads: Sequence[tuple[Face, Place]]) -> Renderer:
        """A renderer of heads at their places."""
        subjects = [
            DrawnMesh(face.mesh, face.regions, moved(face.mesh.vertices, face.pivot, place)) for face, place in heads
        ]
        camera, size = self.camera(heads), picture_size(self.size)
        return make_renderer(subjects, camera, size, self.backend, background=self.behind, lighting=self.light)

    def aside(self, place: Place) -> _View:
        """The view of a head in the space of its own: a little from the side to which it does not turn."""
        if isinstance(self.where, Standing):
            return self
        return replace(self, where=replace(self.where, yaw=self.where.yaw - ASIDE * place.yaw))


class _Part(NamedTuple):
    """A part of the pictures of a scene: which pixels, who is there, and how they are seen at which places."""

    rows: slice
    columns: slice
    view: _View
    heads: dict[str, tuple[Face, Place]]

    def scale(self) -> float:
        """How large heads are: pixels a metre."""
        return self.view.size[1] / (2 * self.view.camera(list(self.heads.values())).half_height)

    def pictures(self, scene: Scene, start: int, stop: int) -> Generator[Image, None, None]:
        """What it shows."""
        frames = [scene.animations[name].frames(start=start, stop=stop) for name in self.heads]
        placed = (
            np.concatenate(
                [moved(own, face.pivot, at) for own, (face, at) in zip(each, self.heads.values(), strict=True)]
            )
            for each in zip(*frames, strict=True)
        )
        with (
            self.view.renderer(list(self.heads.values())) as renderer,
            closing(renderer.render_all(placed)) as pictures,
        ):
            yield from pictures


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
                own = view.aside(scene.places[name])
                renderers[name] = stack.enter_context(own.renderer([(animation.face, Place())]))
            with closing(renderers[name].render_all(animation.frames(start=first, stop=last))) as pictures:
                yield from pictures


def _parted(scene: Scene, view: _View, shot: ShotKind, start: int, stop: int) -> Generator[Image, None, None]:
    """All heads, in one picture or each in its own with lines between; in rows where they are larger so."""
    width, height = view.size
    one_row, *more = (list(_rows(scene, view, shot, count)) for count in range(1, len(scene.names) + 1))
    choices = [one_row, *(parts for parts in more if min(min(part.view.size) for part in parts) >= SMALLEST)]
    scales = [min(part.scale() for part in parts) for parts in choices]
    parts = next(parts for parts, scale in zip(choices, scales, strict=True) if LARGER * scale >= max(scales))
    half = max(1, round(height / LINE)) / 2
    lines = [(part.rows, _line(part.columns.start, half)) for part in parts if part.columns.start]
    lines += [(_line(part.rows.start, half), part.columns) for part in parts if part.rows.start]
    with ExitStack() as stack:
        drawn = [stack.enter_context(closing(part.pictures(scene, start, stop))) for part in parts]
        for pictures in zip(*drawn, strict=True):
            whole = np.empty((height, width, pictures[0].shape[2]), np.uint8)
            for part, picture in zip(parts, pictures, strict=True):
                whole[part.rows, part.columns] = picture
            for line in lines:
                whole[line] = LINE_COLOUR
            yield whole


def _rows(scene: Scene, view: _View, shot: ShotKind, count: int) -> Iterator[_Part]:
    """The parts of pictures that have so many rows."""
    heads = [(name, animation.face, scene.places[name]) for name, animation in scene.animations.items()]
    for row, rows in zip(_edges(len(heads), count), _edges(view.size[1], count), strict=True):
        groups = [[head] for head in heads[row]] if shot == "split" else [heads[row]]
        for group, columns in zip(groups, _edges(view.size[0], len(groups)), strict=True):
            part = replace(view, size=(columns.stop - columns.start, rows.stop - rows.start))
            if shot == "split":
                part, group = part.aside(group[0][2]), [(*group[0][:2], Place())]
            yield _Part(rows, columns, part, {name: (face, place) for name, face, place in group})


def _edges(length: int, count: int) -> list[slice]:
    """A length in so many parts that are alike, pixels."""
    return [slice(*ends) for ends in pairwise(np.linspace(0, length, count + 1).round().astype(int).tolist())]


def _line(edge: int, half: float) -> slice:
    """The pixels of a line that is 2 ``half`` wide."""
    return slice(int(np.ceil(edge - half)), int(np.ceil(edge + half)))


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
