"""Before a training on meshes: what a folder of sequences holds and what is wrong with it; a small corpus to try."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints
from sedtalker.audio import SAMPLE_RATE, Audio, FrameClock, load_audio, resample_frames
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.taxonomy import EMOVOCA
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import SpeechFeatures
from sedtalker.storage import write_arrays
from sedtalker.training.corpora.augmentation import change_speed
from sedtalker.training.corpora.meshes import MASK_NAMES, MeshSequence, SequenceCorpus
from sedtalker.training.corpora.meshes.layouts import FPS, HELD_OUT_SENTENCES, LABELS, STEPS, VERTICES

TOLERANCE = 0.25
"""Seconds that sound and motion may differ in length."""
CHUNK = 256
"""Frames that are looked at together: 15 MB of EmoVOCA's."""


@dataclass(frozen=True)
class CorpusCheck:
    """The findings.

    Attributes:
        layout: ``emovoca``, ``vocaset`` or the folder's name.
        seconds: of motion.
        fps: frames a second.
        vertices: how many a frame.
        emotions: sequences by the corpus's own word.
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
    counts: dict[str, int] = {}
    frames = 0
    for sequence in corpus.sequences:
        try:
            vertices = sequence.open()
        except InputError as error:
            problems.append(str(error))
            continue
        counts[sequence.name] = vertices.shape[1]
        frames += len(vertices)
        problems += _motion(sequence, vertices) + _sound(sequence, len(vertices) / corpus.fps)
        if corpus.layout is not None and corpus.layout.check is not None:
            problems += corpus.layout.check(corpus, sequence)
    usual = Counter(counts.values()).most_common(1)[0][0] if counts else 0
    problems += [f"{name}: {count} vertices, most have {usual}" for name, count in counts.items() if count != usual]
    if corpus.layout is not None and counts and usual != corpus.layout.vertices:
        problems.append(f"{usual} vertices a frame; the published corpus has {corpus.layout.vertices}")
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
    if not all(np.isfinite(vertices[at : at + CHUNK]).all() for at in range(0, len(vertices), CHUNK)):
        return [f"{sequence.name}: there are numbers that are not finite"]
    return sequence.size_problems()


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


def _head(corpus: SequenceCorpus, count: int, problems: list[str]) -> list[str]:
    """Notes on missing head files; those that do not fit become problems."""
    head, notes = corpus.head, []
    problems += head.problems(count)
    lacking = {s.subject for s in corpus.sequences} - set(head.templates)
    if lacking and "" not in head.templates:
        notes.append(f"no template of {', '.join(sorted(lacking))}: the mean of first frames takes its place")
    missing = [name for name in MASK_NAMES if not any(alias in head.masks for alias in MASK_NAMES[name])]
    if missing:
        notes.append(f"no mask of {', '.join(missing)}: the measures of that region are left out")
    return notes


# --- A small corpus in EmoVOCA's exact layout, made by the built-in decoder, to try out the training.

SUBJECTS = {
    "FaceTalk_170728_03272_TA": 1.0,
    "FaceTalk_170904_00128_TA": 0.92,
    "FaceTalk_170725_00137_TA": 1.08,
    "FaceTalk_170811_03275_TA": 0.96,
    "FaceTalk_170809_00138_TA": 1.04,
}
"""Subjects, three to train and one each to validate and to test, with the speed at which the voice is played."""
EXAMPLE = {
    "name": "example",
    "licence": "synthesised by `sedtalker data example` from the recording it was given, whose licence applies",
}
"""Name and licence of the corpus: it has EmoVOCA's layout, and nothing of EmoVOCA."""


@dataclass(frozen=True)
class ExampleSize:
    """How much is made: takes of each subject, expressions (EmoVOCA's words), steps of intensity, seconds a take."""

    takes: int = 3
    emotions: tuple[str, ...] = ("Smile2", "Irritated1")
    steps: tuple[int, ...] = (1, 3)
    seconds: float = 2.4


def flame_sized(face: Face) -> tuple[NDArray[np.int64], Ints, dict[str, list[int]]]:
    """Vertex numbers (5023,) of the front of a face's skin, its triangles and masks under FLAME's names."""
    skin = np.flatnonzero(face.regions["skin"])
    centre = face.mesh.vertices[face.regions["lips"]].mean(0)
    distance = np.linalg.norm(face.mesh.vertices[skin] - centre, axis=1)
    kept = np.sort(skin[np.argsort(distance, kind="stable")[:VERTICES]])
    number = np.full(len(face.mesh.vertices), -1)
    number[kept] = np.arange(len(kept))
    triangles = number[face.mesh.triangles]
    names = {"lips": "lips", "eye_region": "upper_face", "forehead": "upper_face"}
    masks = {name: number[np.flatnonzero(face.regions[region])] for name, region in names.items()}
    return kept, triangles[(triangles >= 0).all(1)].astype(np.int32), {k: v[v >= 0].tolist() for k, v in masks.items()}


def write_example(root: Path, audio: Path, size: ExampleSize) -> int:
    """Write the corpus; returns the number of sequences.

    Args:
        root: folder that will hold ``sequences``, ``wav``, ``label``, ``intensity``, ``templates.npz``, ``masks.json``,
            ``corpus.json`` and ``template.ply``.
        audio: speech that the takes are cut from, from its beginning on.
        size: how much to make.
    """
    import trimesh

    face = load_face()
    kept, triangles, masks = flame_sized(face)
    for folder in ("sequences", "wav", "label", "intensity"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "masks.json").write_text(json.dumps(masks), encoding="utf-8")
    (root / "corpus.json").write_text(json.dumps(EXAMPLE, indent=1), encoding="utf-8")
    trimesh.Trimesh(face.mesh.vertices[kept], triangles, process=False).export(root / "template.ply")
    speech = load_audio(audio).samples
    encoder, decoder = open_encoder(), open_model("decoder")
    basis = face.basis[:, kept].astype(np.float32)
    templates, written = {}, 0
    for number, (subject, speed) in enumerate(SUBJECTS.items()):
        rng = np.random.default_rng(number)
        scale = (1 + 0.04 * rng.standard_normal(3)).astype(np.float32)
        templates[subject] = face.mesh.vertices[kept] * scale
        held_out = number >= 3
        for take in range(size.takes):
            step = round(size.seconds * SAMPLE_RATE)
            sound = Audio(change_speed(speech[take * step : (take + 1) * step], speed))
            features = encoder(sound)
            sentence = take + (HELD_OUT_SENTENCES.start if held_out else 1)
            for emotion in size.emotions:
                for intensity in size.steps:
                    name = f"{subject}_sentence{sentence:02d}_{emotion}_{intensity}"
                    track = constant_track(f"{EMOVOCA[emotion]}:{intensity / STEPS}", sound.duration)
                    motion = face.expand(_at_60(decoder.predict(features, track), features, sound.duration, face))
                    offsets = np.tensordot(motion.astype(np.float32), basis, 1) * scale
                    np.save(root / "sequences" / f"{name}.npy", templates[subject] + offsets)
                    np.save(root / "label" / f"{name}.npy", np.array(LABELS.index(emotion)))
                    np.save(root / "intensity" / f"{name}.npy", np.array(intensity))
                    soundfile.write(root / "wav" / f"{name}.wav", sound.samples, SAMPLE_RATE)
                    written += 1
    write_arrays(root / "templates.npz", templates, 6)
    return written


def _at_60(spoken: Floats, features: SpeechFeatures, duration: float, face: Face) -> Floats:
    """Coefficients (T, K) of the face's shapes at 60 frames a second."""
    clock = FrameClock(FPS)
    moved = resample_frames(spoken, features.clock.times(len(spoken)), clock.times(clock.frames(duration)))
    return face.with_rest(moved)
