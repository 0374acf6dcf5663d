"""Conversations made of the sample recording, and of tracks without any sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sedtalker.audio import SAMPLE_RATE, Audio, load_audio
from sedtalker.emotion.conversation import Conversation
from sedtalker.emotion.formats import densify
from sedtalker.emotion.track import Segment
from sedtalker.speakers.separation import Speakers, sound_of
from sedtalker.speakers.turns import Turn, Turns
from tests.support.clips import SAMPLE

TURNS = (Turn(0.5, 3.0, "ann"), Turn(3.5, 6.0, "bob"), Turn(5.5, 7.5, "ann"))
"""Turns of two people who speak at the same time for half a second."""


def wrote_rttm(path: Path, turns: tuple[Turn, ...] = TURNS) -> Path:
    """An RTTM file of turns; its path."""
    Turns(turns, turns[-1].end).save(path, path.stem)
    return path


def speakers_of(turns: tuple[Turn, ...] = TURNS, seconds: float = 8.0) -> Speakers:
    """Speakers in the beginning of the sample."""
    sound = Audio(load_audio(SAMPLE).samples[: round(seconds * SAMPLE_RATE)])
    made = Turns(turns, sound.duration)
    return Speakers(sound, made, {name: sound_of(sound, made, name) for name in made.speakers})


def talk(seconds: float = 8.0) -> Conversation:
    """Ann is angry and then happy, Bob is sad; no network is asked."""
    tracks = {
        "ann": densify([Segment(0.5, 3.0, "angry", 0.9, 0.8), Segment(5.5, 7.5, "happy", 0.6, 0.7)], seconds),
        "bob": densify([Segment(3.5, 6.0, "sad", 0.5, 0.6)], seconds),
    }
    return Conversation(speakers_of(seconds=seconds), {name: track.confident(0.3) for name, track in tracks.items()})


def voiced(seconds: float, pitch: float) -> np.ndarray:
    """Samples that sound like a vowel with syllables, loud enough to count as speech."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 12))
    return (0.1 * wave * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)
