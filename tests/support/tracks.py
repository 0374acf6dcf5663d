"""A track straight from a network, without an ``Encoder`` or a recording."""

from __future__ import annotations

from sedtalker.emotion.functionals import Voice
from sedtalker.emotion.inference import emotion_track, frame_emotions
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import EmotionTrack
from sedtalker.speech.features import SpeechFeatures


def diarize(
    network: DiarizerNetwork, features: SpeechFeatures, duration: float, voice: Voice | None = None
) -> EmotionTrack:
    """The track of a recording of so many seconds."""
    frames = frame_emotions(network, features, voice)
    return emotion_track(frames, features.clock, duration, network.config.labels)
