"""``sedtalker face``: the built-in faces, as a list, as pictures and as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import Commands, write_json
from sedtalker.storage import OutputFolder

if TYPE_CHECKING:
    from sedtalker.face.face import Face

app = Commands(help="List, look at and export the built-in faces.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A built-in face (see: sedtalker face list), random-SEED, or a .sedface.")]


@app.command("list")
def list_faces(json: o.JsonOption = False) -> None:
    """Name the built-in faces."""
    from sedtalker.face.builtin import FACES, load_face

    rows: list[dict[str, Any]] = []
    for name, about in FACES.items():
        face = load_face(name)
        rows.append(
            {
                "name": name,
                "about": about,
                "vertices": len(face.mesh.vertices),
                "polygons": len(face.mesh.polygon_sizes),
                "shapes": list(face.shapes),
                "correctives": [corrective.name for corrective in face.correctives],
            }
        )
    if json:
        write_json(rows)
        return
    for row in rows:
        print(f"{row['name']:<12}{row['vertices']:>7} vertices {len(row['shapes']):>4} shapes   {row['about']}")


@app.command()
def show(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture (.png).")],
    shape: Annotated[
        list[str] | None,
        typer.Option(help="SHAPE:WEIGHT, such as jawOpen:0.5 or mouthSmile (both sides). Repeatable."),
    ] = None,
    light: Annotated[str, o.option("light")] = "studio",
    yaw: Annotated[float, typer.Option(min=-180, max=180, help="Angle of the camera to the side, degrees.")] = 0.0,
    size: Annotated[
        int | None, typer.Option(min=64, max=2160, help="Side of one picture, pixels; by default 720, in a sheet 200.")
    ] = None,
    force: o.ForceOption = False,
) -> None:
    """Draw a contact sheet of all shapes, or one picture where --shape is given."""
    o.check_suffix(output, ".png")
    from sedtalker.render.renderer import check_renderer

    check_renderer()
    with OutputFolder(output.parent, [output.name], force) as results:
        from PIL import Image

        from sedtalker.face.face import parse_weights, pose
        from sedtalker.render import frame_head, load_lighting, make_renderer
        from sedtalker.render.contact_sheet import contact_sheet, every_shape

        face, lighting = _open(name), load_lighting(light)
        if shape:
            vertices = face.deform(pose(face, parse_weights(shape))[None])[0]
            with make_renderer(face, frame_head(face, yaw=yaw), size or 720, lighting=lighting) as view:
                picture = view.render(vertices)
        else:
            picture = contact_sheet(face, every_shape(face), size=size or 200, yaws=(yaw,), lighting=lighting)
        Image.fromarray(picture).save(results.path / output.name)
    print(output)


@app.command()
def export(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .obj (neutral) or .glb (all shapes) file.")],
    force: o.ForceOption = False,
) -> None:
    """Write a built-in face for other programs, in metres: OBJ, or GLB with every shape as a named morph target."""
    o.check_suffix(output, ".obj", ".glb")

    with OutputFolder(output.parent, [output.name], force) as results:
        face = _open(name)
        if output.suffix.lower() == ".obj":
            face.mesh.save(results.path / output.name)
        else:
            from sedtalker.export.glb import write_glb

            write_glb(results.path / output.name, face)
    print(output)


def _open(name: str) -> Face:
    """The face of that name, or in that ``.sedface`` file."""
    from sedtalker.face import Face

    return Face.load(name) if name.lower().endswith(".sedface") else Face.builtin(name)
