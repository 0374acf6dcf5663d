"""Bursts in probabilities, and the detector in the box."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.audio import SAMPLE_RATE
from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
from sedtalker.cli.emotion_table import print_emotions
from sedtalker.emotion import emotion_stream
from sedtalker.emotion.burst_detector import (
    RATE,
    SHOWN_KINDS,
    SMOOTHED,
    VOICE,
    burst_steps,
    bursts_of,
    find_bursts,
    of_voices,
)
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.track import BURST_KINDS, Burst
from sedtalker.errors import InputError
from sedtalker.nn.calls import alone
from sedtalker.nn.engine import open_model
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures


def posterior(*spans: tuple[float, float, int], seconds: float = 6.0) -> np.ndarray:
    """Certain probabilities, with bursts of a kind (from 1) from one second to another."""
    made = np.zeros((round(seconds * RATE), 1 + len(BURST_KINDS)), np.float32)
    made[:, 0] = 1.0
    for start, end, kind in spans:
        made[round(start * RATE) : round(end * RATE)] = np.eye(len(made[0]))[kind]
    return made


def test_a_burst_is_found_where_it_is() -> None:
    (burst,) = bursts_of(posterior((2.0, 3.2, 1)))
    assert (burst.kind, burst.start, burst.end) == ("laugh", pytest.approx(2.0, abs=0.1), pytest.approx(3.2, abs=0.1))
    assert burst.confidence > 0.9
    assert [b.kind for b in bursts_of(posterior((1.0, 2.0, 2), (3.0, 4.0, 3), (5.0, 6.0, 4)))] == [
        "cry",
        "sigh",
        "other",
    ]


def test_short_bursts_are_none_and_short_gaps_are_bridged() -> None:
    assert bursts_of(posterior((2.0, 2.2, 1))) == ()
    assert len(bursts_of(posterior((2.0, 2.8, 1), (2.88, 3.6, 1)))) == 1
    assert len(bursts_of(posterior((2.0, 2.8, 1), (3.4, 4.0, 1)))) == 2
    assert bursts_of(np.zeros((0, 5), np.float32)) == ()


def test_what_is_of_no_kind_in_particular_is_other() -> None:
    made = posterior()
    made[50:100] = [0.0, 0.4, 0.35, 0.25, 0.0]
    assert bursts_of(made)[0].kind == "other"
    made[50:100] = [0.0, 0.6, 0.4, 0.0, 0.0]
    assert bursts_of(made)[0].kind == "laugh"


def test_the_detector_in_the_box_reads_the_diarizers_encoder() -> None:
    folder = builtin_checkpoint("burst_detector")
    detector = open_model(folder, "burst_detector", in_torch=True)
    assert read_config(folder).encoder_sha256 == weights_sha256(builtin_checkpoint("emotion_encoder"))
    assert detector.config.kinds == BURST_KINDS
    assert sum(p.numel() for p in detector.parameters()) < 30_000


def test_features_of_another_encoder_have_no_bursts() -> None:
    diarizer = Diarizer.from_pretrained()
    features = diarizer.encoder(_noise())
    assert find_bursts(features, "another") == ()
    bursts = find_bursts(features, diarizer.encoder.sha256())
    assert diarizer.track(_noise(), features).bursts == bursts


def _noise():  # type: ignore[no-untyped-def]
    from sedtalker.audio import from_samples

    return from_samples(0.05 * np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32), SAMPLE_RATE)


def test_bursts_are_written_and_read_back() -> None:
    plain = constant_track("happy:0.5", 2.0)
    assert "bursts" not in track_to_json(plain)
    bursts = (Burst(0.25, 1.0, "laugh", 0.875), Burst(1.2, 1.8, "sigh", 0.75))
    track = replace(plain, bursts=bursts)
    again = track_from_json(track_to_json(track))
    assert again.bursts == bursts
    assert track.at(np.array([0.0, 1.0])).scaled(0.5).bursts == bursts
    held = json.loads(track_to_json(track))
    for wrong in ({"kind": "cough"}, {"confidence": 2.0}, {"start": -1.0}):
        held["bursts"][0] = {"start": 0.0, "end": 1.0, "kind": "laugh", "confidence": 1.0} | wrong
        with pytest.raises(InputError, match=r"bursts\.0"):
            track_from_json(json.dumps(held))


def test_the_table_lists_bursts_and_the_plot_draws_them(tmp_path, capsys):
    plain = constant_track("happy:0.5", 2.0)
    track = replace(plain, bursts=(Burst(0.25, 1.0, "laugh", 0.876),))
    print_emotions(track)
    assert capsys.readouterr().out.splitlines()[-1] == "laugh 0.25 to 1.00 s, confidence 0.88"
    for name, drawn in (("plain", plain), ("laugh", track)):
        drawn.plot(tmp_path / f"{name}.png")
    assert (tmp_path / "plain.png").read_bytes() != (tmp_path / "laugh.png").read_bytes()


def test_bursts_that_a_face_shows_are_of_voices() -> None:
    familiar = np.ones(300, np.float32)
    familiar[100:200] = 0.1
    bark, laugh, edge, other = (
        Burst(2.5, 3.5, "laugh", 0.9),
        Burst(4.5, 5.5, "laugh", 0.9),
        Burst(1.0, 2.5, "cry", 0.9),
        Burst(2.5, 3.5, "other", 0.9),
    )
    assert of_voices((bark, laugh, edge, other), familiar) == (laugh, edge, other)
    assert of_voices((bark, laugh), 1.0) == (bark, laugh)
    late = Burst(9.0, 9.5, "laugh", 0.9)
    assert of_voices((late,), familiar) == (late,)


# --- Streams.


class Said:
    """A detector whose logits are columns of the hidden vectors."""

    config = SimpleNamespace(context=4)

    def run(self, rows: np.ndarray) -> tuple[np.ndarray]:
        return (12.0 * rows[..., : 1 + len(BURST_KINDS)],)


def spoken_of(certain: np.ndarray) -> SpeechFeatures:
    """Features of 50 frames a second whose hidden vectors are probabilities (T / 2, 1 + K)."""
    hidden = np.repeat(certain, 2, axis=0).astype(np.float32)
    empty = np.zeros((len(hidden), 4), np.float32)
    return SpeechFeatures(FRAME_CLOCK, hidden, np.zeros((len(hidden), 80), np.float32), empty, empty[:, 0] > 1)


@given(st.integers(0, 60), st.integers(0, 3), st.integers(0, 40))
def test_frames_of_a_stream_are_those_of_all_its_sound(gone: int, short: int, asked: int) -> None:
    """However much has left the buffer, wherever it begins, and whatever is asked for."""
    whole = spoken_of(posterior((1.0, 2.2, 1), (3.0, 3.9, 3), (4.5, 5.2, 4)))
    every = alone(burst_steps(Said(), whole, 0, 0))  # type: ignore[arg-type]
    assert every.shape == (len(whole), len(SHOWN_KINDS))
    assert every[65:100, 0].all()
    assert every[160:185, 2].all()
    assert every.sum(0)[[0, 2]] == pytest.approx([60, 45], abs=6)
    assert every.sum(1)[220:265].max() == 0.0  # of no kind that a face shows
    kept = whole.part(gone, len(whole) - gone - short)
    since = min(30 + asked, len(kept))
    part = alone(burst_steps(Said(), kept, gone, since))  # type: ignore[arg-type]
    assert part.shape == (len(kept) - since, len(SHOWN_KINDS))
    near = 2 * SMOOTHED  # the end is smoothed over fewer frames
    np.testing.assert_array_equal(part[: len(part) - near], every[gone + since : gone + len(kept) - near])


def test_a_stream_says_of_every_frame_which_burst_it_is() -> None:
    diarizer = Diarizer.from_pretrained()
    stream = diarizer.stream()
    assert stream.burst_kinds == SHOWN_KINDS
    frames = [stream.push(np.zeros(SAMPLE_RATE, np.float32)), stream.flush()]
    assert [part.bursts.shape for part in frames] == [(len(part.times), len(SHOWN_KINDS)) for part in frames]
    assert not any(part.bursts.any() for part in frames)


def test_a_stream_shows_bursts_of_voices_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def everywhere(model: object, features: SpeechFeatures, first: int, since: int) -> Iterator[None]:
        yield from ()
        return np.ones((len(features) - since, len(SHOWN_KINDS)), np.float32)  # type: ignore[return-value]

    monkeypatch.setattr(emotion_stream, "burst_steps", everywhere)
    sound = 0.1 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    for familiar, shown in ((VOICE + 0.01, 1.0), (VOICE - 0.01, 0.0)):
        monkeypatch.setattr(
            emotion_stream, "attenuation", lambda distance, known=familiar: np.full(len(distance), known)
        )
        stream = Diarizer.from_pretrained().stream()
        made = [stream.push(sound), stream.flush()]
        assert np.concatenate([part.bursts for part in made]).tolist() == [[shown] * len(SHOWN_KINDS)] * 100
