"""Figures of the decoder on held-out sentences, beside a static face, shuffled audio and loudness alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.decoder import Decoder, load_decoder, predict
from sedtalker.audio import load_audio, resample_frames
from sedtalker.datasets.alignment import PhoneSpan, Utterance, align_corpus
from sedtalker.datasets.expressive_motion import (
    TRACKED_REST_GAP,
    LipGauge,
    Rest,
    SpokenMotion,
    measure_lips,
    rest_pose,
    speak,
)
from sedtalker.datasets.facegood import read_facegood
from sedtalker.datasets.grid import TrackedClip, read_grid
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_builtin
from sedtalker.face.face import Face
from sedtalker.metrics.motion import (
    ClosureCounts,
    correlation,
    count_closures,
    jerk,
    lip_aperture,
    lip_vertex_error,
    lip_width,
    mean_vertex_error,
    upper_face_dynamics_deviation,
)
from sedtalker.speech.encoder import SpeechEncoder, SpeechFeatures, encode, load_encoder
from sedtalker.speech.phones import BILABIAL, VOWELS
from sedtalker.training.run import cache_folder

EMOTIONAL_CLIPS = 10
INTENSITIES = (0.33, 0.67, 1.0)
EXPECTED: dict[str, tuple[str, float]] = {
    "happy": ("corner_height", 1.0),
    "sad": ("corner_height", -1.0),
    "angry": ("brow_height", -1.0),
    "fear": ("brow_height", 1.0),
    "disgust": ("lip_height", 1.0),
    "surprise": ("brow_height", 1.0),
}
"""The landmark measure that tells each emotion from neutral, and its direction."""


@dataclass(frozen=True, eq=False)
class _Heard:
    """A test clip as the encoder hears it, with its tracked lips at the same times."""

    clip: TrackedClip
    features: SpeechFeatures
    times: NDArray[np.floating]
    spoken: SpokenMotion
    width: NDArray[np.float32]
    spans: list[PhoneSpan]


def constant_track(label: str, intensity: float, duration: float = 3600.0) -> EmotionTrack:
    """One emotion throughout."""
    posterior = np.zeros((2, len(CATEGORIES)), np.float32)
    posterior[:, CATEGORIES.index(label)] = 1.0
    level = np.full(2, intensity, np.float32)
    return EmotionTrack(np.array([0.0, duration]), posterior, level, 0 * level, 0 * level, CATEGORIES, duration)


def evaluate_decoder(data: Path, checkpoint: Path | None = None, encoder: Path | None = None) -> dict[str, float]:
    """All figures; correlations are per clip on speech frames, averaged over clips, with a neutral track.

    ``lip_r``: the inner-lip height (landmarks 62–66, ``lip_aperture``) of the built-in face deformed by the predicted
    coefficients against the tracker's ``inner_lip_height`` interpolated to the encoder's frame times, over the GRID
    test sentences (MD5 of the name ends in 0); speech frames are ``speech_mask``. ``lip_r_coefficients``: against the
    same face driven by the tracked weights instead. ``width_r``: inner-lip width. ``lip_gain``: ratio of the standard
    deviations of predicted and tracked height. ``lip_r_unseen``: inner-lip height of the same face under the prediction
    and under the tracked weights of the FACEGOOD test take, an unseen Mandarin talker; ``jaw_r_unseen``: the jawOpen
    coefficients; ``_all``: pauses included. ``lip_r_shuffled``: each clip's prediction against the next clip's lips.
    ``lip_r_energy``: log energy alone. ``static_*``: a face that never moves. ``closure_*``: see
    ``count_closures``. ``lve_mm2``, ``mve_mm``, ``fdd_mm``, ``jerk`` (m/s³, lips): on the
    built-in face, reference the tracked weights.
    ``shift_*``: how far an emotion at intensity 1 moves its telling landmark the expected way (outer-eye distances);
    ``controllability``: share of emotions × intensity steps that move it the right way.
    """
    decoder, net, face = load_decoder(checkpoint), load_encoder(encoder), load_builtin()
    gauge = measure_lips(face)
    clips = read_grid(data)
    rest = rest_pose([c for c in clips if c.split == "train"])
    test = [c for c in clips if c.split == "test"]
    spans = align_corpus("grid_test", [Utterance(c.name, c.audio, c.text) for c in test], cache_folder())
    heard = [_hear(c, encode(net, load_audio(c.audio)), spans[c.name], rest, gauge) for c in test]
    neutral = [predict(decoder, h.features, constant_track("neutral", 0.0)) for h in heard]
    figures = _lips(face, gauge, heard, neutral)
    figures |= _vertices(face, heard, neutral)
    figures |= _unseen(decoder, face, net, data)
    figures |= _emotions(decoder, face, gauge, heard[:EMOTIONAL_CLIPS])
    return figures


def _hear(clip: TrackedClip, features: SpeechFeatures, spans: list[PhoneSpan], rest: Rest, gauge: LipGauge) -> _Heard:
    times = features.clock.times(len(features))
    width = resample_frames(clip.feature("inner_lip_width")[:, None], clip.times, times)[:, 0]
    return _Heard(clip, features, times, speak(clip, spans, rest, gauge, times), width, spans)


def _height(heard: _Heard) -> NDArray[np.float32]:
    clip = heard.clip
    return resample_frames(clip.feature("inner_lip_height")[:, None], clip.times, heard.times)[:, 0]


def _lips(face: Face, gauge: LipGauge, heard: list[_Heard], predicted: list[NDArray[np.float32]]) -> dict[str, float]:
    rows: dict[str, list[float]] = {
        k: [] for k in ("lip_r", "lip_r_coefficients", "lip_r_shuffled", "lip_r_energy", "width_r", "lip_gain")
    }
    counts, static = ClosureCounts(), ClosureCounts()
    apertures = [lip_aperture(face, c) for c in predicted]
    for i, (h, aperture) in enumerate(zip(heard, apertures, strict=True)):
        speech, height = h.features.speech, _height(h)
        rows["lip_r"].append(correlation(aperture[speech], height[speech]))
        driven = lip_aperture(face, h.spoken.coefficients)
        rows["lip_r_coefficients"].append(correlation(aperture[speech], driven[speech]))
        rows["width_r"].append(correlation(lip_width(face, predicted[i])[speech], h.width[speech]))
        rows["lip_r_energy"].append(correlation(h.features.prosody[speech, 0], height[speech]))
        rows["lip_gain"].append(float(aperture[speech].std() / height[speech].std()))
        other = apertures[(i + 1) % len(apertures)]
        both = min(len(other), len(height))
        mask = speech[:both]
        rows["lip_r_shuffled"].append(correlation(other[:both][mask], height[:both][mask]))
        stops = [(s.start, s.end) for s in h.spans if s.phone in BILABIAL]
        vowels = [(s.start, s.end) for s in h.spans if s.phone in VOWELS]
        reference = height - TRACKED_REST_GAP
        count_closures(counts, h.times, aperture - gauge.rest, reference, stops, vowels)
        count_closures(static, h.times, 0.0 * aperture, reference, stops, vowels)
    figures = {name: float(np.mean(values)) for name, values in rows.items()}
    figures |= {"closure_recall": counts.recall, "closure_false": counts.false_rate, "closure_f1": counts.f1}
    return figures | {"static_lip_r": 0.0, "static_closure_f1": static.f1}


def _vertices(face: Face, heard: list[_Heard], predicted: list[NDArray[np.float32]]) -> dict[str, float]:
    rows: dict[str, list[float]] = {
        k: [] for k in ("lve_mm2", "static_lve_mm2", "mve_mm", "fdd_mm", "jerk", "jerk_tracked")
    }
    lips, upper = face.regions["lips"], face.regions["upper_face"]
    extra = len(face.shapes) - 52
    for h, coefficients in list(zip(heard, predicted, strict=True))[::4]:
        made = face.deform(np.pad(coefficients, ((0, 0), (0, extra))))
        tracked = face.deform(np.pad(h.spoken.coefficients, ((0, 0), (0, extra))))
        still = np.repeat(face.mesh.vertices[None], len(made), axis=0)
        rows["lve_mm2"].append(1e6 * lip_vertex_error(made, tracked, lips))
        rows["static_lve_mm2"].append(1e6 * lip_vertex_error(still, tracked, lips))
        rows["mve_mm"].append(1e3 * mean_vertex_error(made, tracked))
        rows["fdd_mm"].append(1e3 * upper_face_dynamics_deviation(made, tracked, face.mesh.vertices, upper))
        rows["jerk"].append(jerk(made[:, lips], 50.0))
        rows["jerk_tracked"].append(jerk(tracked[:, lips], 50.0))
    return {name: float(np.mean(values)) for name, values in rows.items()}


def _unseen(decoder: Decoder, face: Face, net: SpeechEncoder, data: Path) -> dict[str, float]:
    take = next(t for t in read_facegood(data) if t.split == "test")
    features = encode(net, load_audio(take.audio))
    predicted = predict(decoder, features, constant_track("neutral", 0.0))
    tracked = resample_frames(take.coefficients, take.times, features.clock.times(len(features)))
    speech, jaw = features.speech, ARKIT_52.index("jawOpen")
    lips, reference = lip_aperture(face, predicted), lip_aperture(face, tracked)
    curves = {
        "lip_r_unseen": (lips, reference),
        "jaw_r_unseen": (predicted[:, jaw], tracked[:, jaw]),
        "lip_r_unseen_energy": (features.prosody[:, 0], reference),
        "jaw_r_unseen_energy": (features.prosody[:, 0], tracked[:, jaw]),
        "lip_r_unseen_shuffled": (np.roll(lips, len(lips) // 2), reference),
    }
    figures = {name: correlation(a[speech], b[speech]) for name, (a, b) in curves.items()}
    return figures | {f"{name}_all": correlation(a, b) for name, (a, b) in curves.items()}


def landmark_measures(face: Face, coefficients: NDArray[np.float32]) -> dict[str, float]:
    """Mean heights over the frames, outer-eye distances, each against points that expressions do not move.

    ``corner_height``: mouth corners against the nose bridge; ``brow_height``: inner brows against the inner eye corners
    of the resting face; ``lip_height``: middle of the upper lip against the nose bridge.
    """
    assert face.landmarks is not None
    rest = face.mesh.vertices[face.landmarks]
    scale = float(np.linalg.norm(rest[36] - rest[45]))
    mean = np.pad(coefficients.mean(0, keepdims=True), ((0, 0), (0, len(face.shapes) - coefficients.shape[1])))
    points = (face.deform(mean)[0][face.landmarks])[:, 1] / scale
    still = rest[:, 1] / scale
    return {
        "corner_height": float(points[[48, 54]].mean() - still[27]),
        "brow_height": float(points[[21, 22]].mean() - still[[39, 42]].mean()),
        "lip_height": float(points[51] - still[27]),
    }


def _emotions(decoder: Decoder, face: Face, gauge: LipGauge, heard: list[_Heard]) -> dict[str, float]:
    """What each emotion does to its telling landmark, step by step of intensity, and to the closures."""
    figures: dict[str, float] = {}
    right, total, worst = 0, 0, 1.0
    still = [landmark_measures(face, predict(decoder, h.features, constant_track("neutral", 0.0))) for h in heard]
    for emotion, (measure, direction) in EXPECTED.items():
        counts = ClosureCounts()
        moved = [direction * float(np.mean([m[measure] for m in still]))]
        for intensity in INTENSITIES:
            values = []
            for h in heard:
                coefficients = predict(decoder, h.features, constant_track(emotion, intensity))
                values.append(landmark_measures(face, coefficients)[measure])
                if intensity == 1.0:
                    stops = [(s.start, s.end) for s in h.spans if s.phone in BILABIAL]
                    gap = lip_aperture(face, coefficients) - gauge.rest
                    count_closures(counts, h.times, gap, _height(h) - TRACKED_REST_GAP, stops, [])
            moved.append(direction * float(np.mean(values)))
        steps = np.diff(moved)
        right, total = right + int((steps > 1e-4).sum()), total + len(steps)
        worst = min(worst, counts.recall)
        figures[f"shift_{emotion}"] = moved[-1] - moved[0]
    return figures | {"controllability": right / total, "closure_recall_worst_emotion": worst}
