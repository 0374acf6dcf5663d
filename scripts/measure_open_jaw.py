"""For how much of the time a jaw is open over sounds, as music, with the rule that a mouth rests over them and without.

    python scripts/measure_open_jaw.py FOLDER ... [--seconds 20] [--most 8]

Reads up to so many recordings of each folder, seconds from the middle of each, under a neutral track. The table in
docs/lips.md was made of Debian's packages wesnoth-1.16-music, singularity-music, hyperrogue-music, supertuxkart-data
(its music), fillets-ng-data-cs and fillets-ng-data-nl, unpacked.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest import mock

import numpy as np

from sedtalker.animation import animator as animating
from sedtalker.animation.animator import Animator
from sedtalker.audio import Audio, load_audio
from sedtalker.errors import InputError

OPEN = 0.05
"""Weight of the jaw from which on it is open."""
SUFFIXES = (".ogg", ".opus", ".flac", ".wav", ".mp3")
"""Endings of recordings."""


def openings(animator: Animator, sounds: list[Audio]) -> np.ndarray:
    """(T,) weights of the jaw in all frames of these sounds."""
    made = [animator(sound, emotion="neutral", fps=25.0, head=False) for sound in sounds]
    return np.concatenate([each.coefficients[:, each.face.shapes.index("jawOpen")] for each in made])


def middle(path: Path, seconds: float) -> Audio | None:
    """So many seconds from the middle of a recording; None: it is damaged."""
    try:
        sound = load_audio(path)
    except InputError:
        return None
    first = max(0, round((sound.duration - seconds) / 2 * sound.rate))
    return Audio(sound.samples[first : first + round(seconds * sound.rate)], sound.rate)


def main() -> None:
    """Parse arguments, animate and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--most", type=int, default=8)
    arguments = parser.parse_args()
    animator, rng = Animator.from_pretrained(), np.random.default_rng(0)
    print("| sounds | open without the rule | with it |\n|---|---|---|")
    for folder in arguments.folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.stat().st_size > 2000)
        chosen = [paths[place] for place in rng.permutation(len(paths))[: arguments.most]]
        sounds = [sound for path in chosen if (sound := middle(path, arguments.seconds)) is not None]
        now = openings(animator, sounds)
        with mock.patch.object(animating, "resting", lambda features: features):
            before = openings(animator, sounds)
        print(f"| {folder.name} | {(before > OPEN).mean():.2f} | {(now > OPEN).mean():.2f} |", flush=True)


if __name__ == "__main__":
    main()
