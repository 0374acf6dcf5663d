"""Crops of talking: what an extra of the package is needed for comes before minutes of features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.training.motion import crops
from sedtalker.training.motion.spoken_motion import measure_lips


class NoTalker:
    """A tracked talker without clips."""

    def __init__(self) -> None:
        self.clips: dict[str, Any] = {}


@pytest.mark.parametrize("lacking", ["revoice", "read_speech_phones"])
def test_a_missing_extra_is_said_before_features_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    def missing(*args: object, **settings: object) -> None:
        raise InputError("pip install")

    monkeypatch.setattr(crops, "read_talker", lambda *given: NoTalker())
    monkeypatch.setattr(crops, "read_speech_clips", lambda data: [])
    monkeypatch.setattr(crops, "revoice", lambda *given, **settings: [])
    monkeypatch.setattr(crops, lacking, missing)
    monkeypatch.setattr(crops, "open_features", lambda *given, **settings: pytest.fail("features were computed"))
    face = load_face()
    with pytest.raises(InputError, match="pip install"):
        crops.TalkingCrops(crops.CropConfig(), tmp_path, tmp_path, face, measure_lips(face), 2)


@pytest.mark.parametrize(("crop", "named"), [("read_crops", "speechocean762 or ljspeech"), ("pause_crops", "esc10")])
def test_crops_that_no_recording_is_there_for_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crop: str, named: str
) -> None:
    monkeypatch.setattr(crops, "read_talker", lambda *given: NoTalker())
    monkeypatch.setattr(crops, "read_speech_clips", lambda data: [])
    monkeypatch.setattr(crops, "open_features", lambda *given, **settings: pytest.fail("features were computed"))
    config = crops.CropConfig(**{"voices": 0, "read_crops": 0, "pause_crops": 0, crop: 1})
    face = load_face()
    with pytest.raises(InputError, match=f"nothing of {named} in it"):
        crops.TalkingCrops(config, tmp_path, tmp_path, face, measure_lips(face), 2)
