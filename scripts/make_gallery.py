"""Make the pictures of docs/video.md: the built-in faces, random ones, emotions, sounds, lights and all shapes.

python scripts/make_gallery.py [--out docs/images]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sedtalker.animation.performance import Motion
from sedtalker.animation.recipe import Moved, assemble, drawn_of
from sedtalker.audio import load_audio
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import FACES, load_face
from sedtalker.face.face import Face, pose
from sedtalker.nn.engine import open_model
from sedtalker.render import frame_head, load_lighting, make_renderer
from sedtalker.render.contact_sheet import contact_sheet, every_shape, tile
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.motion.expressive_motion import poses

Picture = NDArray[np.uint8]
IMAGES = Path(__file__).parents[1] / "docs" / "images"
MAX_BYTES = 320_000
AT_EASE = {"mouthSmile": 0.12, "eyeBlink": 0.05}
RANDOM_SEEDS = range(1, 11)
SOUNDS: dict[str, dict[str, float]] = {
    "m, b, p": {"mouthPress": 0.3},
    "f, v": {"mouthRollLower": 0.35, "mouthUpperUp": 0.25, "jawOpen": 0.06},
    "th": {"jawOpen": 0.16, "tongueTipInterdental": 1.0},
    "l": {"jawOpen": 0.25, "tongueTipAlveolar": 1.0},
    "ah": {"jawOpen": 0.5},
    "ee": {"mouthStretch": 0.4, "mouthSmile": 0.3, "jawOpen": 0.1, "mouthLowerDown": 0.3},
    "oh": {"mouthFunnel": 0.55, "jawOpen": 0.25},
    "oo": {"mouthPucker": 0.8, "jawOpen": 0.06},
}
"""Mouth shapes of some sounds, set by hand."""
SAMPLE = Path(__file__).parents[1] / "data/samples/four_moods.wav"
CLIPS = {"builtin": "happy:0.9", "amara": "angry:1", "walter": "sad:1"}
SPAN, STILLS = (0.5, 2.3), 6


def look(face: Face, weights: Mapping[str, float], size: int, light: str = "studio", **camera: float) -> Picture:
    """One picture (size, size, 3)."""
    with make_renderer(face, frame_head(face, **camera), size, lighting=load_lighting(light)) as view:
        return view.render(face.deform(pose(face, weights)[None])[0])


def people() -> Picture:
    """All built-in faces at rest, from the front and half from the side."""
    pictures = [
        np.concatenate([look(load_face(name), AT_EASE, 300, yaw=yaw, zoom=1.1) for yaw in (0.0, 38.0)])
        for name in FACES
    ]
    return tile(pictures, list(FACES), len(FACES))


def random_people() -> Picture:
    """Some of the faces that seeds draw."""
    names = [f"random-{seed}" for seed in RANDOM_SEEDS]
    return tile([look(load_face(name), AT_EASE, 170, yaw=15.0) for name in names], names, 5)


def emotions(names: Sequence[str], size: int) -> Picture:
    """The six emotions at full intensity, as the decoder learns them."""
    full = dict(zip(CATEGORIES, poses(), strict=True))
    shown = {name: dict(zip(ARKIT_52, map(float, full[name]), strict=True)) for name in CATEGORIES if name != "neutral"}
    pictures = [look(load_face(name), weights, size, zoom=1.55) for name in names for weights in shown.values()]
    return tile(pictures, list(shown) * len(names), 3 if len(names) == 1 else len(shown))


def sounds(face: Face) -> Picture:
    """Mouth shapes of some sounds: the lower half of the face."""
    return tile([look(face, w, 270, zoom=1.7)[105:, 32:-32] for w in SOUNDS.values()], list(SOUNDS), 4)


def lights(face: Face) -> Picture:
    """The light presets."""
    names = ("studio", "soft", "dramatic")
    smile = AT_EASE | {"mouthSmile": 0.4, "cheekSquint": 0.2}
    return tile([look(face, smile, 340, name, yaw=25.0) for name in names], names, 3)


def clips(size: int = 170) -> Picture:
    """Stills of three clips: the sample's first sentence on three people, each with a track of its own."""
    sound = load_audio(SAMPLE)
    features, decoder, rows = open_encoder()(sound), open_model("decoder"), []
    for name, emotion in CLIPS.items():
        track, face = parse_emotion(emotion, sound.duration), load_face(name)
        spoken = decoder.predict(features, track)
        moved = Moved(spoken, ARKIT_52, features, track)
        motion = Motion(seed=3)
        animation = assemble(moved, drawn_of(features, motion, sound.duration), motion, face)
        chosen = np.round(np.linspace(*SPAN, STILLS) * 30).astype(int)
        with make_renderer(face, frame_head(face, zoom=1.3), size) as view:
            rows += [view.render(animation.vertices(k, k + 1)[0]) for k in chosen.tolist()]
    labels = [f"{emotion}, {t:.2f} s" for emotion in CLIPS.values() for t in np.linspace(*SPAN, STILLS)]
    return tile(rows, labels, STILLS)


def gallery() -> Iterator[tuple[str, Picture]]:
    """Name and picture of everything in the gallery."""
    face = load_face()
    yield "people", people()
    yield "random_people", random_people()
    default, *others = FACES
    yield "emotions", emotions([default], 280)
    yield "emotions_of_others", emotions(others, 140)
    yield "sounds", sounds(face)
    yield "clips", clips()
    yield "lights", lights(face)
    yield "shapes", contact_sheet(face, every_shape(face), size=150, columns=8)


def save_small(picture: Picture, path: Path) -> int:
    """Write a PNG, scaled down where it would be too large; returns its bytes."""
    image = Image.fromarray(picture)
    for share in np.arange(1.0, 0.3, -0.05):
        image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS).save(
            path, optimize=True
        )
        if path.stat().st_size <= MAX_BYTES:
            break
    return path.stat().st_size


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--only", nargs="*", help="names of pictures; the others stay as they are")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, picture in gallery():
        if args.only and name not in args.only:
            continue
        path = args.out / f"{name}.png"
        print(f"{path}  {save_small(picture, path) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
