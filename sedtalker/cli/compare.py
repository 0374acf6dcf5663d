"""``sedtalker compare``: two animations of one face side by side, and how far they differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.cli.render import Backend
from sedtalker.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sedtalker.animation.animation import Animation
    from sedtalker.audio import Audio
    from sedtalker.render import Renderer

    Floats = NDArray[np.float32]
    Image = NDArray[np.uint8]

CHUNK = 64
RAMP = ((0.80, 0.80, 0.80), (0.98, 0.88, 0.45), (0.95, 0.55, 0.20), (0.80, 0.15, 0.15), (0.30, 0.02, 0.25))
"""sRGB from no difference to the top of the scale; its lightness falls throughout."""


@fail_clearly
def compare(
    first: Annotated[Path, typer.Argument(metavar="A.npz", help="An animation, for example a prediction.")],
    second: Annotated[Path, typer.Argument(metavar="B.npz", help="Another of the same face: the reference.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The video [A-B.mp4 beside A].")] = None,
    scale: Annotated[float, typer.Option(min=0.01, max=1000.0, help="Top of the colour scale, mm.")] = 5.0,
    audio: Annotated[Path | None, typer.Option(help="The speech [found beside A].")] = None,
    light: Annotated[str, typer.Option(help="studio, soft, dramatic or a .json file.")] = "studio",
    size: Annotated[int, typer.Option(min=64, max=2160, help="Side of each of the three pictures, pixels.")] = 384,
    renderer: Annotated[Backend, typer.Option(help="numba needs no graphics library; pyrender needs EGL.")] = "auto",
    video: Annotated[bool, typer.Option("--video/--no-video", help="Render the video; else only the figures.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing video.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Show two animations of one face and their difference in colour; print how far their vertices are apart."""
    from sedtalker.storage import OutputFolder

    for path in (first, second):
        if not path.is_file():
            raise InputError(f"{path}: no such file; give an .npz that sedtalker animate wrote")
    target = output or first.with_name(f"{first.stem}-{second.stem}.mp4")
    if target.suffix.lower() not in (".mp4", ".mov", ".mkv"):
        raise InputError(f"{target}: give a file that ends in .mp4, .mov or .mkv")
    from sedtalker.animation.animation import read_animation
    from sedtalker.cli.console import Stages

    stages = Stages(quiet=quiet)
    with stages.stage("opening the animations"):
        a, b = _aligned(read_animation(first), read_animation(second), quiet)
    with stages.stage("measuring"):
        figures = differences(a, b)
    if video:
        from sedtalker.export.sound import find_sound
        from sedtalker.render import frame_head, load_lighting, make_renderer
        from sedtalker.render.video import write_video

        lighting = load_lighting(light)
        with OutputFolder(target.parent, [target.name], force) as results:
            sound = _sound(find_sound(a, first, audio), len(a) / a.fps)
            with (
                make_renderer(a.face, frame_head(a.face), size, renderer, lighting=lighting) as picture,
                stages.bar("rendering", len(a)) as count,
            ):
                frames = (count(frame) for frame in _frames(a, b, picture, _labels(first, second), scale))
                write_video(
                    results.path / target.name, frames, a.fps, None if sound is None else (sound.samples, sound.rate)
                )
    if as_json:
        write_json({"file": str(target) if video else None, **figures})
    else:
        print("\n".join([str(target)] * video + [_sentence(figures)]))


def differences(a: Animation, b: Animation) -> dict[str, Any]:
    """How far the vertices of two animations of one face, equally long, are apart, head motion left out.

    ``mean_mm`` and ``max_mm`` are vertex distances over all frames and vertices, the largest at ``max_at`` seconds;
    ``lve_mm2`` and ``fdd_mm`` as in ``sedtalker.metrics.motion`` with ``b`` as the reference: a positive ``fdd_mm``
    means that ``a``'s upper face moves less. None where the face has no such region.
    """
    import numpy as np

    from sedtalker.metrics.motion import lip_vertex_error, mean_vertex_error, upper_face_dynamics_deviation

    lips, upper = a.face.regions.get("lips"), a.face.regions.get("upper_face")
    mean, lve, largest, at = 0.0, 0.0, -1.0, 0
    foreheads: list[tuple[Floats, Floats]] = []
    for start in range(0, len(a), CHUNK):
        made, reference = (x.face.deform(x.coefficients[start : start + CHUNK]) for x in (a, b))
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


def _sentence(figures: dict[str, Any]) -> str:
    text = "mean {mean_mm:.3f} mm, largest {max_mm:.2f} mm at {max_at:.2f} s".format(**figures)
    text += "" if figures["lve_mm2"] is None else f", LVE {figures['lve_mm2']:.3f} mm²"
    return text + ("" if figures["fdd_mm"] is None else f", FDD {figures['fdd_mm']:+.3f} mm")


def _aligned(a: Animation, b: Animation, quiet: bool) -> tuple[Animation, Animation]:
    """Both at the frames a second of ``a``, as long as the shorter.

    Raises:
        InputError: they are not of the same face.
    """
    from dataclasses import replace

    import numpy as np

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
    if len(a) != len(b) and not quiet:
        say(f"note: the animations last {a.duration:.2f} and {b.duration:.2f} s; the shorter decides")
    a, b = (
        replace(x, coefficients=x.coefficients[:frames], head_rotation=x.head_rotation[:frames], track=None)
        for x in (a, b)
    )
    return a, b


def _sound(file: Path | None, seconds: float) -> Audio | None:
    """The sound, no longer than what is shown."""
    from dataclasses import replace

    from sedtalker.audio import load_audio

    if file is None:
        return None
    sound = load_audio(file)
    return replace(sound, samples=sound.samples[: int(seconds * sound.rate)])


def _labels(first: Path, second: Path) -> tuple[str, str]:
    """Names to print; with their folders where the names alone are the same."""
    names = first.stem, second.stem
    return names if names[0] != names[1] else (f"{first.parent.name}/{names[0]}", f"{second.parent.name}/{names[1]}")


def _frames(a: Animation, b: Animation, picture: Renderer, labels: tuple[str, str], scale: float) -> Iterator[Image]:
    """Pictures (S, 3 S, 3) of ``a``, ``b`` and ``a`` coloured by the distance to ``b``."""
    import numpy as np

    stops, caption = np.linspace(0.0, scale, len(RAMP)), None
    for start in range(0, len(a), CHUNK):
        stop = min(start + CHUNK, len(a))
        still = [x.face.deform(x.coefficients[start:stop]) for x in (a, b)]
        apart = 1e3 * np.linalg.norm(still[0] - still[1], axis=-1)
        for one, other, distance in zip(a.vertices(start, stop), b.vertices(start, stop), apart, strict=True):
            colours = np.stack([np.interp(distance, stops, channel) for channel in zip(*RAMP, strict=True)], axis=1)
            shown = [picture.render(one), picture.render(other), picture.render(one, colours.astype(np.float32))]
            frame = np.concatenate(shown, axis=1)
            caption = _caption(frame.shape[0], labels, scale) if caption is None else caption
            ink, cover = caption
            yield np.round(frame * (1 - cover) + ink * cover).astype(np.uint8)


def _caption(size: int, labels: tuple[str, str], scale: float) -> tuple[Image, Floats]:
    """What is printed over every frame: colours (S, 3 S, 3) and cover (S, 3 S, 1): the names and the colour scale."""
    import numpy as np
    from PIL import Image as Pictures
    from PIL import ImageDraw, ImageFont

    sheet = Pictures.new("RGBA", (3 * size, size), (0, 0, 0, 0))
    draw, line = ImageDraw.Draw(sheet), max(10, size // 24)
    font = ImageFont.load_default(line)
    ink, paper = (20, 24, 32, 255), (255, 255, 255, 255)
    for i, text in enumerate((f"A  {labels[0]}", f"B  {labels[1]}", "|A - B|")):
        draw.text((i * size + line // 2, line // 2), text, ink, font, stroke_width=1, stroke_fill=paper)
    left, right, top = 2 * size + size // 8, 3 * size - size // 8, size - 3 * line
    stops = np.linspace(0.0, 1.0, len(RAMP))
    for x in range(left, right):
        share = (x - left) / max(right - left - 1, 1)
        fill = tuple(round(255 * float(np.interp(share, stops, channel))) for channel in zip(*RAMP, strict=True))
        draw.line([(x, top), (x, top + line)], fill=(*fill, 255))
    draw.rectangle([left - 1, top - 1, right, top + line + 1], outline=ink)
    for x, anchor, text in (
        (left, "la", "0"),
        ((left + right) // 2, "ma", f"{scale / 2:g}"),
        (right, "ra", f"{scale:g} mm"),
    ):
        draw.text((x, top + line + 3), text, ink, font, anchor=anchor, stroke_width=1, stroke_fill=paper)
    pixels = np.asarray(sheet)
    return pixels[..., :3].astype(np.uint8), np.asarray(pixels[..., 3:] / 255, np.float32)
