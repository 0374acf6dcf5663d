"""The lips of a decoder against tracked ones: the talker it was trained on, in other voices and noise, and another."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sedtalker.animation.animator import AnyDecoder
from sedtalker.animation.articulation import posteriors_of
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.vertex_decoder import one_hot
from sedtalker.arrays import Floats, Mask, Reals, runs
from sedtalker.audio import SAMPLE_RATE, from_samples, load_audio, resample_frames
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.export.arkit import read_motion
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.metrics.motion import (
    ClosureCounts,
    correlation,
    count_closures,
    jerk,
    lip_aperture,
    lip_width,
    means,
    misalignment,
    vertex_errors,
)
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import Encoder, open_encoder
from sedtalker.speech.features import (
    BILABIAL,
    FRAME_CLOCK,
    LABIODENTAL,
    OPEN_VOWELS,
    PHONE_INDEX,
    SPEECH,
    VOWELS,
    SpeechFeatures,
)
from sedtalker.training.corpora.augmentation import FORMANTS, PITCH, change_voice, mixed
from sedtalker.training.corpora.feature_store import Copy, FeatureStore
from sedtalker.training.corpora.tracked_motion import TrackedClip, read_facegood
from sedtalker.training.motion.alignment import (
    PhoneSpan,
    Utterance,
    align_corpus,
    frame_times,
    phone_frames,
    phone_intervals,
)
from sedtalker.training.motion.crops import TalkingCrops
from sedtalker.training.motion.spoken_motion import TRACKED_REST_GAP, LipMeasure, Rest, SpokenMotion, rest_pose, speak

logger = logging.getLogger(__name__)


ROUNDED, SPREAD = ("UW", "OW", "W", "UH", "AO"), ("IY", "EY", "IH", "EH", "AE")
"""Sounds for which lips are rounded, and for which they are spread."""


def narrowing(width: Reals, rounded: Mask, spread: Mask) -> float:
    """How much narrower lips (T,) are in rounded than in spread sounds; NaN where there are none of either."""
    return float(width[spread].mean() - width[rounded].mean()) if rounded.any() and spread.any() else float("nan")


def steady_track(label: str, intensity: float) -> EmotionTrack:
    """One category at one intensity throughout an hour, which is longer than any test clip."""
    posterior, level = one_hot(CATEGORIES, label, 2), np.full(2, intensity, np.float32)
    return EmotionTrack(np.array([0.0, 3600.0]), posterior, level, 0 * level, 0 * level, CATEGORIES, 3600.0)


@dataclass(frozen=True, eq=False)
class TrackedSentence:
    """A test sentence: its speech features, and its tracked lips on their frames.

    Attributes:
        clip: recording and tracked motion.
        features: of the encoder, T frames.
        times: (T,) seconds.
        spoken: the tracked motion at these times.
        width: (T,) tracked inner-lip width, outer-eye distances.
        spans: aligned phones.
    """

    clip: TrackedClip
    features: SpeechFeatures
    times: Reals
    spoken: SpokenMotion
    width: Floats
    spans: list[PhoneSpan]


def tracked_sentence(
    clip: TrackedClip, features: SpeechFeatures, spans: list[PhoneSpan], rest: Rest, lip_measure: LipMeasure
) -> TrackedSentence:
    """A clip's tracked lips on the encoder's frames."""
    times = features.clock.times(len(features))
    width = clip.feature_at("inner_lip_width", times)
    return TrackedSentence(clip, features, times, speak(clip, spans, rest, lip_measure, times), width, spans)


def encode_test_sentences(
    net: Encoder, clips: list[TrackedClip], lip_measure: LipMeasure, cache: Path, hook: Hook = no_progress
) -> list[TrackedSentence]:
    """The test sentences among the tracked clips."""
    rest = rest_pose([c for c in clips if c.split == "train"])
    test = [c for c in clips if c.split == "test"]
    spans = align_corpus("grid_test", [Utterance(c.name, c.audio, c.text) for c in test], cache)
    return [
        tracked_sentence(c, net(load_audio(c.audio)), spans[c.name], rest, lip_measure)
        for c in counted(test, hook, "encoding test sentences", len(test))
    ]


def with_tracking(
    sentences: list[TrackedSentence], clips: list[TrackedClip], lip_measure: LipMeasure
) -> list[TrackedSentence]:
    """The same speech features with the tracking of ``clips``: at other times, for instance."""
    rest = rest_pose([c for c in clips if c.split == "train"])
    named = {clip.name: clip for clip in clips}
    return [tracked_sentence(named[h.clip.name], h.features, h.spans, rest, lip_measure) for h in sentences]


def tracked_height(sentence: TrackedSentence) -> Floats:
    """(T,) the tracker's inner-lip height, outer-eye distances."""
    return sentence.clip.feature_at("inner_lip_height", sentence.times)


def lip_metrics(
    face: Face, lip_measure: LipMeasure, sentences: list[TrackedSentence], predicted: list[Floats]
) -> dict[str, float]:
    """Lip metrics of neutral predictions on the test sentences; correlations per clip, averaged over clips.

    ``lip_r``: the inner-lip height (landmarks 62–66, ``lip_aperture``) of the face deformed by the prediction against
    the tracker's ``inner_lip_height`` at the encoder's frame times; speech frames are ``speech_mask``.
    ``lip_r_coefficients``: against the same face driven by the tracked weights. ``lip_width_r``: inner-lip width.
    ``lip_gain``: ratio of the standard deviations of predicted and tracked height. ``lip_r_shuffled``: each prediction
    against the next clip's lips. ``lip_r_energy``: log energy alone. ``static_…``: a face that never moves.
    ``closure_rate``, ``false_closure_rate``: see ``count_closures``; ``contact_rate``: share of f and v in which the
    lips come as near as the tracked ones, or as ``RULES.teeth_gap``. ``rounding``: ``narrowing`` of all sentences over
    the talker's own.
    """
    rows = list[dict[str, float]]()
    counts, static, contacts = ClosureCounts(), ClosureCounts(), ClosureCounts()
    apertures = [lip_aperture(face, c) for c in predicted]
    for i, (h, aperture) in enumerate(zip(sentences, apertures, strict=True)):
        speech, height = h.features.speech, tracked_height(h)
        other = apertures[(i + 1) % len(apertures)][: len(height)]
        mask = np.flatnonzero(speech[: len(other)])
        row = {
            "lip_r": correlation(aperture[speech], height[speech]),
            "lip_r_coefficients": correlation(aperture[speech], lip_aperture(face, h.spoken.coefficients)[speech]),
            "lip_r_shuffled": correlation(other[mask], height[mask]),
            "lip_r_energy": correlation(h.features.prosody[speech, 0], height[speech]),
            "lip_width_r": correlation(lip_width(face, predicted[i])[speech], h.width[speech]),
            "lip_gain": float(aperture[speech].std() / height[speech].std()),
        }
        rows.append(row)
        stops = phone_intervals(h.spans, BILABIAL)
        vowels = phone_intervals(h.spans, VOWELS)
        reference = height - TRACKED_REST_GAP
        count_closures(counts, h.times, aperture - lip_measure.rest, reference, stops, vowels)
        teeth = phone_intervals(h.spans, LABIODENTAL)
        near = np.maximum(aperture - lip_measure.rest - np.maximum(reference, RULES.teeth_gap), 0.0)
        count_closures(contacts, h.times, near, 0.0 * near, teeth, [])
        count_closures(static, h.times, 0.0 * aperture, reference, stops, vowels)
    metrics = means(rows)
    classes = np.concatenate([phone_frames(h.spans, h.times) for h in sentences])
    kinds = [np.isin(classes, [PHONE_INDEX[name] for name in names]) for names in (ROUNDED, SPREAD)]
    widths = np.concatenate([lip_width(face, each) for each in predicted]), np.concatenate([h.width for h in sentences])
    metrics["rounding"] = narrowing(widths[0], *kinds) / narrowing(widths[1], *kinds)
    metrics |= {"closure_rate": counts.recall, "false_closure_rate": counts.false_rate, "closure_f1": counts.f1}
    metrics["contact_rate"] = contacts.recall
    return metrics | {"static_lip_r": 0.0, "static_closure_f1": static.f1}


def unseen_metrics(decoder: AnyDecoder, face: Face, net: Encoder, data: Path) -> dict[str, float]:
    """Metrics on the FACEGOOD test take: a Mandarin talker of another rig, whose motion follows loudness.

    ``lip_r_unseen``: inner-lip height of the same face under the prediction and under the tracked weights, on speech
    frames; ``jaw_r_unseen``: the jawOpen coefficients; ``…_all``: pauses included; ``…_energy``: log energy alone.
    """
    take = next(t for t in read_facegood(data) if t.split == "test")
    features = net(load_audio(take.audio))
    predicted = decoder.predict(features, steady_track("neutral", 0.0))
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
    metrics = {name: correlation(a[speech], b[speech]) for name, (a, b) in curves.items()}
    return metrics | {f"{name}_all": correlation(a, b) for name, (a, b) in curves.items()}


# --- The lips of a decoder when the tracked talker's sentences come in other voices, or through noise.


def noisy(samples: Floats, decibels: float, rng: np.random.Generator) -> Floats:
    """Pink noise at ``decibels`` below the speech's mean power."""
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)), len(samples))
    return mixed(samples, pink.astype(np.float32), decibels)


def evaluate_voices(
    decoder: AnyDecoder,
    face: Face,
    net: Encoder,
    sentences: list[TrackedSentence],
    hook: Hook = no_progress,
) -> dict[str, float]:
    """``lip_r_voice_changed``, ``lip_width_r_voice_changed``: formants 0.86 to 1.28 times as high and a median pitch of
    85 to 260 Hz, drawn for each clip; ``lip_r_5db``: pink noise 5 dB below the speech. Frames as in ``lip_r``.
    """
    rng = np.random.default_rng(20)
    rows = list[dict[str, float]]()
    for h in counted(sentences, hook, "lips in other voices and noise", len(sentences)):
        samples, row = load_audio(h.clip.audio).samples, dict[str, float]()
        made = {"5db": noisy(samples, 5.0, rng)}
        try:
            formants, pitch = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (FORMANTS, PITCH))
            made["voice_changed"] = change_voice(samples, formants, pitch)
        except InputError as error:
            if not rows:
                logger.warning("not measured in other voices: %s", error)
        for name, sound in made.items():
            moved = decoder.predict(net(from_samples(sound, SAMPLE_RATE)), steady_track("neutral", 0.0))
            speech = h.features.speech
            row[f"lip_r_{name}"] = correlation(lip_aperture(face, moved)[speech], tracked_height(h)[speech])
            row[f"lip_width_r_{name}"] = correlation(lip_width(face, moved)[speech], h.width[speech])
        rows.append(row)
    return means(rows)


# --- Validation of a talking mouth: the tracked talker, unseen speakers with aligned phones, an unseen tracked talker.

Move = Callable[[FeatureStore, Copy], Floats]
"""A recording to the coefficients (T, 52) of its talking mouth, clamped."""
UNSEEN_CLIPS = 40
"""Recordings of unseen speakers that are scored."""


def speech_frames(store: FeatureStore, copy: Copy) -> Mask:
    """(T,) loud enough to be speech, 50 frames a second."""
    return store.rows(copy)[:, -1].reshape(-1, 2).max(1) > 0.5


def validate_talking(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """Metrics of the tracked talker's validation sentences, of unseen speakers and of an unseen tracked talker.

    Their keys are described in ``evaluation.measures.VALIDATION``.
    """
    return _tracked(crops, move) | _unseen(crops, move) | _unseen_talker(crops, move)


def _tracked(crops: TalkingCrops, move: Move) -> dict[str, float]:
    rows = list[dict[str, float]]()
    counts, own, talker = ClosureCounts(), crops.own, crops.talker
    for copy in (c for c in talker.copies(own, "valid") if c.copy == 0):
        clip, spans, moved = talker.clips[copy.key], talker.spans[copy.key], move(own, copy)
        times, speech = frame_times(len(moved)), speech_frames(own, copy)
        spoken = talker.spoken[copy.key].at(times * FRAME_CLOCK.rate - 0.5)
        gap = lip_aperture(crops.face, moved) - crops.lip_measure.rest
        width = np.interp(times, clip.times, clip.feature("inner_lip_width"))
        wide = correlation(lip_width(crops.face, moved)[speech], width[speech])
        rows.append({"lip_r": correlation(gap[speech], spoken.gap[speech]), "width_r": wide})
        stops = phone_intervals(spans, BILABIAL)
        vowels = phone_intervals(spans, VOWELS)
        count_closures(counts, times, gap, spoken.gap, stops, vowels)
    return means(rows) | {"closure_recall": counts.recall, "closure_false": counts.false_rate, "closure_f1": counts.f1}


def _unseen(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """Closures on p, b, m and open vowels of new speakers, whose phones are aligned and lips untracked."""
    counts = ClosureCounts()
    for copy in crops.read.unseen[:UNSEEN_CLIPS]:
        gap = lip_aperture(crops.face, move(crops.read.store, copy)) - crops.lip_measure.rest
        count_untracked(counts, frame_times(len(gap)), gap, crops.read.spans[copy.key])
    return {"unseen_closure": counts.recall, "unseen_false": counts.false_rate, "unseen_closure_f1": counts.f1}


def count_untracked(counts: ClosureCounts, times: Reals, gap: Reals, spans: list[PhoneSpan]) -> None:
    """``count_closures`` where no lips are tracked: p, b, m count as closed, and open vowels as open."""
    stops, vowels = (phone_intervals(spans, phones) for phones in (BILABIAL, OPEN_VOWELS))
    assumed = np.any([(times >= start) & (times <= end) for start, end in vowels] or [times < 0], axis=0)
    count_closures(counts, times, gap, assumed.astype(np.float32), stops, vowels)


def _unseen_talker(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """The lips of a tracked talker never trained on: correlation of their height, on speech frames and on all."""
    rows, store = list[dict[str, float]](), crops.unseen
    for copy in (c for c in store.copies if c.key in crops.unseen_takes):
        take, moved, speech = crops.unseen_takes[copy.key], move(store, copy), speech_frames(store, copy)
        lips = lip_aperture(crops.face, moved)
        tracked = resample_frames(take.coefficients, take.times, frame_times(len(moved)))
        reference = lip_aperture(crops.face, tracked)
        own = correlation(lips[speech], reference[speech])
        rows.append({"unseen_talker_r": own, "unseen_talker_r_all": correlation(lips, reference)})
    return means(rows)


# --- Motion that anybody made, against the sound, and against other motion of it.

LAGS = np.arange(-15, 16)
"""Frames of 20 ms by which motion may come earlier (negative) or later than the sound or the reference: ± .3 s."""
UNEQUAL = 0.25
"""Seconds by which motion and sound may differ in length: programs round, and a last frame may be held."""


def evaluate_motion(theirs: Path, audio: Path, reference: Path | None = None) -> dict[str, float]:
    """Figures of lips that any program made for a recording, on the built-in face.

    ``loudness_r``: speech-lip intensity correlation, of log energy with the opening of the lips on speech frames, at
    the lag ``loudness_lag_ms`` where it is highest; ``closed``: share of the ``bilabials`` (p, b, m) that the encoder
    finds on which the lips meet; ``vowels_closed``: share of ``open_vowels`` on which they do, too; there is no share
    of none. With a reference: correlations of height and width as they are and (``…_best``) at the best lag
    ``lag_ms``; ``mtm_ms``: mean temporal misalignment (``misalignment``); errors of the vertices and ``jerk_ratio``.
    What one of them does not reach is left out, and said.

    Args:
        theirs: ARKit weights, see ``read_motion``; so is ``reference``.
        audio: the speech, which begins at the same moment.

    Raises:
        InputError: a file cannot be read, or there is no speech in what they share.
    """
    face, decoder = load_face(), open_model("decoder", "decoder")
    features = open_encoder()(load_audio(audio))
    speech, times = features.speech, features.clock.times(len(features))
    read = {path: read_motion(path, times) for path in (theirs, reference) if path is not None}
    lengths = {path: end for path, (_, _, end) in read.items()} | {audio: float(times[-1])}
    shared = len(times)
    if max(lengths.values()) - min(lengths.values()) > UNEQUAL:
        said = ", ".join(f"{path.name} {seconds:.2f} s" for path, seconds in lengths.items())
        logger.warning("the lengths differ (%s): only what all have is measured", said)
        shared = int(np.searchsorted(times, min(lengths.values()), "right"))
    speech, times = speech[:shared], times[:shared]
    if speech.sum() < 2:
        raise InputError(f"{audio}: no speech in it that the motion reaches")
    moved = [face.with_rest(read[path][0][:shared]) for path in (theirs, reference) if path is not None]
    height, rest = lip_aperture(face, moved[0]), lip_aperture(face, 0.0 * moved[0][:1])[0]
    shifted = {
        int(lag): correlation(height[speech], np.roll(features.prosody[:shared, 0], lag)[speech]) for lag in LAGS
    }
    best = max(shifted, key=lambda lag: shifted[lag])
    found = {"loudness_r": shifted[best], "loudness_lag_ms": 20.0 * best}
    likely = posteriors_of(decoder.phones(features.of(SPEECH).hidden), (BILABIAL, OPEN_VOWELS))[:shared] > 0.5
    found_at = [[(times[a], times[b - 1]) for a, b, there in runs((each & speech) * 1) if there] for each in likely.T]
    counts = ClosureCounts()
    count_closures(counts, times, height - rest, np.zeros(len(times)), found_at[0], [])
    count_closures(counts, times, height - rest, np.ones(len(times)), [], found_at[1])
    met = {"bilabials": (counts.recall, "closed"), "open_vowels": (counts.false_rate, "vowels_closed")}
    for (kind, (share, key)), spans in zip(met.items(), found_at, strict=True):
        found |= {kind: float(len(spans)), **({key: share} if spans else {})}
    return found | (_beside(face, moved[0], moved[1], speech) if reference is not None else {})


def _beside(face: Face, theirs: Floats, reference: Floats, speech: Mask) -> dict[str, float]:
    """The figures of ``evaluate_motion`` that need a reference."""
    heights, widths = (tuple(of(face, each) for each in (theirs, reference)) for of in (lip_aperture, lip_width))
    lagged = {int(lag): correlation(np.roll(heights[0], -lag)[speech], heights[1][speech]) for lag in LAGS}
    best = max(lagged, key=lambda lag: lagged[lag])
    made, real = (face.deform(each) for each in (theirs, reference))
    lips, upper = face.regions["lips"], face.regions["upper_face"]
    jerks = [jerk(each[:, lips], FRAME_CLOCK.rate) for each in (made, real)]
    return {
        "lip_r": lagged[0],
        "lip_r_best": lagged[best],
        "lag_ms": 20.0 * best,
        "lip_width_r": correlation(widths[0][speech], widths[1][speech]),
        "lip_width_r_best": correlation(np.roll(widths[0], -best)[speech], widths[1][speech]),
        "mtm_ms": 1e3 / FRAME_CLOCK.rate * misalignment(heights[0], heights[1]),
        **vertex_errors(made, real, face.mesh.vertices, lips, None, upper),
        "jerk_ratio": jerks[0] / max(jerks[1], 1e-9),
    }
