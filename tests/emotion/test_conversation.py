"""A conversation: a track per speaker on one clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.audio import SAMPLE_RATE, Audio
from sedtalker.emotion.conversation import (
    CHANGED_MEANWHILE,
    FRAME_LENGTH,
    Conversation,
    FrameDiarizer,
    averaged,
    emotions_by_speaker,
    joined,
    own_frames,
    scattered,
    shared_bursts,
    speaker_frames,
    speaks_alone,
)
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.inference import FrameEmotions
from sedtalker.emotion.track import CATEGORIES, Burst
from sedtalker.errors import InputError
from sedtalker.speakers.separation import Speakers, by_channels, cut_apart, sound_of
from sedtalker.speakers.turns import Turn, Turns
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures, analysis_of
from tests.support.talk import speakers_of, talk

MOST = 150
"""Frames of the recordings of the property tests: three seconds."""
SPANS = st.lists(st.tuples(st.integers(0, 2990), st.integers(1, 1500)), min_size=1, max_size=5)
"""Turns in milliseconds: beginning and duration."""


def turns_in(spans: list[tuple[int, int]]) -> Turns:
    return Turns(tuple(Turn(a / 1000, min((a + n) / 1000, 3.0), "ann") for a, n in spans), 3.0)


def numbered(sound: Audio) -> FrameEmotions:
    """Emotions that say which sample each frame begins with."""
    first = sound.samples.reshape(-1, FRAME_LENGTH)[:, 0]
    posterior = np.stack([first, 1 - first], 1).astype(np.float32)
    return FrameEmotions(posterior, first, np.ones(len(first), bool), first, None)


@settings(max_examples=80, deadline=None)
@given(SPANS)
def test_frames_go_back_to_where_they_came_from(spans: list[tuple[int, int]]) -> None:
    turns = turns_in(spans)
    sound = Audio((np.arange(MOST * FRAME_LENGTH) // FRAME_LENGTH / MOST).astype(np.float32))
    own = own_frames(turns, "ann", MOST)
    assert (np.diff(own) > 0).all()
    part = numbered(joined(sound, own))
    whole = scattered(part, own, MOST)
    np.testing.assert_array_equal(whole.intensity[own], np.float32(own / MOST))
    np.testing.assert_array_equal(whole.posterior[own], part.posterior)
    others = np.setdiff1d(np.arange(MOST), own)
    assert whole.speech[own].all()
    assert not whole.speech[others].any()
    assert whole.boundary is not None
    begins = [frame for frame in others if frame + 1 in own and (own < frame).any()]
    assert set(np.flatnonzero(whole.boundary == CHANGED_MEANWHILE)) - set(own) == set(begins)
    assert not whole.boundary[np.setdiff1d(others, begins)].any()
    np.testing.assert_array_equal(whole.boundary[own], part.boundary)
    np.testing.assert_allclose(whole.posterior.sum(1), 1.0, atol=1e-6)
    spoken = turns.active("ann", (np.arange(MOST) + 0.5) / 50)
    assert set(np.flatnonzero(spoken)) <= set(own)


def test_a_recording_that_ends_within_a_frame() -> None:
    sound = Audio(np.ones(3 * FRAME_LENGTH + 7, np.float32))
    own = own_frames(Turns((Turn(0.05, 0.065, "ann"),), sound.duration), "ann", 4)
    assert own.tolist() == [0, 1, 2, 3]
    assert len(joined(sound, own).samples) == 4 * FRAME_LENGTH
    assert joined(sound, np.array([3, 9])).samples.sum() == 7


def test_who_never_speaks_is_neutral_and_no_network_is_asked() -> None:
    sound = Audio(np.zeros(SAMPLE_RATE, np.float32))
    speakers = Speakers(sound, Turns((), 1.0, ("eve",)), {"eve": sound})

    frames = speaker_frames(speakers, "eve", cast(FrameDiarizer, SimpleNamespace(labels=CATEGORIES)))
    assert frames.posterior.shape == (50, 7)
    assert (frames.posterior[:, 0] == 1).all()
    assert not frames.speech.any()


def test_short_pauses_stay_between_the_turns_of_a_speaker() -> None:
    turns = Turns((Turn(0.5, 0.6, "ann"), Turn(2.0, 2.1, "ann")), 3.0)
    own = own_frames(turns, "ann", MOST)
    assert own.tolist() == [*range(10, 45), *range(84, 121)]  # from .3 s before to .3 s after


def test_of_one_speaker_it_is_the_track_of_the_recording(diarizer: Diarizer) -> None:
    alone = speakers_of((Turn(0.5, 3.0, "ann"), Turn(4.0, 7.5, "ann")))
    found, plain = diarizer.conversation("", alone).tracks["ann"], diarizer(alone.mixed)
    np.testing.assert_array_equal(found.posterior, plain.posterior)
    np.testing.assert_array_equal(found.intensity, plain.intensity)
    assert found.segments() == plain.segments()


def test_whose_turns_are_given_alone_is_not_judged_by_the_speech_of_others(diarizer: Diarizer) -> None:
    speakers = speakers_of((Turn(0.5, 2.5, "ann"),))
    found = diarizer.conversation("", speakers).tracks["ann"]
    quieter = speakers.mixed.samples.copy()
    quieter[round(4.0 * SAMPLE_RATE) :] *= 0.3
    again = diarizer.conversation("", cut_apart(Audio(quieter), speakers.turns)).tracks["ann"]
    np.testing.assert_array_equal(again.recognised, found.recognised)
    assert found.speech is not None
    assert not found.speech[150:].any()


def test_a_recording_is_of_one_speaker_where_nearly_all_its_speech_is_theirs() -> None:
    speech = np.zeros(500, bool)
    speech[50:450] = True
    assert speaks_alone(Turns((Turn(1.0, 8.7, "ann"),), 10.0), speech)
    assert not speaks_alone(Turns((Turn(1.0, 6.0, "ann"),), 10.0), speech)
    assert not speaks_alone(Turns((Turn(1.0, 8.7, "ann"), Turn(8.7, 9.0, "bob")), 10.0), speech)
    assert not speaks_alone(Turns((Turn(1.0, 8.7, "ann"),), 10.0), np.zeros(500, bool))


@settings(max_examples=60, deadline=None)
@given(SPANS, SPANS, st.booleans())
def test_a_burst_belongs_to_whoever_speaks_most_of_it(
    turns: list[tuple[int, int]], spans: list[tuple[int, int]], second: bool
) -> None:
    bursts = tuple(Burst(a / 1000, (a + n) / 1000, "laugh", 0.9) for a, n in spans)
    bob = (Turn(0.0, 1.5, "bob"),) if second else ()
    talk = Turns((*turns_in(turns).turns, *bob), 3.0)
    owned = shared_bursts(bursts, talk, alone=False)
    assert set(owned) == set(talk.speakers)
    assert sum(map(len, owned.values())) <= len(bursts)
    for who, theirs in owned.items():
        for burst in theirs:
            shares = {n: sum(max(0.0, min(e, burst.end) - max(s, burst.start)) for s, e in talk.of(n)) for n in owned}
            assert shares[who] == max(shares.values()) > 0
    single = turns_in(turns)
    assert shared_bursts(bursts, single, alone=True) == {"ann": bursts}


def test_bursts_are_those_of_ones_own_channel_or_ones_share_of_the_recording() -> None:
    one = speakers_of()
    length = len(one.mixed.samples) // FRAME_LENGTH

    def features_of(sound: Audio) -> SpeechFeatures:
        return analysis_of(sound).features(np.zeros((FRAME_CLOCK.frames(sound.duration), 0), np.float32))

    def bursts_of(features: SpeechFeatures, frames: FrameEmotions | None = None) -> tuple[Burst, ...]:
        level = float(features.mel.mean())  # says whose sound it is
        return Burst(1.0, 1.5, "laugh", level), Burst(4.0, 4.5, "sigh", level)

    def frames_of(sound: Audio, features: SpeechFeatures) -> FrameEmotions:
        return numbered(Audio(np.pad(sound.samples, (0, -len(sound.samples) % FRAME_LENGTH))))

    def found(speakers: Speakers) -> tuple[Turns, dict[str, tuple[Burst, ...]]]:
        asked = SimpleNamespace(encoder=features_of, frames=frames_of, bursts=bursts_of, labels=("a", "b"))
        speakers, parts = emotions_by_speaker(speakers, cast(FrameDiarizer, asked))
        assert {len(frames.posterior) for frames, _ in parts.values()} == {length}
        return speakers.turns, {name: bursts for name, (_, bursts) in parts.items()}

    laugh, sigh = bursts_of(features_of(one.mixed))
    assert found(one) == (one.turns, {"ann": (laugh,), "bob": (sigh,)})
    faint = Audio(0.4 * one.mixed.samples)  # 8 dB below
    for bob, own in ((one.mixed, True), (faint, False)):
        channels = {"ann": one.mixed, "bob": bob}
        turns, bursts = found(replace(one, channels=channels))
        assert bursts["ann"] == bursts_of(features_of(one.mixed))
        assert bursts["bob"] == (bursts_of(features_of(bob)) if own else ())
        assert turns.of("ann") == [(0.5, 3.0), (4.0, 4.5), (5.5, 7.5)]
        assert turns.of("bob") == ([(1.0, 1.5), (3.5, 6.0)] if own else [(3.5, 6.0)])


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer.from_pretrained()


@pytest.fixture(scope="module")
def found(diarizer: Diarizer) -> Conversation:
    return diarizer.conversation("", speakers_of())


def test_each_speaker_has_a_track_as_long_as_the_recording(found: Conversation) -> None:
    assert found.names == ("ann", "bob")
    assert {(len(track), track.duration) for track in found.tracks.values()} == {(400, 8.0)}
    for name, track in found.tracks.items():
        assert track.speech is not None
        own = np.zeros(400, bool)
        own[own_frames(found.turns, name, 400)] = True
        assert not track.speech[~own].any()
        assert track.speech.any()


def test_speakers_may_be_a_number_and_a_path(diarizer: Diarizer, tmp_path: Path) -> None:
    given = speakers_of()
    given.turns.save(tmp_path / "who.rttm")
    assert diarizer.conversation(given.mixed, tmp_path / "who.rttm").names == given.names
    with pytest.raises(InputError, match="nobody was found to speak"):
        diarizer.conversation(Audio(np.zeros(SAMPLE_RATE, np.float32)), 2)
    with pytest.raises(InputError, match="nobody speaks"):
        diarizer.conversation("", cut_apart(given.mixed, Turns((), given.mixed.duration)))


def test_segments_of_all_speakers_are_in_order_of_time(found: Conversation) -> None:
    listed = found.segments()
    assert {name for name, _ in listed} == {"ann", "bob"}
    assert [segment.start for _, segment in listed] == sorted(segment.start for _, segment in listed)
    assert sum(len(track.segments()) for track in found.tracks.values()) == len(listed)


def test_moments_of_speech_and_a_silent_recording_are_no_trouble(diarizer: Diarizer) -> None:
    end = 8.0
    moments = (Turn(1.0, 1.001, "a"), Turn(end - 0.001, end, "b"), Turn(2.0, 2.05, "c"), Turn(3.0, 3.08, "c"))
    made = diarizer.conversation("", speakers_of(moments))
    silence = Audio(np.zeros(SAMPLE_RATE, np.float32))
    turns = Turns((Turn(0.2, 0.8, "d"),), 1.0, ("d", "eve"))
    quiet = diarizer.conversation(
        silence, Speakers(silence, turns, {n: sound_of(silence, turns, n) for n in ["d", "eve"]})
    )
    for track in (*made.tracks.values(), *quiet.tracks.values()):
        assert np.isfinite(track.posterior).all()
        np.testing.assert_allclose(track.posterior.sum(1), 1.0, atol=1e-5)
    assert quiet.segments() == []


def test_who_has_a_channel_is_judged_by_their_own_speech_alone(diarizer: Diarizer) -> None:
    """Another's turns, of whatever sound, change nothing as long as they do not overlap."""
    speakers = speakers_of()
    quieter = speakers.mixed.samples.copy()
    quieter[round(3.6 * SAMPLE_RATE) : round(5.3 * SAMPLE_RATE)] *= 0.1
    found, again = (
        diarizer.conversation("", by_channels([sound_of(mixed, speakers.turns, n) for n in speakers.names], "channels"))
        for mixed in (speakers.mixed, Audio(quieter))
    )
    ann, bob = found.names
    np.testing.assert_array_equal(again.tracks[ann].recognised, found.tracks[ann].recognised)
    assert (again.tracks[bob].recognised != found.tracks[bob].recognised).any()


def test_in_one_channel_the_emotion_is_averaged_with_the_recordings_where_nobody_else_talks() -> None:
    rng, talking = np.random.default_rng(0), Turns((Turn(0.0, 2.0, "ann"), Turn(1.5, 3.0, "bob")), 3.0)
    own, whole = (
        FrameEmotions(*(rng.dirichlet(np.ones(7), 150).astype(np.float32), rng.random(150, np.float32)), speech)
        for speech in (np.arange(150) < 100, np.ones(150, bool))
    )
    made = averaged(own, whole, talking, "ann")
    np.testing.assert_array_equal(made.posterior[75:], own.posterior[75:])
    np.testing.assert_array_equal(made.intensity[75:], own.intensity[75:])
    np.testing.assert_allclose(made.intensity[:75], (own.intensity + whole.intensity)[:75] / 2, atol=1e-6)
    logs = [np.log(frames.posterior[:75, 1:] / frames.posterior[:75, :1]) for frames in (made, own, whole)]
    np.testing.assert_allclose(logs[0], (logs[1] + logs[2]) / 2, atol=1e-3)
    np.testing.assert_allclose(made.posterior.sum(1), 1.0, atol=1e-6)


def test_renaming_and_no_merging() -> None:
    made = talk()
    renamed = made.renamed({"ann": "bob", "bob": "ann"})
    assert renamed.names == ("bob", "ann")
    assert renamed.tracks["bob"] is made.tracks["ann"]
    with pytest.raises(InputError, match="two speakers get one name"):
        made.renamed({"ann": "bob"})


def test_a_loaded_conversation_takes_its_sound_from_the_recording(tmp_path: Path) -> None:
    made = talk()
    made.save(tmp_path / "talk.conversation.json")
    silent = Conversation.load(tmp_path / "talk.conversation.json")
    assert silent.duration == made.duration
    assert not silent.speakers.sounds["ann"].samples.any()
    heard = Conversation.load(tmp_path / "talk.conversation.json", made.speakers.mixed)
    np.testing.assert_array_equal(heard.speakers.sounds["ann"].samples, made.speakers.sounds["ann"].samples)
    with pytest.raises(InputError, match=r"is of 8\.00 s, the recording of 1\.00 s"):
        Conversation.load(tmp_path / "talk.conversation.json", Audio(np.zeros(SAMPLE_RATE, np.float32)))
