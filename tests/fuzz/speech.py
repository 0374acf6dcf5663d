# ruff: noqa: E501
"""Readers of sound, of emotion tracks and of words."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from tests.fuzz import hostile, mutation, seeds
from tests.fuzz.target import BYTES, JSON, TEXT, Target, and_any, long_table, option_text, texts, written

# --- Sound.


def _audio(data: bytes) -> None:
    from sedtalker.audio import load_audio

    audio = load_audio(written("input.wav", data))
    assert np.isfinite(audio.samples).all(), "samples that are not numbers"
    assert np.abs(audio.samples).max() <= 1.0, "samples beyond full scale"


def _pipe(data: bytes) -> None:
    from sedtalker.audio.pipe import pipe_samples

    for piece in pipe_samples(io.BytesIO(data)):  # type: ignore[arg-type]
        assert np.isfinite(piece).all(), "samples that are not numbers"


def _sent_sound(data: bytes) -> None:
    from sedtalker.audio.pipe import PcmStream

    sound = PcmStream("f32le" if data[:1] < b"\x80" else "s16le", 16_000 if data[1:2] < b"\x80" else 44_100)
    for start in range(0, len(data), 999):
        assert np.isfinite(sound.push(data[start : start + 999])).all(), "samples that are not numbers"
    assert np.isfinite(sound.flush()).all(), "samples that are not numbers"


# --- Tracks and words.


def _track(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.emotion.formats.files import read_track, track_formats

        path = written(f"input{suffix}", data)
        for duration in (None, 0.6):
            track = read_track(path, duration)
            assert np.isfinite(track.posterior).all(), "a posterior that is not numbers"
            track.at(np.linspace(0.0, 1.0, 7))
            for row in track_formats().values() if len(track) < 10_000 else ():
                row.write(track, "name")

    return read


def _turns(data: bytes) -> None:
    from sedtalker.speakers.turns import Turns, turns_from_rttm, turns_to_rttm

    path = written("turns.rttm", data)
    for duration in (None, 0.6):
        turns = Turns.load(path, duration)
        assert all(0.0 <= start < end <= turns.duration for start, end, _ in turns.turns), "a turn outside"
        turns.active(turns.speakers[0], np.linspace(0.0, 1.0, 7))
        text = turns_to_rttm(turns)
        assert not text or turns_from_rttm(text).speakers


def _conversation(data: bytes) -> None:
    from sedtalker.emotion.conversation import Conversation
    from sedtalker.emotion.formats.conversation import FORMATS

    path = written("input.conversation.json", data)
    made = Conversation.load(path)
    for write in FORMATS.values() if all(len(track) < 10_000 for track in made.tracks.values()) else ():
        write(made, "name")


def _words(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.phonetics.words import read_words

        for word in read_words(data, f"words{suffix}"):
            assert 0.0 <= word.start <= word.end < float("inf")

    return read


def _emotion_option(data: bytes) -> None:
    from sedtalker.emotion.formats.files import parse_emotion

    parse_emotion(option_text(data), 0.6)


WHISPER = '{"segments": [{"start": 0, "end": 1, "text": "a b", "words": [{"start": 0, "end": 0.5, "word": "a"}]}]}'

TARGETS = (
    Target("sound", seeds.sounds, _audio, (mutation.change_wav, *BYTES), and_any(hostile.sounds), 2.0),
    Target("sound from a pipe", lambda: [hostile.wav(), hostile.wav(tag=3, bits=32)], _pipe, (mutation.change_wav, *BYTES), and_any(hostile.sounds)),
    Target("sound from a client", lambda: [hostile.wav()], _sent_sound, BYTES, and_any(hostile.sounds), 0.3),
    *(
        Target(f"track {suffix}", lambda suffix=suffix: [seeds.track(suffix)], _track(suffix), JSON if suffix.endswith("json") else TEXT, and_any(more, long_table(suffix)))
        for suffix, more in (
            (".json", hostile.json_text), (".keys.json", hostile.json_text), (".csv", hostile.tables), (".txt", hostile.tables),
            (".textgrid", hostile.textgrid), (".rttm", hostile.tables),
        )
    ),
    Target("track list", texts('[{"start": 0, "end": 0.5, "label": "happy", "intensity": 0.5}]', '{"duration": 1, "segments": [{"start": 0, "end": 1, "label": "sad"}]}'), _track(".json"), JSON),
    Target("emotion option", texts("happy:0.8", "joy", "track.csv"), _emotion_option, TEXT, and_any(), 0.5),
    Target("turns .rttm", texts("SPEAKER a 1 0.0 0.5 <NA> <NA> ann <NA> <NA>\n;; x\nSPEAKER a 1 0.4 0.2 <NA> <NA> bob 0.9 <NA>\n"), _turns, TEXT, and_any(hostile.tables), 0.5),
    Target("conversation", lambda: [seeds.conversation()], _conversation, JSON, and_any(hostile.json_text)),
    Target("words .vtt", texts("WEBVTT\n\n00:00.000 --> 00:01.500\n<00:00.500>a <c>b</c>\n"), _words(".vtt"), TEXT, and_any(long_table(".vtt")), 0.5),
    Target("words .srt", texts("1\n00:00:00,000 --> 00:00:01,000\na b\n\n2\n00:00:01,000 --> 00:00:02,000\nc\n"), _words(".srt"), TEXT, and_any(long_table(".srt")), 0.5),
    Target("words .textgrid", lambda: [seeds.track(".textgrid")], _words(".textgrid"), TEXT, and_any(hostile.textgrid), 0.5),
    Target("words .ctm", texts("a 1 0.1 0.5 word 0.9\n;; x\na 1 0.7 0.5 other\n"), _words(".ctm"), TEXT, and_any(long_table(".ctm")), 0.5),
    Target("words .json", texts(WHISPER, '{"word_segments": [{"start": 0, "end": 1, "word": "a"}]}', '{"chunks": [{"timestamp": [0, null], "text": "a"}]}', '{"transcription": [{"offsets": {"from": 0, "to": 900}, "text": "a"}]}'), _words(".json"), JSON, and_any(hostile.json_text)),
)  # fmt: skip
"""These readers."""
