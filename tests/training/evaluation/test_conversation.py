"""Conversations of held-out speakers: their truth, and answers read out of tracks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from sedtalker.audio import readable
from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.emotion.conversation import Conversation
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import CATEGORIES, Burst
from sedtalker.errors import InputError
from sedtalker.progress import no_progress
from sedtalker.speakers.separation import Speakers
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation import conversation as measured
from sedtalker.training.evaluation.conversation import _answer, _while_others_talk, evaluate_conversation, make_talks
from sedtalker.training.evaluation.few import read_corpus


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


def test_recordings_that_cannot_be_read_are_said_and_left_out(
    clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    for clip in clips[1:5]:  # all but one of the first speaker, and one of the second
        clip.path.write_bytes(b"no sound")
    (talk,) = make_talks(clips[:8], "made", 1, {"clean": lambda samples, rng: samples}, moods=False)
    assert len(talk.turns.speakers) == 2
    assert "a_happy_1.wav" in caplog.text
    clips[0].path.write_bytes(b"no sound")
    assert not list(make_talks(clips[:8], "made", 1, {"clean": lambda samples, rng: samples}, moods=False))
    assert [clip for clip, _ in readable(clips)] == clips[5:]
    assert caplog.text.count("a_happy_0.wav") == 1, "each recording is named once"


def test_corpora_with_too_few_recordings_to_learn_from_are_left_out(
    clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    one_each = [replace(clip, corpus="ravdess") for clip in clips[::2]]
    diarizer = SimpleNamespace(speech=lambda sound: [sound])
    assert read_corpus(diarizer, "ravdess", one_each, 25, no_progress) is None  # type: ignore[arg-type]
    assert "ravdess: needs two speakers" in caplog.text


def test_recordings_of_which_none_can_be_read_are_one_line(tmp_path: Path) -> None:
    head = "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split\n"
    (tmp_path / "audio/ravdess").mkdir(parents=True)
    rows = [f"ravdess,{name}.wav,en,{name},f,happy,,,1.0,test" for name in "abc"]
    (tmp_path / "audio/manifest.csv").write_text(head + "\n".join(rows) + "\n")
    for name in "abc":
        (tmp_path / f"audio/ravdess/{name}.wav").write_bytes(b"no sound")
    with pytest.raises(InputError, match="not a recording of ravdess can be read"):
        evaluate_conversation(tmp_path, talks=2)


def test_the_answer_of_a_turn_is_its_tracks_and_even_where_nobody_was_found() -> None:
    track = constant_track("happy", 4.0)
    assert CATEGORIES[int(_answer(track, 1.0, 2.0).argmax())] == "happy"
    assert np.ptp(_answer(None, 1.0, 2.0)) == 0.0
    assert np.ptp(_answer(track, 9.0, 10.0)) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shown", "expected"),
    [("own", (1, 0, 0)), ("other", (0, 1, 0)), ("both", (1, 1, 0)), ("late", (0, 0, 1)), ("unseen", (0, 0, 0))],
)
def test_laughs_count_on_the_face_of_whoever_laughs(
    clips: list[Clip], shown: str, expected: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A diarizer that knows when a laugh begins, which is louder than all, and gives it to somebody."""
    monkeypatch.setattr(measured, "_while_others_talk", lambda *_: 2.0)
    monkeypatch.setattr(measured, "LAUGH_LEVEL", 50.0)
    talks = list(make_talks(clips, "made", 2, {"clean": lambda samples, rng: samples}, moods=False))
    minutes = sum(talk.sound.duration for talk in talks) / 60 / len(talks)

    class Knowing:
        def conversation(self, recording: str, speakers: Speakers) -> Conversation:
            own, other = sorted(speakers.names, key=lambda name: -np.abs(speakers.channels[name].samples).max())
            found = Burst(9.0, 9.9, "laugh", 0.9) if shown == "late" else Burst(2.1, 3.0, "laugh", 0.9)
            found = replace(found, kind="other") if shown == "unseen" else found
            owners = {"other": (other,), "both": (own, other)}.get(shown, (own,))
            neutral = constant_track("neutral", speakers.mixed.duration)
            tracks = {who: replace(neutral, bursts=(found,) if who in owners else ()) for who in speakers.names}
            return Conversation(speakers, tracks)

    figures = measured._laughing(Knowing(), iter(talks), clips[:1])  # type: ignore[arg-type]
    assert tuple(figures[key] for key in ("laughs_shown", "laughs_misplaced")) == expected[:2]
    assert figures["laughs_false"] == pytest.approx(expected[2] / minutes)


def test_who_laughs_is_silent_while_another_talks(clips: list[Clip]) -> None:
    changes = {"clean": lambda samples, rng: samples}
    (talk,) = make_talks(clips, "made", 1, changes, moods=False)
    names = talk.turns.speakers
    for draw in range(20):
        start = _while_others_talk(talk, 0, 0.5, np.random.default_rng(draw))
        assert start is not None
        times = start + np.arange(0.005, 0.49, 0.01)
        assert not talk.turns.active(names[0], times).any()
        assert talk.turns.active(names[1], times[:1]).all()
    assert _while_others_talk(talk, 0, 1e3, np.random.default_rng(0)) is None


def test_weights_of_another_kind_are_refused_before_any_conversation_is_made(
    clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = [replace(clip, corpus=name, split=split) for name, split in measured.SPEAKING.items() for clip in clips]
    monkeypatch.setattr(measured, "listed_clips", lambda data: spoken)
    monkeypatch.setattr(measured, "make_talks", lambda *_, **__: pytest.fail("a conversation was made"))
    with pytest.raises(InputError, match="give one of kind diarizer"):
        evaluate_conversation(tmp_path, str(builtin_checkpoint("decoder")))


def test_a_folder_without_the_corpora_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    head = "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split\n"
    (tmp_path / "audio" / "manifest.csv").write_text(head)
    with pytest.raises(InputError, match="none of librispeech"):
        evaluate_conversation(tmp_path)


def test_what_no_conversation_was_made_for_has_no_figure() -> None:
    assert measured._feeling(None, iter(())) == {}  # type: ignore[arg-type]
    assert measured._laughing(None, iter(()), []) == {}  # type: ignore[arg-type]
