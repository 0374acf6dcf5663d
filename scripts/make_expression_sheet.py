"""Make the sheet of docs/emotion.md: what faces show with 24 clips of corpora that nothing was trained on.

python scripts/make_expression_sheet.py --data DIR

Each corpus gives about four clips of different emotions, strong ones where strength is labelled, chosen as ``sedtalker
evaluate expression`` chooses them. The frame is the one in which the face is most expressive; below it stand the
intended emotion, the one that the face shows, and how strongly over the clip.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sedtalker.animation.animator import Animator
from sedtalker.audio import load_audio
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.builtin import load_face
from sedtalker.render import frame_head, make_renderer
from sedtalker.render.contact_sheet import tile
from sedtalker.training.corpora.manifest import Clip, find_data
from sedtalker.training.evaluation.expression import (
    EMOTIONAL,
    NARRATION,
    READ_CLIPS,
    ExpressionJudge,
    clips_by_corpus,
    labelled_clips,
    open_animator,
    shown_clip,
)
from sedtalker.training.evaluation.transfer import balanced_clips, listed_clips, training_lines

SHEET = Path(__file__).parents[1] / "docs" / "images" / "expression.jpg"
"""Where the picture is written."""
CLIPS, COLUMNS = 24, 6
"""Clips on the sheet, and how many stand in a row."""
SIZE, QUALITY = 192, 82
"""Side of a picture, pixels, and quality of the JPEG."""


def chosen_clips(found: dict[str, list[Clip]]) -> list[tuple[Clip, int]]:
    """Clips of different emotions of each corpus, other ones from corpus to corpus, about as many of each."""
    ranked = []
    for turn, name in enumerate(EMOTIONAL):
        first = {
            category: (clip, category) for clip, category in reversed(labelled_clips(found[name], None)) if category
        }
        categories = sorted(first)
        rotated = [categories[(turn + k) % len(categories)] for k in range(len(categories))]
        ranked += [(k, turn, first[category]) for k, category in enumerate(rotated)]
    kept = sorted(ranked, key=lambda one: one[:2])[:CLIPS]
    return [one[2] for one in sorted(kept, key=lambda one: one[1])]


def picture_of(animator: Animator, clip: Clip, frame: int) -> NDArray[np.uint8]:
    """One rendered frame of a clip's animation."""
    face, animation = load_face(), animator(load_audio(clip.path))
    with make_renderer(face, frame_head(face, zoom=1.3), SIZE) as view:
        return view.render(face.deform(animation.coefficients[frame : frame + 1])[0])


def main() -> None:
    """Judge, render and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder of the training data")
    parser.add_argument("--model", default="diarizer", help="diarizer, whisper-base, or a checkpoint folder")
    parser.add_argument("--encoder", type=Path, help="folder of the hub encoder's weights")
    parser.add_argument("--out", type=Path, default=SHEET, help="the picture")
    arguments = parser.parse_args()
    found = clips_by_corpus(listed_clips(find_data(arguments.data)), training_lines(arguments.model))
    animator = open_animator(arguments.model, arguments.encoder)
    read = [clip for name in NARRATION for clip in balanced_clips(found[name], READ_CLIPS)]
    judge = ExpressionJudge.of(animator, (load_audio(clip.path) for clip in read))
    pictures, labels = [], []
    for clip, category in chosen_clips(found):
        row = shown_clip(animator, judge, clip, load_audio(clip.path), category)
        pictures.append(picture_of(animator, clip, row.apex))
        shown = (
            f"{CATEGORIES[row.emotion]} {row.strength:.1f}".replace("0.", ".") if row.strength >= 0.05 else "nothing"
        )
        labels.append(f"{clip.corpus} {CATEGORIES[category]}: {shown}")
    Image.fromarray(tile(pictures, labels, COLUMNS)).save(arguments.out, quality=QUALITY, optimize=True)
    print(f"{arguments.out}  {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
