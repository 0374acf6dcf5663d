"""``sedtalker style``: the talking style of somebody, from a clip of theirs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import InputError


@fail_clearly
def style(
    motion: Annotated[
        Path, typer.Argument(help="Motion of the person's face: a Live Link CSV, or an .npz of sedtalker animate.")
    ],
    audio: Annotated[Path, typer.Argument(help="The speech of that clip, which starts at the same moment.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The style; default: NAME.style.json beside it.")
    ] = None,
    force: o.ForceOption = False,
    as_json: o.JsonOption = False,
) -> None:
    """Fit a talking style to a clip; sedtalker animate --style uses it."""
    from sedtalker.storage import check_writable

    target = output or motion.with_name(f"{motion.stem}.style.json")
    if target.suffix.lower() != ".json":
        raise InputError(f"{target}: give a file that ends in .json")
    check_writable(target, force)
    from sedtalker.animation.style import fit_style, write_style
    from sedtalker.audio import load_audio
    from sedtalker.export.arkit import read_motion
    from sedtalker.face.builtin import load_face
    from sedtalker.nn.engine import open_model
    from sedtalker.speech.encoder import open_encoder

    o.check_files(motion, audio)
    features = open_encoder()(load_audio(audio))
    weights, track = read_motion(motion, features.clock.times(len(features)))
    found, left = fit_style(open_model("decoder"), features, weights, load_face(), track)
    write_style(target, found)
    say(f"the lips differ from the clip's {100 * left:.0f} % as much as in the natural style")
    if as_json:
        write_json({"file": str(target), "style": asdict(found), "error_left": round(left, 4)})
    else:
        for name, value in asdict(found).items():
            print(f"{name:<14}{value:+.2f}")
        print(target)
