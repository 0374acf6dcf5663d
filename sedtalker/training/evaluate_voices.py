"""The lips of a decoder when the tracked talker's sentences come in other voices, or through noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.decoder import AnyDecoder, predict
from sedtalker.audio import SAMPLE_RATE, from_samples, load_audio, resample_frames
from sedtalker.datasets.grid import TrackedClip
from sedtalker.datasets.voices import FORMANTS, PITCH, change_voice
from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.metrics.motion import correlation, lip_aperture, lip_width
from sedtalker.speech.encoder import SpeechEncoder, SpeechFeatures, encode
from sedtalker.training.evaluate_control import constant_track

NOISE_DECIBELS = 5.0
SEED = 20


def noisy(samples: NDArray[np.float32], decibels: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Pink noise at ``decibels`` below the speech's mean power."""
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)), len(samples))
    power = np.mean(samples**2) / np.mean(pink**2)
    return np.asarray(samples + pink * np.sqrt(power) * 10 ** (-decibels / 20), np.float32)


def evaluate_voices(
    decoder: AnyDecoder,
    face: Face,
    net: SpeechEncoder,
    clips: list[tuple[TrackedClip, SpeechFeatures]],
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """``lip_r_voice_changed``, ``lip_width_r_voice_changed``: formants 0.86 to 1.28 times as high and a median pitch of
    85 to 260 Hz, drawn for each clip; ``lip_r_5db``: pink noise 5 dB below the speech. Frames as in ``lip_r``.
    """
    rng = np.random.default_rng(SEED)
    rows: dict[str, list[float]] = {}
    for clip, clean in clips:
        samples = load_audio(clip.audio).samples
        made = {"5db": noisy(samples, NOISE_DECIBELS, rng)}
        try:
            formants, pitch = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (FORMANTS, PITCH))
            made["voice_changed"] = change_voice(samples, formants, pitch)
        except InputError as error:
            report(f"not measured in other voices: {error}")
            break
        for name, sound in made.items():
            features = encode(net, from_samples(sound, SAMPLE_RATE))
            coefficients = predict(decoder, features, constant_track("neutral", 0.0))
            times, speech = features.clock.times(len(features)), clean.speech
            height, width = (
                resample_frames(clip.feature(f)[:, None], clip.times, times)[:, 0]
                for f in ("inner_lip_height", "inner_lip_width")
            )
            rows.setdefault(f"lip_r_{name}", []).append(
                correlation(lip_aperture(face, coefficients)[speech], height[speech])
            )
            rows.setdefault(f"lip_width_r_{name}", []).append(
                correlation(lip_width(face, coefficients)[speech], width[speech])
            )
    return {name: float(np.mean(values)) for name, values in rows.items()}
