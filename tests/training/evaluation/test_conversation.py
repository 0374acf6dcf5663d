"""Conversations of held-out speakers: their truth, and answers read out of tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.conversation import _answer, evaluate_conversation, make_talks


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Three speakers, each with two clips of two emotions."""
    made, time = [], np.arange(16_000) / 16_000
    for speaker, pitch in (("a", 120), ("b", 190), ("c", 260)):
        for emotion in ("happy", "angry"):
            for take in range(2):
                path = tmp_path / f"{speaker}_{emotion}_{take}.wav"
                soundfile.write(path, 0.2 * np.sin(2 * np.pi * (pitch + take) * time), 16_000)
                made.append(Clip("made", path, "en", speaker, "f", emotion, "", "", 1.0, "test"))
    return made


def test_truth_fits_the_sound_and_every_speaker_keeps_one_mood(clips: list[Clip]) -> None:
    changes = {"clean": lambda samples, rng: samples, "quiet": lambda samples, rng: 0.5 * samples}
    talks = list(make_talks(clips, "made", 4, changes, moods=True))
    assert [talk.condition for talk in talks] == ["clean", "quiet", "clean", "quiet"]
    for talk in talks:
        assert len(talk.turns.speakers) == 2
        assert talk.turns.duration == talk.sound.duration
        moods = {name: {category for who, *_, category in talk.pieces if who == name} for name in talk.turns.speakers}
        assert all(len(mood) == 1 for mood in moods.values())
        spoken = sum(end - start for _, start, end, _ in talk.pieces)
        assert sum(map(talk.turns.seconds, talk.turns.speakers)) == pytest.approx(spoken, rel=0.1)


def test_numbers_of_speakers_change_and_the_draw_is_the_same_again(clips: list[Clip]) -> None:
    changes = {"clean": lambda samples, rng: samples}
    first, again = (list(make_talks(clips, "made", 3, changes, moods=False)) for _ in range(2))
    assert [len(talk.turns.speakers) for talk in first] == [2, 2, 3]
    assert all(np.array_equal(a.sound.samples, b.sound.samples) for a, b in zip(first, again, strict=True))


def test_the_answer_of_a_turn_is_its_tracks_and_even_where_nobody_was_found() -> None:
    track = constant_track("happy", 4.0)
    assert CATEGORIES[int(_answer(track, 1.0, 2.0).argmax())] == "happy"
    assert np.ptp(_answer(None, 1.0, 2.0)) == 0.0
    assert np.ptp(_answer(track, 9.0, 10.0)) == 0.0


def test_a_folder_without_the_corpora_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    head = "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split\n"
    (tmp_path / "audio" / "manifest.csv").write_text(head)
    with pytest.raises(InputError, match="none of librispeech"):
        evaluate_conversation(tmp_path)
