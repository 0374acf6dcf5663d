"""The figures of docs/conversations.md, from ``sedtalker evaluate conversation``, and its picture:

python scripts/make_conversations.py --data DIR
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import soxr
from measured_page import asked_for, measured, write_between_marks

from sedtalker import Animator
from sedtalker.audio import SAMPLE_RATE, Audio, load_audio
from sedtalker.emotion.formats import densify
from sedtalker.emotion.track import Segment
from sedtalker.face.builtin import load_face
from sedtalker.render.scene import render_scene
from sedtalker.speakers.separation import cut_apart
from sedtalker.speakers.turns import Turn, Turns
from sedtalker.training.evaluation.conversation import evaluate_conversation
from sedtalker.training.evaluation.measures import TEST, listed_metrics, markdown_table

DOCS = Path(__file__).parents[1] / "docs"
GROUPS = {
    "speakers": ("two", "three", "four"),
    "sound": ("clean", "noise", "room", "telephone"),
    "corpus": ("librispeech", "ravdess", "cremad"),
}
"""Groups of conversations, and how the page calls what tells them apart."""


def draw_picture() -> None:
    """Two heads of a conversation that the sample's voice, at two speeds, has with itself."""
    from PIL import Image

    high = load_audio(DOCS.parent / "data/samples/four_moods.wav").samples[: 3 * SAMPLE_RATE]
    low = soxr.resample(high, SAMPLE_RATE, 1.3 * SAMPLE_RATE).astype(np.float32)[: 3 * SAMPLE_RATE]
    sound = Audio(np.concatenate([high, low]))
    turns = Turns((Turn(0.0, 3.0, "amara"), Turn(3.0, 6.0, "walter")), 6.0)
    moods = {"amara": Segment(0.0, 3.0, "happy", 1.0, 1.0), "walter": Segment(3.0, 6.0, "angry", 1.0, 1.0)}
    tracks = {name: densify([mood], 6.0) for name, mood in moods.items()}
    faces = [load_face(name) for name in turns.speakers]
    scene = Animator.from_pretrained().scene(sound, faces, speakers=cut_apart(sound, turns), tracks=tracks)
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for at in (1.9, 4.8):
            path = Path(folder) / f"{at}.png"
            render_scene(scene, path, at=at)
            rows.append(np.asarray(Image.open(path).convert("RGB")))
    Image.fromarray(np.concatenate(rows, 1)).resize((1440, 405)).save(DOCS / "images/two_shot.webp", quality=85)


def main() -> None:
    """Measure, write the page's tables and draw its picture."""
    figures = measured(
        __doc__,
        DOCS / "conversation.json",
        lambda data, hook: {k: round(v, 4) for k, v in evaluate_conversation(data, hook=hook).items()},
    )
    rows = []
    for measure, value in listed_metrics(TEST["conversation"], figures):
        good = measure.asked is not None and (
            value >= measure.asked if measure.better == "higher" else value <= measure.asked
        )
        rows.append((measure.text, asked_for(measure), f"**{value:.3f}**" if good else f"{value:.3f}"))
    parts = [markdown_table(("measure", "asked", "is"), rows), "Bold: reached."]
    for name, groups in GROUPS.items():
        known = [group for group in groups if f"der_{group}" in figures]
        head = (f"error rate by {name}", *known)
        parts.append(markdown_table(head, [("auto", *(f"{figures[f'der_{group}']:.3f}" for group in known))]))
    write_between_marks(DOCS / "conversations.md", "conversation", "\n\n".join(parts))
    draw_picture()


if __name__ == "__main__":
    main()
