"""A track straight from a network, without an ``Encoder`` or a recording."""

from __future__ import annotations

import torch

from sedtalker.emotion.diarizer_model import DiarizerConfig, Voice
from sedtalker.emotion.inference import emotion_track, frame_emotions
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import EmotionTrack
from sedtalker.speech.features import SpeechFeatures


def two_units() -> tuple[DiarizerNetwork, torch.nn.Linear, torch.nn.Linear]:
    """A network of two hidden units whose layers are all zero, and these layers, to be filled in."""
    config = DiarizerConfig(hidden_channels=0, windows=(1.0,), width=2, members=1, dropout=0.0)
    network = DiarizerNetwork(config).eval()
    first, last = network.members[0][1], network.members[0][4]  # type: ignore[index]
    for layer in (first, last):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return network, first, last


def diarize(
    network: DiarizerNetwork, features: SpeechFeatures, duration: float, voice: Voice | None = None
) -> EmotionTrack:
    """The track of a recording of so many seconds."""
    frames = frame_emotions(network, features, voice)
    return emotion_track(frames, features.clock, duration, network.config.labels)
