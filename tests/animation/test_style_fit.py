"""A style found in a clip, with a decoder whose styles are plain factors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.conditioning import Style
from sedtalker.animation.style import fit_style, parse_style, read_style, write_style
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures

FRAMES = 120


class Talker:
    """Opens the jaw more by ``articulation`` and purses the lips more by ``rounding``."""

    shapes = ARKIT_52

    def __init__(self, styles: tuple[str, ...] = ("articulation", "rounding")) -> None:
        self.styles = styles
        self.tracks: list[EmotionTrack] = []

    def predict(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> np.ndarray:
        style = style or Style()
        self.tracks.append(track)
        time, motion = np.arange(len(features)) / 50, np.zeros((len(features), 52), np.float32)
        motion[:, INDEX["jawOpen"]] = (0.3 + 0.2 * style.articulation) * np.sin(9 * time) ** 2
        motion[:, INDEX["mouthPucker"]] = (0.3 + 0.2 * style.rounding) * np.sin(5 * time) ** 2
        return motion


def spoken(count: int = FRAMES) -> SpeechFeatures:
    speech = np.arange(FRAMES) < count
    return SpeechFeatures(FRAME_CLOCK, *(np.zeros((FRAMES, n), np.float32) for n in (4, 80, 4)), speech)


@pytest.mark.parametrize("true", [Style(articulation=0.6), Style(articulation=-0.5, rounding=0.5), Style()])
def test_the_style_of_a_clip_is_found(true: Style) -> None:
    talker = Talker()
    found, left = fit_style(talker, spoken(), talker.predict(spoken(), None, true), load_face())
    assert found.articulation == pytest.approx(true.articulation, abs=0.1)
    assert found.rounding == pytest.approx(true.rounding, abs=0.15)
    assert (found.dynamics, found.crispness) == (0.0, 0.0)
    assert left < 0.25


def test_a_clip_beyond_any_style_gives_the_end_of_the_scale() -> None:
    talker = Talker()
    motion = talker.predict(spoken(), None, Style(articulation=2.0))
    found, left = fit_style(talker, spoken(), motion, load_face())
    assert found.articulation == pytest.approx(1.0, abs=0.02)
    assert 0.2 < left < 0.8


def test_only_speech_counts() -> None:
    talker, features = Talker(), spoken(60)
    motion = talker.predict(features, None, Style(articulation=0.5))
    motion[60:, INDEX["jawOpen"]] = 1.0
    assert fit_style(talker, features, motion, load_face())[0].articulation == pytest.approx(0.5, abs=0.1)


def test_the_clip_is_taken_as_neutral_unless_its_track_is_given() -> None:
    talker = Talker()
    motion = talker.predict(spoken(), None)
    talker.tracks.clear()
    fit_style(talker, spoken(), motion, load_face())
    assert all(not track.intensity.any() and (track.posterior[:, 0] == 1).all() for track in talker.tracks)
    assert talker.tracks[0].duration == pytest.approx(FRAMES / 50, abs=0.02)
    assert len(talker.tracks) <= 82, "each is a run of the decoder"
    talker.tracks.clear()
    given = constant_track("sad:0.4", 2.0)
    fit_style(talker, spoken(), motion, load_face(), given)
    assert all(track is given for track in talker.tracks)


def test_half_a_second_of_speech_is_needed() -> None:
    talker = Talker()
    motion = talker.predict(spoken(), None)
    fit_style(talker, spoken(25), motion, load_face())
    with pytest.raises(InputError, match="half a second of speech"):
        fit_style(talker, spoken(24), motion, load_face())
    with pytest.raises(InputError, match="has no styles"):
        fit_style(Talker(()), spoken(), motion, load_face())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("volume=1", "no 'volume'"),
        ("rounding=1.01", "from -1 to 1"),
        ("rounding=x", "'rounding=x' is not NAME=NUMBER"),
        ("rounding=0.5,", "^style rounding=0.5,: '' is not NAME=NUMBER"),
        ("loud", "use one of nat"),
    ],
)
def test_each_refusal_of_a_style_says_why(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_style(text)
    assert parse_style("rounding=1,dynamics=-1") == Style(rounding=1.0, dynamics=-1.0)


@pytest.mark.parametrize("content", ["", "[]", '{"style": {}}', '{"format": "sedtalker-style"}',
                                     '{"format": "other", "style": {}}', '{"format": "sedtalker-style", "style": 3}',
                                     '{"format": "sedtalker-style", "style": {"rounding": "x"}}'])  # fmt: skip
def test_other_files_are_no_styles(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"no style file|is no number|not valid JSON"):
        read_style(tmp_path / "a.json")


def test_a_style_file_says_what_it_is(tmp_path: Path) -> None:
    write_style(tmp_path / "a.json", Style(rounding=0.5))
    stored = json.loads((tmp_path / "a.json").read_text())
    assert (stored["format"], stored["version"]) == ("sedtalker-style", 1)
    assert stored["style"] == {"articulation": 0.0, "rounding": 0.5, "dynamics": 0.0, "crispness": 0.0}
