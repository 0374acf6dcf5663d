"""Tracks written and read back, short lists by hand, and what is refused."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.formats import constant_track, densify
from sedtalker.emotion.formats.files import parse_emotion, read_track, suffixes, track_formats, write_track
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.formats.keys import LIST
from sedtalker.emotion.formats.labels import segments_from_rttm, segments_to_rttm
from sedtalker.emotion.track import CATEGORIES, Burst, EmotionTrack, Segment
from sedtalker.errors import InputError

HAND = [
    {"start": 0.0, "end": 2.0, "label": "happy", "intensity": 0.8},
    {"start": 2.0, "end": 4.0, "label": "angry", "intensity": 0.4},
]


def random_track(seed: int, frames: int, speech: bool) -> EmotionTrack:
    rng = np.random.default_rng(seed)
    return EmotionTrack(
        times=np.cumsum(rng.uniform(1e-3, 0.1, frames)),
        posterior=rng.dirichlet([0.5] * 7, frames).astype(np.float32),
        intensity=rng.random(frames, np.float32),
        valence=rng.uniform(-1, 1, frames).astype(np.float32),
        arousal=rng.uniform(-1, 1, frames).astype(np.float32),
        duration=float(rng.uniform(0, 100)),
        speech=rng.random(frames) < 0.5 if speech else None,
        extras={name: rng.random(frames, np.float32) for name in ("relief", 'a "b"', "été")[: seed % 4]},
        bursts=(Burst(0.25, 0.75, "laugh", 0.875),) if seed % 2 else (),
    )


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 60), st.booleans())
def test_json_is_lossless(seed, frames, speech):
    track = random_track(seed, frames, speech)
    text = track_to_json(track)
    back = track_from_json(text)
    for name in ("times", "posterior", "intensity", "valence", "arousal"):
        assert np.array_equal(getattr(track, name), getattr(back, name))
        assert getattr(track, name).dtype == getattr(back, name).dtype
    assert (back.labels, back.duration) == (track.labels, track.duration)
    assert (back.speech is None) == (track.speech is None)
    assert list(back.extras) == list(track.extras)
    assert all(np.array_equal(back.extras[name], track.extras[name]) for name in track.extras)
    assert back.bursts == track.bursts
    assert track_to_json(back) == text


@pytest.mark.parametrize("suffix", sorted(track_formats()))
def test_what_a_format_has_no_place_for_is_said_and_nothing_else(tmp_path, caplog, suffix):
    plain = densify([Segment(0.0, 2.0, "sad", 0.6, 1.0)], 2.0)
    full = replace(plain, extras={"relief": plain.intensity}, bursts=(Burst(0.5, 1.0, "sigh", 0.9),))
    path = tmp_path / f"t{suffix}"
    write_track(path, plain)
    assert caplog.messages == []
    write_track(path, full)
    back = read_track(path, 2.0)
    lost = [n for n, kept in (("1 vocal burst", back.bursts), ("1 further curve", back.extras)) if not kept]
    said = f"{suffix} has no place for {' and '.join(lost)} of the track: left out; .json keeps all"
    assert caplog.messages == ([said] if lost else [])


@pytest.mark.parametrize("suffix", sorted(track_formats()))
def test_a_track_without_speech_comes_back_as_neutral(tmp_path, caplog, suffix):
    silent = replace(parse_emotion("neutral", 2.0), speech=np.zeros(100, bool))
    write_track(tmp_path / f"t{suffix}", silent)
    back = read_track(tmp_path / f"t{suffix}", 2.0)
    assert back.duration == 2.0
    assert [(s.label, s.intensity) for s in back.segments()] in ([("neutral", 0.0)], [])
    said = f"{tmp_path / f't{suffix}'}: no segments in it: neutral throughout"
    assert caplog.messages == ([] if suffix.endswith("json") else [said])


@pytest.mark.parametrize(
    "wrong", [{"bursts": [{"start": 2.0, "end": 1.0, "kind": "laugh"}]}, {"words": [[0.5, 0.25, "hello"]]}]
)
def test_a_span_that_ends_before_it_begins_is_refused(wrong):
    data = json.loads(track_to_json(parse_emotion("happy", 1.0)))
    with pytest.raises(InputError, match="its end must come after its start"):
        track_from_json(json.dumps(data | wrong))


@pytest.mark.parametrize("wrap", [False, True])
def test_a_hand_written_list_becomes_dense(wrap):
    text = json.dumps({"segments": HAND} if wrap else HAND)
    track = track_from_json(text, duration=5.0)
    assert len(track) == 250
    assert np.allclose(track.posterior.sum(1), 1.0, atol=1e-6)
    at = track.at(np.array([1.0, 2.0, 3.0, 4.8]))
    assert [CATEGORIES[i] for i in at.posterior.argmax(1)[[0, 2, 3]]] == ["happy", "angry", "neutral"]
    assert at.intensity[[0, 2, 3]] == pytest.approx([0.8, 0.4, 0.0], abs=1e-3)
    assert np.abs(np.diff(track.intensity)).max() < 0.1, "transitions are eased"
    assert track.valence[40] > 0 > track.valence[150]


def test_adjoining_segments_pass_into_each_other_and_then_fade():
    listed = [Segment(2.0, 3.0, "happy", 0.8, 1.0), Segment(1.0, 2.0, "sad", 0.8, 1.0)]
    track = densify(listed, 5.0)
    inside = (track.times > 1.2) & (track.times < 2.8)
    assert np.allclose(track.intensity[inside], 0.8, atol=0.01), "no dip on the way"
    assert track.posterior[inside, 0].max() < 0.01
    after = track.at(np.array([1.95, 2.05, 3.5]))
    assert [CATEGORIES[i] for i in after.posterior.argmax(1)] == ["sad", "happy", "neutral"]
    assert np.abs(np.diff(track.posterior, axis=0)).max() < 0.15


def test_segments_come_back_from_a_dense_track():
    segments = densify([Segment(0.0, 2.0, "sad", 0.6, 0.9), Segment(2.0, 5.0, "fear", 0.7, 0.8)], 5.0).segments()
    assert [s.label for s in segments] == ["sad", "fear"]
    assert segments[0].start == 0.0
    assert segments[0].end == segments[1].start == pytest.approx(2.0, abs=0.02)
    assert segments[1].end == 5.0
    assert segments[0].intensity == pytest.approx(0.6, abs=0.03)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(1, 5000), st.sampled_from(CATEGORIES), st.integers(0, 1000), st.integers(0, 1000)),
        min_size=1,
        max_size=8,
    )
)
def test_rttm_keeps_milliseconds(parts):
    segments, time = [], 0.0
    for length, label, intensity, confidence in parts:
        segments.append(Segment(time, time + length / 1000, label, intensity / 1000, confidence / 1000))
        time += length / 1000
    back = segments_from_rttm(segments_to_rttm(segments, "a file"))
    for a, b in zip(segments, back, strict=True):
        assert a.label == b.label
        assert [a.start, a.end, a.intensity, a.confidence] == pytest.approx(
            [b.start, b.end, b.intensity, b.confidence], abs=1.1e-3
        )


def test_rttm_of_other_tools_is_read():
    text = ";; a comment\nSPEAKER call 1 0.50 1.25 <NA> <NA> happiness <NA> <NA>\n"
    assert segments_from_rttm(text) == [Segment(0.5, 1.75, "happiness", 0.7, 1.0)]


@pytest.mark.parametrize("field", ["nan", "inf", "x", "1e999"])
def test_rttm_times_are_numbers(field):
    with pytest.raises(InputError):
        segments_from_rttm(f"SPEAKER a 1 {field} 1.0 <NA> <NA> happy 1.0 <NA>\n")


def test_files_round_trip(tmp_path):
    track = random_track(3, 20, True)
    write_track(tmp_path / "t.json", track)
    assert np.array_equal(read_track(tmp_path / "t.json").posterior, track.posterior)
    write_track(tmp_path / "t.rttm", densify([Segment(0.0, 3.0, "happy", 0.5, 1.0)], 3.0))
    assert read_track(tmp_path / "t.rttm").segments()[0].label == "happy"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.json", "t.rttm"]


@pytest.mark.parametrize(
    ("name", "limit"),
    [("a.json", 128 * 2**20), ("a.keys.json", 128 * 2**20), ("a.txt", 8 * 2**20), ("a.csv", 8 * 2**20)],
)
def test_how_large_a_track_may_be(tmp_path, name, limit):
    path = tmp_path / name
    path.touch()
    os.truncate(path, limit + 1)
    with pytest.raises(InputError, match="too large"):
        read_track(path)
    if limit < 2**24:
        os.truncate(path, limit)
        with pytest.raises(InputError) as caught:
            read_track(path)
        assert "too large" not in str(caught.value)


def test_the_longest_suffix_wins(tmp_path):
    write_track(tmp_path / "a.keys.json", constant_track("happy:0.8", 1.0))
    assert LIST in json.loads((tmp_path / "a.keys.json").read_text())
    assert suffixes() == ".csv, .eaf, .json, .keys.json, .rttm, .srt, .textgrid, .txt, .vtt"


def test_a_word_is_an_emotion_unless_a_file_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_emotion("happy", None).duration == 1.0
    (tmp_path / "happy").touch()
    with pytest.raises(InputError, match="happy: tracks are read from"):
        parse_emotion("happy", None)


def test_constants():
    track = constant_track("happy:0.8", 2.0)
    assert np.allclose(track.posterior[:, CATEGORIES.index("happy")], 1.0)
    assert np.allclose(track.intensity, 0.8)
    assert parse_emotion("calm", 1.0).intensity.max() == 0.0
    assert track.at(np.array([0.5])).posterior.shape == (1, 7)


@pytest.mark.parametrize(
    "text", ["happy:1.5", "happy:-1", "happy:nan", "happy:x", "bored:0.5", "nothing.json", "a.wav"]
)
def test_bad_constants_are_refused(text):
    with pytest.raises(InputError):
        parse_emotion(text, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[1, 2]",
        "{}",
        '"x"',
        "null",
        '[{"start": 1, "end": 1, "label": "happy"}]',
        '[{"start": -1, "end": 1, "label": "happy"}]',
        '[{"start": 0, "end": 1, "label": "bored"}]',
        '[{"start": 0, "end": 1, "label": "happy", "intensity": 7}]',
        '[{"start": 0, "end": NaN, "label": "happy"}]',
        '[{"start": 90, "end": 99, "label": "happy"}]',
        "[" * 100_000,
    ],
)
def test_bad_json_is_refused(text):
    with pytest.raises(InputError):
        track_from_json(text, duration=5.0)


@pytest.mark.parametrize("change", ["version", "rows", "sum", "times", "labels", "intensity", "valence"])
def test_damaged_dense_tracks_are_refused(change):
    data = json.loads(track_to_json(random_track(0, 5, False)))
    if change == "version":
        data["version"] = 99
    elif change == "rows":
        data["intensity"].pop()
    elif change == "sum":
        data["posterior"][0][0] += 0.5
    elif change == "times":
        data["times"][1] = data["times"][0]
    elif change in ("intensity", "valence"):
        data[change][0] = 1.5
    else:
        data["labels"][0] = "bored"
    with pytest.raises(InputError):
        track_from_json(json.dumps(data))
