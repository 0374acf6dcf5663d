"""Synthesise the sample clip with espeak-ng: one voice, four moods, and the emotion track that goes with it.

    python scripts/make_samples.py            # needs espeak-ng on the PATH

Writes ``data/samples/four_moods.wav`` and ``data/samples/four_moods.emotion.json``. The voice is a formant synthesiser
and the moods are made with its pitch, speed and level alone; the track says what each sentence is meant to express.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 16_000
FOLDER = Path(__file__).parents[1] / "data" / "samples"


@dataclass(frozen=True)
class Line:
    """A sentence: what is said, how it is meant, and the synthesiser's pitch (0-99), words a minute and level."""

    text: str
    label: str
    intensity: float
    pitch: int
    speed: int
    gain: float
    pause: float


LINES = (
    Line("Hello! My name is Amber, and I speak with my whole face.", "neutral", 0.0, 50, 132, 0.5, 0.35),
    Line("I am so happy that you came by!", "happy", 1.0, 72, 140, 0.7, 0.4),
    Line("But my poor puppy passed away in the spring.", "sad", 0.9, 30, 100, 0.35, 0.45),
    Line("Stop it! Give me back my purple umbrella!", "angry", 1.0, 60, 152, 0.95, 0.4),
    Line("Oh! Is that a bear behind you?", "surprise", 1.0, 85, 140, 0.8, 0.5),
)


def speak(line: Line, folder: Path) -> np.ndarray:
    """Samples (N,) float32 of one sentence at 16 kHz, outer silence removed."""
    path = folder / "line.wav"
    command = ["espeak-ng", "-v", "en-us+f3", "-p", str(line.pitch), "-s", str(line.speed), "-w", str(path), line.text]
    subprocess.run(command, check=True)
    samples, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(samples, rate, RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    samples = samples[loud[0] : loud[-1] + 1]
    return line.gain * samples / np.abs(samples).max()


def main() -> None:
    """Write the clip and its track."""
    parts, segments, time = [np.zeros(int(0.3 * RATE), np.float32)], [], 0.3
    with tempfile.TemporaryDirectory() as folder:
        for line in LINES:
            samples = speak(line, Path(folder))
            end = time + len(samples) / RATE
            segments.append(
                {"start": round(time, 2), "end": round(end, 2), "label": line.label, "intensity": line.intensity}
            )
            parts += [samples, np.zeros(int(line.pause * RATE), np.float32)]
            time = end + int(line.pause * RATE) / RATE
    FOLDER.mkdir(parents=True, exist_ok=True)
    soundfile.write(FOLDER / "four_moods.wav", np.concatenate(parts), RATE, subtype="PCM_16")
    rows = ",\n".join("  " + json.dumps(segment) for segment in segments)
    (FOLDER / "four_moods.emotion.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
