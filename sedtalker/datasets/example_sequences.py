"""A small corpus in EmoVOCA's exact layout, made by the built-in decoder: to try out the training, not to learn from.

FLAME-sized (5023 vertices of the built-in face), 60 frames a second, subjects by EmoVOCA's names. The speech is that of
one recording, cut into takes and played at another speed for each subject; the motion is the built-in decoder's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from sedtalker.animation.decoder import load_decoder, predict
from sedtalker.audio import SAMPLE_RATE, Audio, FrameClock, load_audio, resample_frames
from sedtalker.datasets.acoustics import change_speed
from sedtalker.datasets.emovoca import LABELS, STEPS
from sedtalker.datasets.vocaset import FPS, VERTICES
from sedtalker.emotion.densify import constant_track
from sedtalker.emotion.taxonomy import EMOVOCA
from sedtalker.face.builtin import load_builtin
from sedtalker.face.face import Face
from sedtalker.speech.encoder import SpeechFeatures, encode, load_encoder

SUBJECTS = {
    "FaceTalk_170728_03272_TA": 1.0,
    "FaceTalk_170904_00128_TA": 0.92,
    "FaceTalk_170725_00137_TA": 1.08,
    "FaceTalk_170811_03275_TA": 0.96,
    "FaceTalk_170809_00138_TA": 1.04,
}
"""Subjects, three to train and one each to validate and to test, with the speed at which the voice is played."""
FIRST_HELD_OUT = 21


@dataclass(frozen=True)
class ExampleSize:
    """How much is made: takes of each subject, expressions (EmoVOCA's words), steps of intensity, seconds a take."""

    takes: int = 3
    emotions: tuple[str, ...] = ("Smile2", "Irritated1")
    steps: tuple[int, ...] = (1, 3)
    seconds: float = 2.4


def flame_sized(face: Face) -> tuple[NDArray[np.int64], NDArray[np.int32], dict[str, list[int]]]:
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


def write_example(root: Path, audio: Path, size: ExampleSize | None = None) -> int:
    """Write the corpus; returns the number of sequences.

    Args:
        root: folder that will hold ``sequences``, ``wav``, ``label``, ``intensity``, ``templates.npz``, ``masks.json``
            and ``template.ply``.
        audio: speech that the takes are cut from, from its beginning on.
        size: how much to make.
    """
    size = size or ExampleSize()
    face = load_builtin()
    kept, triangles, masks = flame_sized(face)
    for folder in ("sequences", "wav", "label", "intensity"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "masks.json").write_text(json.dumps(masks), encoding="utf-8")
    _write_template(root / "template.ply", face.mesh.vertices[kept], triangles)
    speech = load_audio(audio).samples
    encoder, decoder = load_encoder(), load_decoder()
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
            features = encode(encoder, sound)
            sentence = take + (FIRST_HELD_OUT if held_out else 1)
            for emotion in size.emotions:
                for intensity in size.steps:
                    name = f"{subject}_sentence{sentence:02d}_{emotion}_{intensity}"
                    track = constant_track(f"{EMOVOCA[emotion]}:{intensity / STEPS}", sound.duration)
                    motion = face.expand(_at_60(predict(decoder, features, track), features, sound.duration, face))
                    offsets = np.tensordot(motion.astype(np.float32), basis, 1) * scale
                    np.save(root / "sequences" / f"{name}.npy", templates[subject] + offsets)
                    np.save(root / "label" / f"{name}.npy", np.array(LABELS.index(emotion)))
                    np.save(root / "intensity" / f"{name}.npy", np.array(intensity))
                    soundfile.write(root / "wav" / f"{name}.wav", sound.samples, SAMPLE_RATE)
                    written += 1
    np.savez_compressed(root / "templates.npz", allow_pickle=False, **templates)
    return written


def _at_60(spoken: NDArray[np.float32], heard: SpeechFeatures, duration: float, face: Face) -> NDArray[np.float32]:
    """Coefficients (T, K) of the face's shapes at 60 frames a second."""
    clock = FrameClock(FPS)
    moved = resample_frames(spoken, heard.clock.times(len(spoken)), clock.times(clock.frames(duration)))
    return face.with_rest(moved)


def _write_template(path: Path, vertices: NDArray[np.float32], triangles: NDArray[np.int32]) -> None:
    import trimesh

    trimesh.Trimesh(vertices, triangles, process=False).export(path)
