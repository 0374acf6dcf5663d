"""A picture of an emotion track: waveform, categories, vocal bursts, intensity, valence and arousal.

The posterior is that which the diarizer predicted, of which tables and files give the confidence; segments, intensity,
valence and arousal are those that a face shows (``sedtalker.emotion.shown``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sedtalker.audio import Audio
from sedtalker.emotion.track import UNCERTAIN, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.storage import whole_file

if TYPE_CHECKING:
    from sedtalker.emotion.conversation import Conversation

COLOURS: dict[str, str] = {
    "neutral": "#BBBBBB",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "angry": "#D55E00",
    "fear": "#56B4E9",
    "disgust": "#009E73",
    "surprise": "#CC79A7",
    UNCERTAIN: "#FFFFFF",
}
"""Okabe & Ito's palette (2008), distinct with any colour vision; grey for neutral, none for uncertain."""
LONG_SECONDS = 300.0
"""Longer recordings have minutes on their axis, and thin curves."""
MOST_EXTRAS = 6
"""Number of further curves that are drawn: those with the highest peaks."""


def plot_track(audio: Audio | None, track: EmotionTrack, path: Path) -> None:
    """Draw a track to a PNG file: segments over the waveform, posteriors as ribbons, intensity and valence/arousal.

    The waveform is that of ``audio``; None: there is none.

    Raises:
        InputError: its name does not end in ``.png``, or the extra ``plot`` is not installed.
    """
    duration = track.duration if audio is None else audio.duration
    size = float(np.clip(duration * 1.2, 10.0, 40.0)), 7.2 if not track.extras else 8.6
    with _drawn(path, size, [3, 3, 2, 2, *([2] if track.extras else [])], duration) as (_, axes):
        _draw_waveform(axes[0], audio, duration, track)
        _draw_ribbons(axes[1], track)
        _draw_intensity(axes[2], track)
        _draw_plane(axes[3], track)
        if track.extras:
            _draw_extras(axes[4], track)


def plot_conversation(conversation: Conversation, path: Path) -> None:
    """Draw a conversation to a PNG file: the waveform, and below it turns, segments, posterior and intensity of each.

    Raises:
        InputError: its name does not end in ``.png``, or the extra ``plot`` is not installed.
    """
    duration, names = conversation.duration, conversation.names
    heights = [1.4, *(height for _ in names for height in (1.0, 1.4, 0.9))]
    size = float(np.clip(duration * 0.6, 12.0, 40.0)), 0.8 * sum(heights) + 1.0
    with _drawn(path, size, heights, duration) as (figure, axes):
        _draw_sound(axes[0], conversation.speakers.mixed)
        axes[0].set_ylim(-1.05, 1.05)
        axes[0].set_ylabel("sound")
        for k, name in enumerate(names):
            track, (top, middle, bottom) = conversation.tracks[name], axes[3 * k + 1 : 3 * k + 4]
            _draw_turns(top, conversation, name)
            _draw_ribbons(middle, track)
            _draw_intensity(bottom, track)
            _fade_outside(middle, duration, track)
            middle.get_legend().remove()
        names_of = axes[2].get_legend_handles_labels()
        figure.legend(*names_of, loc="outside right upper", fontsize="small", frameon=False, reverse=True)


@contextmanager
def _drawn(
    path: Path, size: tuple[float, float], heights: Sequence[float], duration: float
) -> Iterator[tuple[Any, Any]]:
    """A figure of panels over one time axis, which the block fills; then it is written."""
    check_plot_name(path)
    from matplotlib.ticker import MultipleLocator

    figure = new_figure(size)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    yield figure, axes
    axes[-1].set_xlabel("time (s)")
    if duration > LONG_SECONDS:
        axes[-1].set_xlabel("time (min)")
        axes[-1].xaxis.set_major_locator(MultipleLocator(60 * np.ceil(duration / 60 / 40)))
        axes[-1].xaxis.set_major_formatter(lambda seconds, place: f"{seconds / 60:.0f}")
    axes[-1].set_xlim(0.0, max(duration, 0.1))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    write_figure(figure, path)


def new_figure(size: tuple[float, float]) -> Any:
    """A matplotlib figure that no window shows; its size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def check_plot_name(path: Path) -> None:
    """Raise ``InputError`` when no picture is written under such a name, or nothing is installed that draws it."""
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: plots are written as .png")
    if find_spec("matplotlib") is None:
        raise InputError("plots are drawn by matplotlib: pip install 'sedtalker[plot]'")


def write_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as PNG, whole or not at all; the same figure gives the same bytes.

    Raises:
        InputError: its name does not end in ``.png``, or it cannot be written there.
    """
    check_plot_name(path)
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw_waveform(axis: Any, audio: Audio | None, duration: float, track: EmotionTrack) -> None:
    """Envelope of the sound over the segments' colours; labels where there is room."""
    _draw_segments(axis, duration, track, 1.08)
    if audio is not None:
        _draw_sound(axis, audio)
    for burst in track.bursts:
        axis.plot([burst.start, burst.end], [-0.98, -0.98], color="#CC0000", lw=3, solid_capstyle="butt")
        axis.text(burst.start, -0.9, burst.kind, color="#CC0000", fontsize="small", va="bottom")
    axis.set_ylim(-1.05, 1.65)
    axis.set_yticks([])
    axis.set_ylabel("sound\nand segments")


def _draw_turns(axis: Any, conversation: Conversation, name: str) -> None:
    """A speaker's segments, named above their middles, and a bar below for each of their turns."""
    _draw_segments(axis, conversation.duration, conversation.tracks[name], 0.1)
    for start, end in conversation.turns.of(name):
        axis.plot([start, end], [-0.8, -0.8], color="#222222", lw=5, solid_capstyle="butt")
    axis.set_ylim(-1.05, 1.65)
    axis.set_yticks([-0.8], ["turns"])
    axis.set_title(name, loc="left", fontweight="bold", parse_math=False)


def _fade_outside(axis: Any, duration: float, track: EmotionTrack) -> None:
    """Make pale what is drawn where there are no segments: the speaker is silent there."""
    segments = track.segments()
    starts, ends = [0.0, *(s.end for s in segments)], [*(s.start for s in segments), duration]
    for start, end in zip(starts, ends, strict=True):
        if end > start:
            axis.axvspan(start, end, facecolor="#FFFFFF", alpha=0.8, linewidth=0.0)


def _draw_segments(axis: Any, duration: float, track: EmotionTrack, height: float) -> None:
    for segment in track.segments():
        axis.axvspan(segment.start, segment.end, facecolor=COLOURS.get(segment.label, "#888888"), alpha=0.45)
        if segment.label == UNCERTAIN:
            axis.axvspan(segment.start, segment.end, fill=False, hatch="///", edgecolor="#CCCCCC", zorder=0)
        if segment.end - segment.start > 0.04 * duration:
            middle = 0.5 * (segment.start + segment.end)
            text = f"{segment.label}\n{segment.intensity:.2f}"
            axis.text(middle, height, text, ha="center", va="bottom", fontsize="small")


def _draw_sound(axis: Any, audio: Audio) -> None:
    """The envelope of a recording, its peak at 1."""
    columns = min(4000, len(audio.samples))
    edges = np.linspace(0, len(audio.samples), columns + 1).astype(np.int64)[:-1]
    high, low = np.maximum.reduceat(audio.samples, edges), np.minimum.reduceat(audio.samples, edges)
    scale = max(float(np.abs(audio.samples).max()), 1e-4)
    axis.fill_between(edges / audio.rate, low / scale, high / scale, facecolor="#222222", step="post")
    axis.set_yticks([])


def _draw_ribbons(axis: Any, track: EmotionTrack) -> None:
    colours = [COLOURS.get(label, "#888888") for label in track.labels]
    axis.stackplot(track.times, track.recognised.T, colors=colours, labels=track.labels)
    axis.set_ylim(0.0, 1.0)
    axis.set_ylabel("posterior")
    source = "given" if track.predicted is None else "predicted"
    _name_beside(axis, title=source, title_fontsize="small", alignment="left", reverse=True)


def _draw_intensity(axis: Any, track: EmotionTrack) -> None:
    axis.fill_between(track.times, track.intensity, facecolor="#CFCFCF")
    axis.plot(track.times, track.intensity, color="#111111", lw=0.5 if track.duration > LONG_SECONDS else None)
    axis.set_ylim(0.0, 1.0)
    axis.set_ylabel("intensity")
    if track.speech is not None:
        axis.fill_between(track.times, 0.0, 0.035, where=track.speech, facecolor="#111111")
        axis.text(1.003, 0.02, "speech", transform=axis.transAxes, fontsize="small", va="center")


def _draw_plane(axis: Any, track: EmotionTrack) -> None:
    axis.axhline(0.0, color="#999999")
    axis.plot(track.times, track.valence, color="#0072B2", label="valence")
    axis.plot(track.times, track.arousal, color="#D55E00", ls="--", label="arousal")
    axis.set_ylim(-1.0, 1.0)
    axis.set_ylabel("valence,\narousal")
    _name_beside(axis)


def _draw_extras(axis: Any, track: EmotionTrack) -> None:
    """The curves with the greatest peaks, greatest first."""
    names = sorted(track.extras, key=lambda name: -float(track.extras[name].max(initial=0.0)))[:MOST_EXTRAS]
    for name in names:
        axis.plot(track.times, track.extras[name], label=name)
    axis.set_ylim(0.0, None)
    axis.set_ylabel("fine-grained emotions")
    _name_beside(axis)


def _name_beside(axis: Any, **options: Any) -> None:
    """The legend, right of the curves and covering none; names are no formulas, whatever signs they have."""
    legend = axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False, **options)
    for name in legend.get_texts():
        name.set_parse_math(False)
