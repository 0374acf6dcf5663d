"""Lips of other tools on the tracked clips, beside ours: the table of docs/lips.md.

    python -m scripts.compare_tools --data DIR [--rivals build/rivals] [--rhubarb PROGRAM] [--wlipsync-profile FILE]

Tools of PyPI are installed into an environment of their own (``--rivals``) and run there; those of npm run in Chromium
(``browser_rivals.py``). Clips: GRID's test sentences (the tracked talker, whose words are known) and nineteen clips of
eighteen other talkers (``motion/wild``). All are scored by one rule, on the built-in face: each tool at its best lag
within .3 s, one for all of GRID and one for each of the other clips, by correlations, which no gain changes. Tools that
give visemes or vowels move the face by their own table for ARKit, or else by ours for Oculus' visemes, VRM's vowels or
Rhubarb's shapes; what changes at once is eased over a tenth of a second, as their examples do. Tools that need words
get them, with phones aligned by pocketsphinx.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from scripts import browser_rivals
from scripts.measured_page import write_between_marks
from sedtalker.animation.animator import Animator
from sedtalker.animation.performance import Motion
from sedtalker.audio import SAMPLE_RATE, Audio, load_audio, resample_frames
from sedtalker.errors import InputError
from sedtalker.export.arkit import write_arkit_csv
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.face.shape_maps import read_shape_map
from sedtalker.metrics.motion import ClosureCounts, correlation, count_closures, lip_aperture, lip_width
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import BILABIAL, OPEN_VOWELS, SpeechFeatures
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.lips import (
    TrackedSentence,
    encode_test_sentences,
    steady_track,
    tracked_height,
)
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.wild import WildClip, read_wild_talkers
from sedtalker.training.motion.alignment import PhoneSpan, phone_intervals
from sedtalker.training.motion.spoken_motion import TRACKED_REST_GAP, measure_lips
from sedtalker.training.run import cache_folder

PAGE = Path(__file__).parents[1] / "docs" / "lips.md"
STORE = PAGE.with_name("rivals.json")
PACKAGES = ("openfacefx==0.24.0", "pylipsync==0.2.1")
"""Tools that install from PyPI."""
LAGS = np.arange(-15, 16)
"""Frames of 20 ms."""
DRIVER = """
import json, sys
from pylipsync import PhonemeAnalyzer
analyser = PhonemeAnalyzer()
for path in sys.argv[1:]:
    found = analyser.extract_phoneme_segments(path, fps=50)
    print(json.dumps([{p.name: float(p.target) for p in each.phonemes} for each in found]))
"""
"""Run in the tool's environment: a line of JSON a recording, with shares of phonemes 50 times a second."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording with what a tool may know of it."""

    sound: Audio
    features: SpeechFeatures
    path: Path
    spans: list[PhoneSpan]

    @property
    def times(self) -> NDArray[np.float64]:
        """(T,) seconds of the encoder's frames, at which all motion is scored."""
        return np.asarray(self.features.clock.times(len(self.features)))


@dataclass(frozen=True)
class Programs:
    """Where the other tools are."""

    folder: Path
    """Virtual environment of those of PyPI, and ``node_modules`` of those of npm."""
    rhubarb: Path | None = None
    profile: Path | None = None
    """wLipSync's profile, as uLipSync's calibration saves it."""

    def of_python(self, name: str) -> Path:
        """A program of the environment."""
        return self.folder / "bin" / name


Moved = list[NDArray[np.float32]]
"""A curve, or the weights, of each clip."""
Tool = Callable[[list[Clip], Programs], Moved]
"""ARKit weights (T, 52) of clips, with the programs of the rivals."""


def ours(clips: list[Clip], programs: Programs) -> Moved:
    """SEDTalker without options, and without the emotion."""
    net, decoder = open_encoder(), open_model("decoder")
    return [decoder.predict(net(clip.sound), steady_track("neutral", 0.0))[:, :52] for clip in clips]


def loudness(clips: list[Clip], programs: Programs) -> Moved:
    """A jaw that opens with the log energy."""
    made = [np.zeros((len(clip.features), 52), np.float32) for clip in clips]
    for clip, weights in zip(clips, made, strict=True):
        energy = clip.features.prosody[:, 0]
        weights[:, INDEX["jawOpen"]] = (
            np.clip((energy - energy.min()) / max(float(np.ptp(energy)), 1e-6), 0.0, 1.0) * 0.4
        )
    return made


def pylipsync(clips: list[Clip], programs: Programs) -> Moved:
    """Five vowels by templates of MFCCs."""
    command = [programs.of_python("python"), "-c", DRIVER, *(clip.path for clip in clips)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    made = []
    for clip, line in zip(clips, lines, strict=True):
        found = json.loads(line)
        shares = np.array([[each.get(name, 0.0) for name in VRM.names] for each in found])
        there = (np.arange(len(found)) + 0.5) / 50.0
        made.append(resample_frames((shares @ VRM.poses).astype(np.float32), there, clip.times))
    return made


def openfacefx(clips: list[Clip], programs: Programs) -> Moved:
    """Visemes of aligned phones, with rules of co-articulation; its own table for ARKit."""
    made = []
    for clip in clips:
        grid, out = clip.path.with_suffix(".TextGrid"), clip.path.with_suffix(".csv")
        write_textgrid(grid, clip)
        command = [programs.of_python("openfacefx"), "mfa", "--textgrid", grid, "--retarget", "arkit", "--fps", "50"]
        subprocess.run([*command, "-o", out], check=True, capture_output=True)
        made.append(read_curves(out, clip.times))
    return made


def write_textgrid(path: Path, clip: Clip) -> None:
    """The aligned phones as the tier ``phones`` of the Montreal Forced Aligner, without gaps."""
    end, spans, at = clip.sound.duration, [], 0.0
    for span in clip.spans:
        if span.start > at + 1e-6:
            spans.append(("", at, span.start))
        spans.append((span.phone + ("1" if span.phone[0] in "AEIOU" else ""), max(span.start, at), span.end))
        at = span.end
    if at < end:
        spans.append(("", at, end))
    rows = [f'intervals [{k}]:\nxmin = {a}\nxmax = {b}\ntext = "{text}"' for k, (text, a, b) in enumerate(spans, 1)]
    head = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = {end}\ntiers? <exists>\nsize = 1\n'
    tier = f'item []:\nitem [1]:\nclass = "IntervalTier"\nname = "phones"\nxmin = 0\nxmax = {end}\n'
    path.write_text(f"{head}{tier}intervals: size = {len(spans)}\n" + "\n".join(rows) + "\n", encoding="utf-8")


def read_curves(path: Path, times: NDArray[np.floating]) -> NDArray[np.float32]:
    """ARKit weights at ``times``, of a CSV with a row for each time and channel, or a column for each channel."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    weights = np.zeros((len(times), 52), np.float32)
    for name in ARKIT_52:
        if "channel" in rows[0]:
            points = [(float(row["time"]), float(row["value"])) for row in rows if row["channel"] == name]
        else:
            points = [(float(row["time"]), float(row[name])) for row in rows if row.get(name)]
        if points:
            weights[:, INDEX[name]] = np.interp(times, *np.array(points).T)
    return weights


def in_browser(tool: str, poses: dict[str, NDArray[np.float64]], names: Sequence[str], eased: bool) -> Tool:
    """A tool of npm, whose visemes ``names`` have those poses."""
    table = np.array([poses[name] for name in names])

    def run(clips: list[Clip], programs: Programs) -> Moved:
        made = []
        with browser_rivals.opened(programs.folder) as page:
            if programs.profile:
                shutil.copy(programs.profile, programs.folder / "profile.json")
            for clip in clips:
                recording = shutil.copy(clip.path, programs.folder / "recording.wav")
                there, shares = browser_rivals.ask(page, tool, f"/{recording.name}")
                if eased:
                    shares = ease(shares, browser_rivals.STEPS_PER_SECOND)
                made.append(resample_frames((shares @ table).astype(np.float32), there, clip.times))
        return made

    return run


def ease(shares: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """Visemes that change at once, over a tenth of a second."""
    return np.asarray(uniform_filter1d(shares, max(1, round(0.1 * fps)), axis=0, mode="nearest"))


def rhubarb(clips: list[Clip], programs: Programs) -> Moved:
    """Nine shapes of a mouth, by a recogniser of phones."""
    assert programs.rhubarb is not None
    made = []
    for clip in clips:
        command = [programs.rhubarb, "-q", "-f", "json", "--extendedShapes", "GHX", "-r", "phonetic", clip.path]
        made.append(read_cues(subprocess.run(command, check=True, capture_output=True).stdout, clip.times))
    return made


def read_cues(text: str | bytes, times: NDArray[np.floating]) -> NDArray[np.float32]:
    """(T, 52) ARKit weights at ``times``, of Rhubarb's JSON."""
    cues = json.loads(text)["mouthCues"]
    poses = np.zeros((len(cues), 52))
    for row, cue in enumerate(cues):
        for shape, weight in RHUBARB_POSES[cue["value"]].items():
            poses[row, INDEX[shape]] = weight
    fine = np.arange(0.0, max(float(cues[-1]["end"]), 0.02), 0.01)
    at = np.searchsorted([float(cue["start"]) for cue in cues], fine, side="right") - 1
    return resample_frames(ease(poses[np.maximum(at, 0)], 100.0).astype(np.float32), fine, times)


OCULUS = read_shape_map("oculus")
OCULUS_POSES = dict(zip([name.removeprefix("viseme_") for name in OCULUS.names], OCULUS.poses, strict=True))
VRM = read_shape_map("vrm")
VOWEL_POSES = dict(zip("AIUEO", VRM.poses[:5], strict=True))
RHUBARB_POSES: dict[str, dict[str, float]] = {
    "A": {"mouthPressLeft": 0.6, "mouthPressRight": 0.6},
    "B": {"jawOpen": 0.08, "mouthStretchLeft": 0.3, "mouthStretchRight": 0.3},
    "C": {"jawOpen": 0.3, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3},
    "D": {"jawOpen": 0.65, "mouthLowerDownLeft": 0.25, "mouthLowerDownRight": 0.25},
    "E": {"jawOpen": 0.35, "mouthFunnel": 0.5},
    "F": {"jawOpen": 0.12, "mouthPucker": 0.8, "mouthFunnel": 0.2},
    "G": {"jawOpen": 0.08, "mouthRollLower": 0.6},
    "H": {"jawOpen": 0.3, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
    "X": {},
}
"""Rhubarb's shapes as its documentation draws them: closed, teeth, open, wide, rounded, pucker, F, L, rest."""
TOOLS: dict[str, tuple[Tool, str, bool]] = {
    "SEDTalker": (ours, "nothing", False),
    "openfacefx 0.24.0": (openfacefx, "words and an aligner", True),
    "Rhubarb": (rhubarb, "nothing", False),
    "wLipSync 1.3.1": (in_browser("wlipsync", VOWEL_POSES, "AIUEO", False), "a browser, a profile", False),
    "HeadAudio 0.1.0": (in_browser("headaudio", OCULUS_POSES, browser_rivals.VISEMES, False), "a browser", False),
    "wawa-lipsync 0.0.2": (in_browser("wawa", OCULUS_POSES, browser_rivals.VISEMES, True), "a browser", False),
    "pylipsync 0.2.1": (pylipsync, "nothing", False),
    "loudness alone": (loudness, "nothing", False),
}
"""By name: what moves the lips, what it needs beside the sound, and whether that is words."""


def at_hand(name: str, programs: Programs) -> bool:
    """Whether a tool can be run: two need a file that no registry has."""
    return {"Rhubarb": programs.rhubarb, "wLipSync 1.3.1": programs.profile}.get(name, programs.folder) is not None


# --- Scores.


def on_grid(
    face: Face, sentences: list[TrackedSentence], moved: list[NDArray[np.float32]], rest: float
) -> dict[str, float]:
    """Correlations at the lag that is best for all sentences, and closures at that lag."""
    heights = [lip_aperture(face, each) for each in moved]
    tracked = [tracked_height(sentence) for sentence in sentences]

    def score(curves: list[NDArray[np.float32]], real: list[NDArray[np.float32]], lag: int) -> float:
        rows = zip(sentences, curves, real, strict=True)
        return float(
            np.mean([correlation(np.roll(a, lag)[h.features.speech], b[h.features.speech]) for h, a, b in rows])
        )

    lag = max((int(lag) for lag in LAGS), key=lambda lag: score(heights, tracked, lag))
    widths = [lip_width(face, each) for each in moved]
    counts = ClosureCounts()
    for h, height, real in zip(sentences, heights, tracked, strict=True):
        stops, vowels = (phone_intervals(h.spans, names) for names in (BILABIAL, OPEN_VOWELS))
        count_closures(counts, h.times, np.roll(height, lag) - rest, real - TRACKED_REST_GAP, stops, vowels)
    found = {"height": score(heights, tracked, lag), "width": score(widths, [h.width for h in sentences], lag)}
    return found | {"closed": counts.recall, "vowels_closed": counts.false_rate, "lag_ms": 20.0 * lag}


def on_others(face: Face, clips: list[WildClip], moved: Moved) -> dict[str, float]:
    """Correlations of height and width, each clip at its best lag."""
    rows = []
    for clip, each in zip(clips, moved, strict=True):
        height, lag = clip.best(lip_aperture(face, each))
        rows.append((height, clip.score(lip_width(face, each), lag, 1)))
    height, width = np.mean(rows, axis=0)
    return {"height_others": float(height), "width_others": float(width)}


def compare(data: Path, programs: Programs) -> dict[str, dict[str, float]]:
    """All figures by tool."""
    face, net = load_face(), open_encoder()
    lips = measure_lips(face)
    sentences = encode_test_sentences(net, [clip.as_recorded() for clip in read_grid(data)], lips, cache_folder())
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:

        def clip_of(path: Path, features: SpeechFeatures, spans: list[PhoneSpan]) -> Clip:
            sound, file = load_audio(path), Path(scratch) / f"{path.stem}.wav"
            soundfile.write(file, sound.samples, SAMPLE_RATE, subtype="PCM_16")
            return Clip(sound, features, file, spans)

        known = [clip_of(h.clip.audio, h.features, h.spans) for h in sentences]
        talkers = [WildClip(net(load_audio(talker.audio)), talker) for talker in read_wild_talkers(data)]
        others = [clip_of(clip.talker.audio, clip.features, []) for clip in talkers]
        seconds = sum(clip.sound.duration for clip in known)
        for name, (tool, _, words) in TOOLS.items():
            if not at_hand(name, programs):
                continue
            started = time.perf_counter()
            moved = tool(known, programs)
            speed = seconds / (time.perf_counter() - started)
            found[name] = on_grid(face, sentences, moved, lips.rest) | {"real_time": speed}
            if not words:
                found[name] |= on_others(face, talkers, tool(others, programs))
            print(name, {key: round(value, 3) for key, value in found[name].items()}, file=sys.stderr)
    return found


def write_predictions(data: Path, path: Path) -> None:
    """Our motion of GRID's test sentences, Live Link CSVs in a zip, as ``evaluate motion`` reads them."""
    animator = Animator.from_pretrained()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryDirectory() as scratch:
        for clip in read_grid(data):
            if clip.split == "test":
                file = Path(scratch) / f"{clip.name}.csv"
                write_arkit_csv(file, animator(clip.audio, motion=Motion(blinks=False, gaze=False)))
                archive.write(file, file.name)


def table(found: dict[str, dict[str, float]]) -> str:
    """The table of the page."""
    keys = {
        "height": "height",
        "width": "width",
        "p, b, m closed": "closed",
        "open vowels closed": "vowels_closed",
        "height, others": "height_others",
        "width, others": "width_others",
    }
    rows = []
    for name, figures in found.items():
        cells = [f"{figures[key]:.2f}" if key in figures else "–" for key in keys.values()]
        rows.append((name, TOOLS[name][1], *cells, f"{figures['real_time']:.0f}"))
    return markdown_table(("tool", "needs", *keys, "× real time"), rows)


def main() -> None:
    """Install the rivals, measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rivals", type=Path, default=Path("build/rivals"), help="environment of the other tools")
    parser.add_argument("--rhubarb", type=Path, help="the program of Rhubarb Lip Sync")
    parser.add_argument("--wlipsync-profile", type=Path, help="a profile of wLipSync")
    parser.add_argument("--predictions", type=Path, help="only write our motion of the test sentences, into this .zip")
    given = parser.parse_args()
    if given.predictions:
        write_predictions(find_data(given.data), given.predictions)
        return
    programs = Programs(given.rivals.absolute(), given.rhubarb, given.wlipsync_profile)
    if not programs.of_python("openfacefx").is_file():
        subprocess.run([sys.executable, "-m", "venv", given.rivals], check=True)
        subprocess.run([programs.of_python("python"), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    browser_rivals.install(programs.folder)
    try:
        found = compare(find_data(given.data), programs)
    except InputError as error:
        sys.exit(f"error: {error}")
    STORE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    write_between_marks(PAGE, "rivals", table(found))
    print(table(found))


if __name__ == "__main__":
    main()
