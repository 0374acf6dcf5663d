"""``sedtalker mesh``: inspect and register a custom head mesh."""

from __future__ import annotations

import json as jsons
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.animation.performance import Performance
from sedtalker.cli import options as o
from sedtalker.cli.console import Commands, say, write_json
from sedtalker.errors import InputError
from sedtalker.progress import one_step
from sedtalker.storage import OutputFolder, check_writable, whole_files

if TYPE_CHECKING:
    from sedtalker.face.inspection import Found, Inspection

app = Commands(help="Bring your own face: inspect a mesh, register it.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A head mesh: OBJ, GLB, glTF, USD, PLY, STL or OFF.")]
RIG_HELP = (
    "Your own blend shapes of this topology: a folder of OBJ files (ICT-FaceKit's FaceXModel), .npz, .glb or USD."
)
"""Help of ``--rig``."""

Landmarks = Annotated[
    Path | None, typer.Option(help="Where eyes, nose and mouth are (.json), when they are not found; see docs/mesh.md.")
]

HeadNumber = Annotated[
    int | None, typer.Option(min=1, help="Which head, where the file has several; by default the largest.")
]

KEY_POSES: dict[str, dict[str, float]] = {
    "neutral": {},
    "jawOpen": {"jawOpen": 0.7},
    "mouthClose + jawOpen": {"mouthClose": 0.5, "jawOpen": 0.5},
    "eyeBlink": {"eyeBlink": 1.0},
    "mouthSmile": {"mouthSmile": 1.0},
    "mouthFrown": {"mouthFrown": 1.0},
    "mouthPucker": {"mouthPucker": 1.0},
    "mouthFunnel": {"mouthFunnel": 1.0},
    "mouthStretch": {"mouthStretch": 1.0},
    "browInnerUp": {"browInnerUp": 1.0},
    "browDown": {"browDown": 1.0},
    "noseSneer": {"noseSneer": 1.0},
}
"""What ``--picture`` shows of a registered face."""


@app.command()
@o.takes_options()
def inspect(
    file: File,
    landmarks: Landmarks = None,
    head: HeadNumber = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the head with its landmarks (.png).")] = None,
    run: o.Run = o.Run(),
) -> None:
    """Describe a mesh file: what it holds, whether it is a face, which way it looks, and what is wrong with it."""
    _check_pages([picture], run.force)
    from sedtalker.face import Face
    from sedtalker.face.given_landmarks import given_landmarks
    from sedtalker.face.inspection import inspect as look
    from sedtalker.mesh.files import read_scene

    scene, source = read_scene(file), Face.builtin()
    given = None if landmarks is None else given_landmarks(landmarks, scene.mesh, source.marks)
    with run.shown() as shown, one_step(shown.hook, "looking for the face"):
        result = look(scene, source, given, head)
    if picture is not None:
        with OutputFolder(picture.parent, [picture.name], run.force) as results:
            from PIL import Image

            from sedtalker.render.contact_sheet import landmark_picture

            face = result.face
            drawn = landmark_picture(*((face.upright, face.upright_landmarks) if face else (scene.mesh, None)))
            Image.fromarray(drawn).save(results.path / picture.name)
    if run.as_json:
        write_json({"file": str(file), **result.as_dict(), "picture": picture and str(picture)})
        return
    print("\n".join(_lines(file, result)))


@app.command()
@o.takes_options(only="mouth eyes strength")
def register(
    file: File,
    output: Annotated[Path, typer.Option("--output", "-o", help="The registered face (.sedface).")],
    landmarks: Landmarks = None,
    head: HeadNumber = None,
    rig: Annotated[Path | None, typer.Option(help=RIG_HELP)] = None,
    open_mouth: Annotated[
        bool, typer.Option("--open-mouth", help="Cut sealed lips apart, which adds vertices; others are left alone.")
    ] = False,
    options: Performance = Performance(),
    picture: Annotated[Path | None, typer.Option(help="Draw a dozen shapes (.png).")] = None,
    report_page: Annotated[
        Path | None,
        typer.Option("--report", help="Write a page with six emotions, five mouth shapes and the score (.html)."),
    ] = None,
    run: o.Run = o.Run(),
) -> None:
    """Give a head mesh the shapes of the built-in face; `sedtalker animate --mesh` takes the result."""
    from sedtalker.face.fitting import FitOptions

    o.check_suffix(output, ".sedface")
    o.check_suffix(report_page, ".html")
    if file.suffix.lower() == ".sedface":
        raise InputError(f"{file}: a .sedface is registered already: give the mesh file")
    added: dict[str, Any] = {"mouth": options.mouth, "eyes": options.eyes, "strength": options.strength}
    FitOptions(**added)  # before any work
    pages = _check_pages([picture, report_page], run.force)
    results = whole_files([output, *pages], run.force)
    with results as paths, run.shown() as shown:
        from sedtalker.face import Face
        from sedtalker.face.quality import judge
        from sedtalker.face.sedface import write_sedface

        known: dict[str, Any] = {"head": head, "landmarks": landmarks, "rig": rig, "open_mouth": open_mouth}
        face = Face.from_mesh(file, **known, **added, hook=shown.hook)
        report = face.report
        assert report is not None
        with one_step(shown.hook, "judging the fit"):
            quality = judge(face, report)
        write_sedface(paths[0], face, quality)
        if picture is not None:
            from PIL import Image

            from sedtalker.render.contact_sheet import contact_sheet

            with one_step(shown.hook, "drawing shapes"):
                Image.fromarray(contact_sheet(face, KEY_POSES, size=240, columns=4)).save(paths[1])
        if report_page is not None:
            from sedtalker.render.contact_sheet import fit_page

            with one_step(shown.hook, "writing the report"):
                paths[-1].write_text(fit_page(face, quality), encoding="utf-8")
    if run.as_json:
        found = {"quality": quality.as_dict(), "registration": jsons.loads(report.to_json())}
        made = {"file": str(output), "picture": picture and str(picture), "report": report_page and str(report_page)}
        write_json({**made, **found})
        return
    made_of = ", ".join(f"{name} {value:.2f}" for name, value in quality.parts.items())
    say(f"{quality.verdict}: {quality.score:.2f} of 1 ({made_of})")
    for advice in quality.advice:
        say(f"  advice: {advice}")
    print(output)


def _lines(file: Path, result: Inspection) -> list[str]:
    """An inspection as a person reads it."""
    has, face = result.contents, result.face
    sizes = {3: "triangles", 4: "quads"}
    kinds = ", ".join(f"{n} {sizes.get(size, f'{size}-gons')}" for size, n in has.polygon_sizes.items())
    lines = [
        f"{file}: {'a face' if face else 'not a face'}",
        f"  vertices    {has.vertices}",
        f"  polygons    {has.polygons} ({kinds})",
        f"  pieces      {has.components}",
        f"  groups      {', '.join(f'{name} {n}' for name, n in has.groups.items()) or 'none'}",
        f"  UVs         {has.uvs or 'none'}",
        f"  blend shapes {len(result.targets) or 'none'}",
        f"  size        {' × '.join(f'{side:.4g}' for side in has.size)}",
    ]
    if face is not None:
        units = {1.0: "metres", 0.1: "decimetres", 0.01: "centimetres", 0.001: "millimetres"}
        normal = ", ".join(f"{round(x, 2) + 0.0:.2f}" for x in face.symmetry_normal)
        lines += [
            f"  unit        {units[face.unit] if face.unit else f'unusual: {face.scale:.3g} m'}",
            f"  axes        up {face.up_axis}, front {face.front_axis}",
            f"  symmetry    plane through {_place(face.symmetry_point)}, normal ({normal}); "
            f"{face.asymmetry:.1f} mm off its mirror image",
            f"  mouth       {'opens' if face.mouth_opens else 'sealed'}",
            f"  eyes        right {_eye(face, 0)}; left {_eye(face, 1)}",
            f"  roles       {_roles(result)}",
            *(f"  head {k}      between the eyes {_place(place)}" for k, place in enumerate(result.heads, 1)),
            f"  way         {result.way}: {result.basis}",
        ]
    return lines + [f"  problem: {problem}" for problem in result.problems]


def _place(point: Sequence[float]) -> str:
    return f"({', '.join(f'{x:.4g}' for x in point)})"


def _eye(face: Found, side: int) -> str:
    lids, ball = face.eyes_open[side], face.eyeballs[side]
    return f"{'open' if lids else 'no open lids'}, {'eyeball' if ball else 'no eyeball'}"


def _roles(result: Inspection) -> str:
    """``skin, upper teeth × 14``."""
    assert result.face is not None
    counts = Counter(piece.role for piece in result.face.pieces)
    return ", ".join(name if n == 1 else f"{name} × {n}" for name, n in counts.items())


def _check_pages(pages: Sequence[Path | None], force: bool) -> list[Path]:
    """The pages with pictures that are wanted, of which the first is a PNG, if they can be drawn and written."""
    from sedtalker.render.renderer import check_renderer

    o.check_suffix(pages[0], ".png")
    wanted = [path for path in pages if path is not None]
    for path in wanted:
        check_renderer()
        check_writable(path, force)
    return wanted
