"""The mouth in a spread and in a rounded sound of seven languages, for docs/lips.md.

    python scripts/make_rounding_picture.py --data DIR

Writes ``docs/images/lips_rounding.jpg``: of one recording each the frame that is surest to be i, e or æ, then the one
that is surest to be o, u or w, as the decoder rounds the lips and as ``MouthRules.rounding`` does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from sedtalker.animation.articulation import PUCKER, posteriors_of
from sedtalker.animation.mouth_rules import RULES
from sedtalker.audio import load_audio
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.nn.engine import open_model
from sedtalker.render.camera import frame_head
from sedtalker.render.contact_sheet import tile
from sedtalker.render.renderer import make_renderer
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.evaluation.lips import ROUNDED, SPREAD, steady_track

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "lips_rounding.jpg"
SIZE, FOREHEAD = 170, 60
"""Side of a picture, and what is cut off above the nose, pixels."""
LANGUAGES = {
    "English": ("audio/librispeech", 3),
    "Mandarin": ("motion/facegood", 0),
    "Korean": ("audio/emotiontts_ko", 5),
    "Polish": ("audio/nemo", 7),
    "Greek": ("audio/aesdd", 7),
    "Spanish": ("audio/uem_es", 9),
    "Bangla": ("audio/banglaser", 9),
}
"""A folder with recordings, and which of them is taken."""


def mouths(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Label and weights (52,) of each picture."""
    net, decoder = open_encoder(), open_model("decoder")
    for language, (folder, index) in LANGUAGES.items():
        path = sorted(p for p in (data / folder).rglob("*") if p.suffix in (".opus", ".ogg", ".wav", ".flac"))[index]
        features = net(load_audio(path))
        phones = decoder.phones_in(features)
        rounded, spread = (posteriors_of(phones, (ROUNDED, SPREAD)) * features.speech[:, None]).argmax(axis=0)
        motion = decoder.predict(features, steady_track("neutral", 0.0))
        before = motion[rounded].copy()
        before[PUCKER] /= RULES.rounding
        yield from ((f"{language} ee", motion[spread]), ("oo decoded", before), ("oo", motion[rounded]))
        print(f"{language}: {path.name}: {before[PUCKER]:.2f} to {motion[rounded, PUCKER]:.2f}", file=sys.stderr)


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    chosen = parser.parse_args()
    face = load_face()
    try:
        labels, weights = zip(*mouths(find_data(chosen.data)), strict=True)
    except InputError as error:
        sys.exit(f"error: {error}")
    table = np.zeros((len(weights), len(face.shapes)), np.float32)
    table[:, :52] = np.stack(weights)
    with make_renderer(face, frame_head(face, zoom=1.9), SIZE) as view:
        pictures = [view.render(vertices)[FOREHEAD:] for vertices in face.deform(table)]
    Image.fromarray(tile(pictures, [*labels], 6)).save(PICTURE, quality=82, optimize=True)
    print(f"{PICTURE}  {PICTURE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
