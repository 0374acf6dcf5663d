"""Laughter, cries and sighs move the face while they last, with the pulses of the sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.animation.animator import Animator
from sedtalker.animation.articulation import Articulation
from sedtalker.animation.burst_motion import HELD, LEFT_OF_IT, BurstStream, burst_nods, presence, pulses, show_bursts
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.performance import Motion
from sedtalker.animation.recipe import Moved, assemble, drawn_of
from sedtalker.audio import FrameClock, resample_frames
from sedtalker.emotion.emotion_stream import StreamFrames
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import BURST_KINDS, Burst
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from tests.support.cube import cube_mesh

TIMES = np.arange(300) / 60.0


def still(value: float = 0.0) -> dict[str, np.ndarray]:
    return {name: np.full(len(TIMES), value, np.float32) for name in ARKIT_52}


def features(level: np.ndarray) -> SpeechFeatures:
    frames = len(level)
    prosody = np.zeros((frames, 4), np.float32)
    prosody[:, 0] = level
    mel = np.zeros((frames, 80), np.float32)
    return SpeechFeatures(FrameClock(50.0, 0.01), np.zeros((frames, 3), np.float32), mel, prosody, level > -5)


@pytest.mark.parametrize("kind", BURST_KINDS[:-1])
def test_a_burst_shows_while_it_lasts_and_is_gone_after_it(kind: str) -> None:
    burst = Burst(1.0, 2.5, kind, 0.9)
    made = show_bursts(still(), TIMES, (burst,), np.zeros(len(TIMES), np.float32), 1.0)
    inside, outside = (TIMES > 1.2) & (TIMES < 2.5), (TIMES < 0.3) | (TIMES > 3.05)
    for name, amount in HELD[kind].items():
        assert made[name][inside] == pytest.approx(amount, abs=1e-5), name
        assert made[name][outside] == pytest.approx(0.0, abs=1e-6), name
    nods = burst_nods(TIMES, (burst,), np.zeros(len(TIMES), np.float32))
    assert np.abs(nods[inside, 0]).min() > 2.0
    assert nods[outside] == pytest.approx(0.0, abs=1e-6)


def test_other_bursts_and_no_liveliness_change_nothing() -> None:
    face, pulse = still(0.2), np.ones(len(TIMES), np.float32)
    for kind, liveliness in (("other", 1.0), ("laugh", 0.0)):
        made = show_bursts(face, TIMES, (Burst(1.0, 2.0, kind, 1.0),), pulse, liveliness)
        assert all(np.array_equal(made[name], face[name]) for name in ARKIT_52)
    assert not burst_nods(TIMES, (Burst(1.0, 2.0, "other", 1.0),), pulse).any()


def test_a_laugh_takes_the_frown_away_and_pulses_the_jaw() -> None:
    pulse = (np.sin(2 * np.pi * 4.5 * TIMES) > 0).astype(np.float32)
    made = show_bursts(still(0.1), TIMES, (Burst(1.0, 3.0, "laugh", 1.0),), pulse, 1.0)
    inside = (TIMES > 1.3) & (TIMES < 2.9)
    assert made["mouthFrownLeft"][inside] == pytest.approx(0.1 * LEFT_OF_IT, abs=1e-6)
    jaw = made["jawOpen"][inside]
    assert np.ptp(jaw) == pytest.approx(0.16, abs=1e-5)
    assert np.array_equal(jaw > jaw.mean(), pulse[inside] > 0.5)


@pytest.mark.parametrize("kind", ["laugh", "cry"])
def test_wide_eyes_narrow_in_a_laugh_and_in_a_cry(kind: str) -> None:
    """A voice that was taken for surprised laughed with staring eyes."""
    made = show_bursts(still(0.9), TIMES, (Burst(1.0, 2.5, kind, 1.0),), np.zeros(len(TIMES), np.float32), 1.0)
    assert made["eyeWideLeft"][(TIMES > 1.2) & (TIMES < 2.5)] == pytest.approx(0.9 * LEFT_OF_IT)
    assert made["eyeWideRight"][TIMES < 0.8] == pytest.approx(0.9)


def test_a_breath_comes_before_a_sigh() -> None:
    burst, pulse = Burst(2.0, 3.0, "sigh", 1.0), np.zeros(len(TIMES), np.float32)
    made, nods = show_bursts(still(), TIMES, (burst,), pulse, 1.0), burst_nods(TIMES, (burst,), pulse)
    before = np.flatnonzero((TIMES > 1.65) & (TIMES < 1.75))
    assert made["jawOpen"][before].min() > 0.1
    assert nods[before, 0].max() < -1.5
    assert nods[(TIMES > 2.3) & (TIMES < 2.9), 0].min() > 2.5


def test_pulses_are_those_of_the_sound() -> None:
    at = (np.arange(250) + 0.5) / 50.0
    level = 1.5 * np.sin(2 * np.pi * 4.5 * at)
    found = pulses(features(level), at)
    assert np.corrcoef(found, np.maximum(level, 0))[0, 1] > 0.95
    assert not pulses(features(np.zeros(250)), at).any()
    assert len(pulses(features(np.zeros(0)), TIMES)) == len(TIMES)


@given(st.floats(0, 4), st.floats(0.3, 3), st.sampled_from(BURST_KINDS), st.floats(0, 2), st.integers(0, 9))
def test_shapes_stay_between_0_and_1(start: float, length: float, kind: str, liveliness: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    face = {name: rng.random(len(TIMES)).astype(np.float32) for name in ARKIT_52}
    burst = Burst(start, start + length, kind, 1.0)
    made = show_bursts(face, TIMES, (burst,), rng.random(len(TIMES)).astype(np.float32), liveliness)
    assert set(made) == set(face)
    assert all(curve.min() >= 0 and curve.max() <= 1 and curve.dtype == np.float32 for curve in made.values())
    shown = presence(TIMES, burst)
    assert shown.min() >= 0
    assert np.abs(np.diff(shown)).max() < 0.15, "no frame jumps"


def test_a_track_that_is_given_is_neutral_below_the_least_confidence() -> None:
    animator, sound = Animator.from_pretrained(), np.zeros(16_000, np.float32)
    sad = constant_track("sad:1", 1.0)
    torn = replace(sad, posterior=(0.5 * sad.posterior + 0.5 * np.eye(7)[1]).astype(np.float32))
    shown, calm, own = (
        animator(sound, 16_000, emotion=track, min_confidence=least, fps=10.0, head=False).coefficients
        for track, least in ((torn, 0.0), (torn, 0.9), (torn.confident(0.9), 0.0))
    )
    assert np.array_equal(calm, own)
    assert np.abs(shown - calm).max() > 0.1


def test_a_track_with_a_laugh_makes_the_face_laugh() -> None:
    animator, rng = Animator.from_pretrained(), np.random.default_rng(0)
    sound = (0.05 * rng.standard_normal(32_000)).astype(np.float32)
    calm = constant_track("neutral:0", 2.0)
    laughing = replace(calm, bursts=(Burst(0.6, 1.4, "laugh", 1.0),))
    one, other = (animator(sound, 16_000, emotion=track, fps=10.0) for track in (calm, laughing))
    smile = one.face.shapes.index("mouthSmileLeft")
    assert other.coefficients[8:14, smile].min() > one.coefficients[8:14, smile].max() + 0.3
    assert np.array_equal(one.coefficients[:4], other.coefficients[:4])
    one, other = (animator(sound, 16_000, emotion=track, fps=10.0, liveliness=0.0) for track in (calm, laughing))
    assert np.array_equal(one.coefficients, other.coefficients)
    assert other.track is not None
    assert other.track.bursts == laughing.bursts


@given(
    st.lists(st.tuples(st.sampled_from(BURST_KINDS), st.floats(0, 3), st.floats(0.1, 1.5)), min_size=1, max_size=3),
    st.lists(st.integers(1, 198), min_size=1, max_size=8, unique=True),
    st.floats(0.5, 2.0),
    st.sampled_from([25, 30, 50, 60]),
)
def test_lips_stay_closed_in_p_b_and_m_whatever_bursts_and_breaths_do(bursts, stops, liveliness, fps) -> None:
    """And nowhere else does a closure change what they do."""
    closure = np.zeros(200, np.float32)
    closure[stops] = 1.0
    own, times = FRAME_CLOCK.times(200), FrameClock(fps).times(4 * fps)
    shut, wide = (np.convolve(closure, np.ones(n), "same").clip(0, 1) for n in (5, 3))
    shown = resample_frames(wide.astype(np.float32), own, times)
    near = np.abs(times[:, None] - own[stops]).min(axis=1) <= 0.5 / 50
    sound = features(np.where(np.arange(200) % 90 < 60, -2.0, -9.0))
    found = tuple(Burst(start, start + length, kind, 0.9) for kind, start, length in bursts)
    spoken = np.zeros((200, 52), np.float32)
    spoken[:, ARKIT_52.index("jawOpen")] = 0.2 * (1.0 - shut)
    track = replace(constant_track("happy:0.0", 4.0), bursts=found)

    def gap_and_face(asked: Articulation | None) -> tuple[np.ndarray, np.ndarray]:
        moved = Moved(spoken, ARKIT_52, sound, track, articulation=asked)
        face = Face("full", cube_mesh(), ARKIT_52, np.zeros((52, 8, 3), np.float32))
        motion = Motion(liveliness=liveliness, fps=fps)
        made = assemble(moved, drawn_of(sound, motion, 4.0), motion, face).coefficients
        return made @ RULES.gaps, made

    held, face = gap_and_face(Articulation(np.zeros((200, 3), np.float32), closure))
    _, free = gap_and_face(Articulation(np.zeros((200, 3), np.float32), 0.0 * closure))
    assert held[near].max(initial=0.0) <= RULES.closed_gap
    np.testing.assert_array_equal(face[shown == 0.0], free[shown == 0.0])


# --- Streams.


def streamed(stream: BurstStream, laughs: np.ndarray, levels: np.ndarray, step: int) -> np.ndarray:
    """(T, 52) of a still face at the frames of a stream that comes in pieces, and the pitch of the head (T, 1)."""
    times, made = FRAME_CLOCK.times(len(laughs)), []
    for first in range(0, len(laughs), step):
        part = slice(first, first + step)
        count = len(laughs[part])
        none, bursts = np.zeros(count, np.float32), np.zeros((count, 3), np.float32)
        bursts[:, 0] = laughs[part]
        posterior = np.eye(7, dtype=np.float32)[np.zeros(count, int)]
        curves = np.zeros((count, 0), np.float32)
        label = np.zeros(count, np.int64)
        stream.push(
            StreamFrames(times[part], posterior, none, none > 0, label, posterior, curves, bursts), levels[part]
        )
        face = stream.added(times[part], np.full((count, 52), 0.1, np.float32))
        made.append(np.concatenate([face, stream.nods(times[part])[:, None]], axis=1))
    return np.concatenate(made)


def test_a_laugh_of_a_stream_rises_and_is_gone_after_it_however_it_is_cut() -> None:
    laughs = np.zeros(300, np.float32)
    laughs[100:200] = 1.0
    levels = np.random.default_rng(0).normal(-5.0, 1.0, 300).astype(np.float32)
    made = streamed(BurstStream(), laughs, levels, 4)
    smile, pitch = made[:, ARKIT_52.index("mouthSmileLeft")], made[:, -1]
    assert (smile[:100] == np.float32(0.1)).all()
    assert smile[112:200] == pytest.approx(HELD["laugh"]["mouthSmileLeft"])
    assert (np.diff(smile[100:110]) >= 0).all()
    assert (smile[226:] == np.float32(0.1)).all()
    assert not pitch[:100].any()
    assert pitch[112:200].max() < -2.0  # back, nodding with the calls
    assert np.ptp(pitch[112:200]) > 0.5
    assert not pitch[226:].any()
    for step in (1, 7, 300):
        np.testing.assert_allclose(streamed(BurstStream(), laughs, levels, step)[:, :52], made[:, :52], atol=1e-6)


def test_a_laughing_head_changes_its_speed_smoothly_in_recordings_and_streams() -> None:
    """Its pitch had kinks: 54 degrees a second more or less from one frame to the next."""
    own = FRAME_CLOCK.times(300)
    laughs = ((own > 2.0) & (own < 4.0)).astype(np.float32)
    levels = np.where(laughs, 2.0 * np.sign(np.sin(2 * np.pi * 4.5 * own)), -3.0).astype(np.float32)
    recorded = burst_nods(TIMES, (Burst(2.0, 4.0, "laugh", 1.0),), pulses(features(levels), TIMES))[:, 0]
    for pitch, fps in ((recorded, 60), (streamed(BurstStream(), laughs, levels, 5)[:, -1], 50)):
        assert np.ptp(pitch) > 3.5
        assert np.abs(np.diff(pitch, 2)).max() * fps < 15.0


def test_without_bursts_a_streams_face_stays_as_it_is() -> None:
    stream, face = BurstStream(), np.full((4, 52), 0.3, np.float32)
    streamed(stream, np.zeros(50, np.float32), np.zeros(50, np.float32), 5)
    assert stream.added(np.arange(4) / 50, face) is face
    assert not len(stream.times)
    assert not stream.nods(np.arange(4) / 50).any()
