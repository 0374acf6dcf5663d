"""Make the moving picture of the README: the sample head speaks, the emotion track runs below.

    make demo && python scripts/make_readme_animation.py demo/four_moods.npz data/samples/four_moods.wav

Writes ``docs/images/four_moods.webp``, an animated WebP of at most 3 MB: quality goes down until it fits.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sedtalker.animation.animation import Animation
from sedtalker.audio import Audio, load_audio
from sedtalker.emotion.plot import COLOURS
from sedtalker.emotion.track import EmotionTrack
from sedtalker.render import frame_head, make_renderer

OUT = Path(__file__).parents[1] / "docs" / "images" / "four_moods.webp"
WIDTH, RIBBON_HEIGHT = 400, 110
"""Pixels: of the square face and of the ribbon below it."""
FPS, MAX_BYTES = 15.0, 3_000_000
MARGIN = 8
"""Pixels left and right of the ribbon."""


def ribbon(track: EmotionTrack, audio: Audio) -> Image.Image:
    """The track over the waveform: each category's share times the intensity, named where it is strongest."""
    figure = Figure(figsize=(WIDTH / 100, RIBBON_HEIGHT / 100), dpi=100)
    FigureCanvasAgg(figure)
    share = MARGIN / WIDTH
    axes = figure.add_axes((share, 0.04, 1 - 2 * share, 0.92))
    blocks = audio.samples[: len(audio.samples) // 200 * 200].reshape(-1, 200)
    level = np.abs(blocks).max(axis=1) / np.abs(audio.samples).max()
    for index, label in enumerate(track.labels):
        height = track.posterior[:, index] * track.intensity
        if label != "neutral" and height.max() > 0.05:
            axes.fill_between(track.times, height, color=COLOURS[label], alpha=0.8, lw=0)
            middle = track.times[height > 0.9 * height.max()].mean()
            axes.text(middle, 1.06, label, ha="center", fontsize=9)
    axes.fill_between(
        np.linspace(0, audio.duration, len(blocks)), 0.5 + 0.4 * level, 0.5 - 0.4 * level, color="0.2", alpha=0.4, lw=0
    )
    axes.set(xlim=(0, audio.duration), ylim=(0, 1.3))
    axes.axis("off")
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return Image.open(stream).convert("RGB")


def frames(animation: Animation, audio: Audio) -> list[Image.Image]:
    """The pictures: the face above, the ribbon with the present time below."""
    assert animation.track is not None
    below = ribbon(animation.track, audio)
    renderer = make_renderer(animation.face, frame_head(animation.face, zoom=1.02), WIDTH)
    pictures = []
    for k in np.round(np.arange(0, len(animation), animation.fps / FPS)).astype(int):
        face: NDArray[np.uint8] = renderer.render(animation.vertices(k, k + 1)[0])
        picture = Image.new("RGB", (WIDTH, WIDTH + RIBBON_HEIGHT))
        picture.paste(Image.fromarray(face), (0, 0))
        picture.paste(below, (0, WIDTH))
        x = MARGIN + (WIDTH - 2 * MARGIN) * k / animation.fps / audio.duration
        playhead = (x, WIDTH + 4, x, WIDTH + RIBBON_HEIGHT - 4)
        ImageDraw.Draw(picture).line(playhead, fill=(20, 20, 20), width=2)
        pictures.append(picture)
    return pictures


def encode(pictures: Sequence[Image.Image]) -> bytes:
    """An animated WebP that loops, within ``MAX_BYTES``."""
    for quality in range(70, 10, -10):
        stream = io.BytesIO()
        options = {"duration": round(1000 / FPS), "loop": 0, "quality": quality, "method": 4}
        pictures[0].save(stream, format="WEBP", save_all=True, append_images=pictures[1:], **options)
        if stream.tell() <= MAX_BYTES:
            break
    return stream.getvalue()


def main(animation_file: Path, audio_file: Path) -> None:
    """Render the frames and write the picture."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(encode(frames(Animation.load(animation_file), load_audio(audio_file))))
    print(f"{OUT}  {OUT.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
