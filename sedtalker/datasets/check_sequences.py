"""What is in a folder of mesh sequences, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import soundfile

from sedtalker.datasets.emovoca import LABELS, STEPS, stored_label
from sedtalker.datasets.sequences import MASK_NAMES, MeshSequence, SequenceCorpus
from sedtalker.datasets.vocaset import VERTICES
from sedtalker.errors import InputError

TOLERANCE = 0.25
"""Seconds that sound and motion may differ in length."""
HEAD_SIZE = (0.08, 0.8)
"""Metres between the lowest and the highest vertex of a head, with or without neck and shoulders."""


@dataclass(frozen=True)
class CorpusCheck:
    """The findings.

    Attributes:
        layout: ``emovoca``, ``vocaset`` or the folder's name.
        sequences: how many.
        seconds: of motion.
        fps: frames a second.
        vertices: how many a frame.
        subjects: sequences by subject.
        emotions: sequences by the corpus's own word.
        splits: sequences by split.
        licence: a reminder.
        notes: what is missing but not needed for training.
        problems: what has to be mended, one line each.
    """

    layout: str
    sequences: int
    seconds: float
    fps: float
    vertices: int
    subjects: dict[str, int]
    emotions: dict[str, int]
    splits: dict[str, int]
    licence: str
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def check_sequences(corpus: SequenceCorpus) -> CorpusCheck:
    """Open every sequence and look at shape, size, numbers, duration against sound, names and labels."""
    problems = [f"{name}: the name does not follow the layout" for name in corpus.unknown]
    shapes: Counter[int] = Counter()
    frames = 0
    for sequence in corpus.sequences:
        try:
            vertices = sequence.open()
        except InputError as error:
            problems.append(str(error))
            continue
        shapes[vertices.shape[1]] += 1
        frames += len(vertices)
        problems += _motion(sequence, vertices) + _sound(sequence, len(vertices) / corpus.fps)
        if corpus.name == "emovoca":
            problems += _labels(corpus, sequence)
    usual = shapes.most_common(1)[0][0] if shapes else 0
    if len(shapes) > 1:
        problems.append(f"vertex counts differ: {dict(shapes)}")
    if corpus.name in ("emovoca", "vocaset") and shapes and usual != VERTICES:
        problems.append(f"{usual} vertices a frame; the published corpus has {VERTICES}")
    notes = _head(corpus, usual, problems)
    return CorpusCheck(
        layout=corpus.name,
        sequences=len(corpus.sequences),
        seconds=round(frames / corpus.fps, 2),
        fps=corpus.fps,
        vertices=usual,
        subjects=dict(Counter(s.subject for s in corpus.sequences)),
        emotions=dict(Counter(s.emotion or "neutral" for s in corpus.sequences)),
        splits=dict(Counter(s.split for s in corpus.sequences)),
        licence=corpus.licence,
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _motion(sequence: MeshSequence, vertices: np.ndarray) -> list[str]:
    some = np.asarray(vertices[:: max(1, len(vertices) // 4)], np.float32)
    if not np.isfinite(some).all():
        return [f"{sequence.name}: there are numbers that are not finite"]
    height = float(np.ptp(some[0][:, 1]))
    if not HEAD_SIZE[0] < height < HEAD_SIZE[1]:
        return [f"{sequence.name}: the head is {height:.3g} high: positions have to be absolute, in metres"]
    return []


def _sound(sequence: MeshSequence, seconds: float) -> list[str]:
    if sequence.audio is None:
        return [f"{sequence.name}: no sound for it in wav/"]
    try:
        duration = soundfile.info(str(sequence.audio)).duration
    except soundfile.LibsndfileError:
        return [f"{sequence.audio.name}: cannot be read as sound"]
    if abs(duration - seconds) > TOLERANCE:
        return [f"{sequence.name}: {seconds:.2f} s of motion but {duration:.2f} s of sound"]
    return []


def _labels(corpus: SequenceCorpus, sequence: MeshSequence) -> list[str]:
    label, step = stored_label(corpus.root, sequence)
    wrong = []
    if label is not None and not (0 <= label < len(LABELS) and LABELS[label] == sequence.emotion):
        wrong.append(f"{sequence.name}: label/ holds {label}, which is not {sequence.emotion}")
    if step is not None and step != round(sequence.intensity * STEPS):
        wrong.append(f"{sequence.name}: intensity/ holds {step}")
    return wrong


def _head(corpus: SequenceCorpus, count: int, problems: list[str]) -> list[str]:
    """Notes on missing head files; those that do not fit become problems."""
    head, notes = corpus.head, []
    for name, template in head.templates.items():
        if len(template) != count:
            problems.append(f"template {name or 'mesh'}: {len(template)} vertices, the sequences have {count}")
    for name, vertices in head.masks.items():
        if len(vertices) and (vertices.max() >= count or vertices.min() < 0):
            problems.append(f"mask {name}: names vertices beyond {count}")
    lacking = {s.subject for s in corpus.sequences} - set(head.templates)
    if lacking and "" not in head.templates:
        notes.append(f"no template of {', '.join(sorted(lacking))}: the mean of first frames takes its place")
    missing = [name for name in MASK_NAMES if not any(alias in head.masks for alias in MASK_NAMES[name])]
    if missing:
        notes.append(f"no mask of {', '.join(missing)}: the measures of that region are left out")
    return notes
