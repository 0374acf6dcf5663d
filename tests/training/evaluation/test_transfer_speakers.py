"""Joined recordings of unseen speakers, and the voices that are enrolled."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from sedtalker.audio import Audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.inference import FrameEmotions
from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.clips import joined_scores
from sedtalker.training.evaluation.transfer_scores import OrdinaryVoices

RATE = 16_000


def clip(folder: Path, name: str, emotion: str, seconds: float = 0.6, speaker: str = "s", pitch: float = 140) -> Clip:
    t = np.arange(int(seconds * RATE)) / RATE
    sound = 0.2 * sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 20))
    path = folder / f"{name}.wav"
    soundfile.write(path, np.concatenate([np.zeros(RATE // 5), sound, np.zeros(RATE // 5)]), RATE)
    return Clip("ravdess", path, "en", speaker, "f", emotion, "normal", "", seconds, "test")


def calm(audio: Audio) -> FrameEmotions:
    """Everything is neutral speech."""
    frames = -(-len(audio.samples) // 320)
    posterior = np.tile(np.eye(len(CATEGORIES), dtype=np.float32)[0] * 0.94 + 0.01, (frames, 1))
    return FrameEmotions(posterior, np.zeros(frames, np.float32), np.ones(frames, bool))


def test_joined_recordings_of_unseen_corpora_alone(tmp_path: Path) -> None:
    clips = [clip(tmp_path, f"{e}{n}", e) for e in ("neutral", "happy", "sad") for n in range(2)]
    found = joined_scores(calm, clips, ["ravdess", "tess"], count=4)
    assert set(found) == {
        *(f"eder{n}{kind}" for n in "47" for kind in ("", "_speech", "_neutral")),
        *("boundary_f1", "frame_macro_f1", "eder7_shown", "boundary_f1_shown"),
    }

    assert 0.0 < found["eder4_speech"] < 1.0, "always neutral: right where the clips are"
    assert joined_scores(calm, clips, ["tess"]) == {}, "ravdess was trained on"


def test_a_clip_is_never_enrolled_for_itself_nor_for_others(tmp_path: Path) -> None:
    diarizer = Diarizer.from_pretrained()
    heard: list[float] = []
    encoder = diarizer.encoder

    def listening(audio: Audio) -> Any:
        heard.append(audio.duration)
        return encoder(audio)

    two = SimpleNamespace(network=diarizer.network, encoder=listening)
    own, other = clip(tmp_path, "a", "neutral"), clip(tmp_path, "b", "calm", 0.8, pitch=170)
    stranger, angry = clip(tmp_path, "c", "neutral", speaker="t"), clip(tmp_path, "d", "angry")
    voices = OrdinaryVoices(two, [own, other, stranger, angry])  # type: ignore[arg-type]
    with_both, with_other = voices.of(angry), voices.of(own)
    assert with_both is not None
    assert with_other is not None
    assert len(heard) == 2, "each clip is heard once"
    assert float(with_both.weight[..., 0].sum()) > float(with_other.weight[..., 0].sum()) > 0
    assert voices.of(stranger) is None, "their only clip is the one that is scored"


def test_a_minute_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [Clip("x", tmp_path / f"{n}.wav", "en", "s", "f", "neutral", "", "", 25.0, "test") for n in range(9)]
    voices = OrdinaryVoices(SimpleNamespace(), clips)  # type: ignore[arg-type]
    asked: list[Clip] = []
    monkeypatch.setattr(voices, "_voice", asked.append)
    assert voices.of(clips[0]) is None
    assert asked == clips[1:4]
