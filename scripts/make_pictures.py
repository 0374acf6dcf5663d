"""Make the pictures of the documentation from a finished `make demo`.

    python scripts/make_pictures.py demo/four_moods.npz data/samples/four_moods.wav

Writes ``docs/images/four_moods.png``: a frame from the middle of each span above the emotion track it came from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from sedtalker.animation.animation import Animation, read_animation
from sedtalker.audio import load_audio
from sedtalker.emotion.plot import COLOURS
from sedtalker.emotion.track import EmotionTrack
from sedtalker.render import frame_head, make_renderer

IMAGES = Path(__file__).parents[1] / "docs" / "images"
TALKING = 0.8


def expressive_frame(animation: Animation, start: float, end: float) -> int:
    """The frame of a span that shows speech and emotion: not at its ends, mouth open, eyes open and on the viewer."""
    margin = 0.2 * (end - start)
    first, last = animation.clock.index(start + margin), animation.clock.index(end - margin)

    def weight(name: str) -> np.ndarray:
        return animation.coefficients[first:last, animation.face.shape_index[name]]

    jaw = weight("jawOpen")
    aside = sum(weight(f"eyeLook{way}Left") for way in ("In", "Out", "Up", "Down"))
    return first + int(np.argmin(np.abs(jaw - TALKING * jaw.max()) + weight("eyeBlinkLeft") + aside))


def draw_track(axes: Axes, track: EmotionTrack, samples: np.ndarray, duration: float) -> None:
    """Waveform in grey; each category's share times the intensity as a filled curve, named where it is strongest."""
    blocks = samples[: len(samples) // 200 * 200].reshape(-1, 200)
    time = np.linspace(0, duration, len(blocks))
    level = np.abs(blocks).max(axis=1) / np.abs(samples).max()
    for index, label in enumerate(track.labels):
        height = track.posterior[:, index] * track.intensity
        if label != "neutral" and height.max() > 0.05:
            axes.fill_between(track.times, height, color=COLOURS[label], alpha=0.75, lw=0)
            axes.text(track.times[height > 0.9 * height.max()].mean(), 1.08, label, ha="center")
    axes.fill_between(time, 0.5 + 0.45 * level, 0.5 - 0.45 * level, color="0.25", alpha=0.45, lw=0)
    axes.set(xlim=(0, duration), ylim=(0, 1.25), yticks=[0, 1], xlabel="seconds", ylabel="intensity")
    axes.spines[["top", "right"]].set_visible(False)


def main(animation_file: Path, audio_file: Path) -> None:
    """Render the frames and draw the picture."""
    animation, audio = read_animation(animation_file), load_audio(audio_file)
    assert animation.track is not None
    renderer = make_renderer(animation.face, frame_head(animation.face, zoom=1.05), 480)
    spans = [s for s in animation.track.segments() if s.end - s.start > 0.8]
    figure = plt.figure(figsize=(2.6 * len(spans), 4.2), layout="constrained", dpi=110)
    rows = figure.subfigures(2, 1, height_ratios=[2.6, 1.2])
    for axes, span in zip(rows[0].subplots(1, len(spans)), spans, strict=True):
        frame = expressive_frame(animation, span.start, span.end)
        axes.imshow(renderer.render(animation.vertices(frame, frame + 1)[0]))
        axes.set_title(f"{span.label}, {frame / animation.fps:.1f} s")
        axes.axis("off")
    draw_track(rows[1].subplots(), animation.track, audio.samples, audio.duration)
    IMAGES.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGES / "four_moods.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
