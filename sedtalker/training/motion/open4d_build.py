"""Builds the open 4D set from the training data: see ``datasets.open4d``."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_builtin
from sedtalker.speech.encoder import analyse
from sedtalker.storage import whole_file
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.talking import emphasised, spoken_motion
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.motion.alignment import READ_SPEECH, PhoneSpan, Utterance, align_corpus
from sedtalker.training.motion.expressive_motion import measured_poses
from sedtalker.training.motion.lip_gauge import LipGauge, measure_lips
from sedtalker.training.motion.open4d import RATE, VERSION, Recording, Take, changes, takes
from sedtalker.training.motion.phone_motion import speak_phones, teach
from sedtalker.training.motion.spoken_motion import rest_pose

COLUMNS = ("name", "split", "kind", "corpus", "speaker", "language", "scene", "changes", "peak", "seconds", "audio")


@dataclass(frozen=True, eq=False)
class Parts:
    """What every take is composed with.

    Attributes:
        gauge: lips of the built-in face.
        poses: (7, 52) expressions.
    """

    gauge: LipGauge
    poses: NDArray[np.float32]


def read_parts(data: Path) -> Parts:
    """The built-in face's lips and the expressions calibrated on ``emotion_au_table.json``."""
    path = data / "motion/ravdess_au/emotion_au_table.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))["table"]
    except OSError:
        raise InputError(f"{path}: the table of measured expressions is missing") from None
    return Parts(measure_lips(load_builtin()), measured_poses(table))


def recordings(
    data: Path, cache: Path, gauge: LipGauge, split: str | None = None, workers: int = 1
) -> Iterator[Recording]:
    """The tracked talker's sentences, then read speech with motion from its phones; of one split, or all."""
    clips = read_grid(data)
    spans = align_corpus("grid", [Utterance(c.name, c.audio, c.text) for c in clips], cache, workers)
    rest = rest_pose([c for c in clips if c.split == "train"])
    spoken = {c.name: spoken_motion(c, spans[c.name], rest, gauge) for c in clips}
    for c in clips:
        if split in (None, c.split):
            yield Recording(c.name, "tracked", c.split, "grid", "s1", "en", c.audio, spoken[c.name], spans[c.name])
    network = teach([(spans[c.name], spoken[c.name]) for c in clips if c.split == "train"])
    for clip, phones in _read_clips(data, cache, split, workers):
        if phones:
            motion = speak_phones(network, phones, int(np.ceil(clip.duration * RATE)), gauge)
            head = (clip.path.stem, "phones", clip.split, clip.corpus, clip.speaker, clip.language, clip.path)
            yield Recording(*head, motion, phones)


def _read_clips(data: Path, cache: Path, split: str | None, workers: int) -> Iterator[tuple[Clip, list[PhoneSpan]]]:
    clips = read_manifest(data)
    for corpus in READ_SPEECH:
        mine = [c for c in clips if c.corpus == corpus and split in (None, c.split)]
        spans = align_corpus(corpus, [Utterance(c.path.stem, c.path, c.transcript) for c in mine], cache, workers)
        yield from ((c, spans[c.path.stem]) for c in mine)


def composed(take: Take, parts: Parts, prosody: NDArray[np.float32]) -> tuple[Take, NDArray[np.float32]]:
    """The take cut to the analysed length, and its motion (T, 52); read speech opens wider where it is louder."""
    frames = min(len(prosody), len(take.times))
    spoken = take.spoken.at(np.arange(float(frames)))
    if take.kind == "phones":
        spoken = emphasised(spoken, prosody[:frames, 0])
    cut = replace(
        take,
        spoken=spoken,
        times=take.times[:frames],
        posterior=take.posterior[:frames],
        intensity=take.intensity[:frames],
    )
    return cut, cut.motion(prosody[:frames], parts.gauge, parts.poses)


def prosody_of(audio: Path) -> NDArray[np.float32]:
    """(T, 4) prosody of a recording at 50 frames a second."""
    _, track, _ = analyse(torch.from_numpy(load_audio(audio).samples))
    return track.unflatten(0, (-1, 2)).mean(1).numpy()


def build_open4d(
    data: Path, out: Path, cache: Path, workers: int = 1, report: Callable[[str], None] = lambda line: None
) -> dict[str, int]:
    """Write the set to ``out``: ``takes.csv``, ``motion/<recording>.npz`` and the datasheet; returns takes by split."""
    parts, counts, rows, seconds = read_parts(data), Counter[str](), [], Counter[str]()
    (out / "motion").mkdir(parents=True, exist_ok=True)
    for number, recording in enumerate(recordings(data, cache, parts.gauge, workers=workers)):
        prosody, arrays = prosody_of(recording.audio), {}
        for take in takes(recording):
            cut, motion = composed(take, parts, prosody)
            arrays[f"{take.scene}_coefficients"] = motion.astype(np.float16)
            arrays[f"{take.scene}_posterior"] = cut.posterior.astype(np.float16)
            arrays[f"{take.scene}_intensity"] = cut.intensity.astype(np.float16)
            rows.append(_row(cut, data))
            counts[take.split] += 1
            seconds[take.split] += round(cut.times[-1])
        with whole_file(out / "motion" / f"{recording.key}.npz") as temporary:
            np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
        if number % 200 == 0:
            report(f"{number} recordings, {sum(counts.values())} takes")
    with whole_file(out / "takes.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    sheet = DATASHEET.format(
        version=VERSION,
        recordings=len(rows) // 3,
        **{f"takes_{split}": counts[split] for split in ("train", "valid", "test")},
        **{f"minutes_{split}": seconds[split] // 60 for split in ("train", "valid", "test")},
    )
    (out / "README.md").write_text(sheet, encoding="utf-8")
    return dict(counts)


def _row(take: Take, data: Path) -> dict[str, object]:
    return {
        "name": take.name,
        "split": take.split,
        "kind": take.kind,
        "corpus": take.corpus,
        "speaker": take.speaker,
        "language": take.language,
        "scene": take.scene,
        "changes": changes(take.posterior, take.intensity),
        "peak": round(float(take.intensity.max()), 3),
        "seconds": round(len(take.times) / RATE, 2),
        "audio": take.audio.relative_to(data).as_posix(),
    }


# --- The datasheet written beside the open 4D set (after Gebru et al. 2018).

DATASHEET = """# Open 4D set, version {version}

Facial motion for speech under changing emotion, on 52 ARKit shapes at 50 frames a second. {recordings} recordings in
three scenes each: {takes_train} takes ({minutes_train} min) to train on, {takes_valid} ({minutes_valid} min) to
validate, {takes_test} ({minutes_test} min) to test. Built by `sedtalker data build open4d`; the same data give the
same bytes.

## Why
There is no freely licensed recording of emotional talking faces. EmoVOCA composed talking with expressions, one
constant emotion a clip; here the emotion changes inside the clip, and all parts are free.

## What is in it
- `takes.csv`: name, split, kind, corpus, speaker, language, scene, number of changes, peak intensity, length, audio
  file
  (relative to the training data: no sound is copied).
- `motion/<recording>.npz`: for each scene `<scene>_coefficients` (T, 52), `_posterior` (T, 7: neutral, happy, sad,
  angry,
  fear, disgust, surprise) and `_intensity` (T,), float16. Frame i is at (i + 1/2) / 50 s.
- Scenes: *neutral*; *constant*: one emotion at .33, .67 or 1 with an onset and an offset of .3 to 1 s; *changing*:
  spans
  of .8 s and more with eased changes, where possible at least two.

## How it was made
- *tracked*: lips and jaw of GRID talker s1 (Cooke et al. 2006), fitted shape weights, lip gap and width as tracked.
  Sound and picture of each clip are brought in step (since version 2): as recorded they are 20 ms apart (standard
  deviation), measured against motion made from phones aligned to the sound (`sedtalker/training/synchrony.py`).
- *phones*: speechocean762 and LJ Speech, phones by forced alignment, motion by a network taught by the tracked
  talker; lip
  width averaged with a co-articulation model of dominance functions (Cohen and Massaro 1993); the tongue tip in "th".
- Expressions: action-unit prototypes calibrated on published averages of 24 actors, another variant for loud than
  for soft
  voices. Brows and lids follow pitch accents; louder speech opens wider. Closures (p, b, m), lip-teeth contacts (f,
  v) and
  rounding are kept under every emotion.

## Splits
By sentence for the tracked talker (MD5 of the name), by speaker for read speech. No recording is in two splits.

## What it is not
The emotion is composed, not recorded: faces do not really do this. One tracked talker, English, and read speech
without
tracked faces; no head motion, gaze or blinks; both sides of the face are alike. Voices are neutral: what is heard and
what is shown do not correspond. Do not use it to judge how people look when they feel something.

## Licence
Motion of GRID, speechocean762: CC BY 4.0, credit their authors. LJ Speech: public domain. The expressions are ours;
the
averages they are calibrated on come from RAVDESS (CC BY-NC-SA 4.0) and are facts.
"""
