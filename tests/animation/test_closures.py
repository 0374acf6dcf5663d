from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.articulation import (
    ClosureStream,
    MouthStream,
    close_lips,
    closures,
    held_closed,
    lip_posteriors,
    lips_apart,
    mixed_mouth,
    move_lips,
    required_closures,
    touch_teeth,
)
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.opening import OPENING
from sedtalker.face.arkit import INDEX, TALKING_INDEX, TALKING_SHAPES, TALKING_SIDES
from sedtalker.face.builtin import load_face
from sedtalker.speech.features import BILABIAL, PHONE_INDEX, PHONES
from sedtalker.training.motion.spoken_motion import measure_lips

AS_READ = replace(RULES, opening_range=(1.0, 1.0))
"""Mouths that open as far as they are read."""
GAP = RULES.shape_gaps
GAPS = RULES.gaps


def corrected(mouth: np.ndarray, bilabial: np.ndarray) -> np.ndarray:
    return close_lips(mouth, closures(bilabial) * lips_apart(mouth))


def silence(frames: int) -> np.ndarray:
    """The voice of frames in which nobody speaks."""
    return np.zeros((frames, 4), np.float32)


def test_a_mouth_that_is_read_out_of_neutral_speech_is_averaged_with_the_decoders():
    rng = np.random.default_rng(0)
    motion, mouth = (rng.random((200, n), np.float32) for n in (52, len(TALKING_SHAPES)))
    mixed = mixed_mouth(motion, mouth, np.zeros((200, 1), np.float32), 0.5, AS_READ)
    np.testing.assert_allclose(mixed[:, TALKING_INDEX], 0.5 * (motion[:, TALKING_INDEX] + mouth), atol=1e-6)
    others = ~TALKING_SIDES.any(0)
    assert np.array_equal(mixed[:, others], motion[:, others])
    assert mixed_mouth(motion, None, np.zeros((200, 1), np.float32), 0.5) is motion
    assert mixed_mouth(motion, mouth, np.zeros((200, 1), np.float32), 0.0) is motion


def test_under_emotion_what_is_slow_is_the_decoders():
    motion, mouth = np.full((600, 52), 0.5, np.float32), np.zeros((600, len(TALKING_SHAPES)), np.float32)
    syllables = 0.2 * np.sin(2 * np.pi * np.arange(600) / 10).astype(np.float32)  # five a second
    mouth[:, TALKING_SHAPES.index("jawOpen")] = 0.3 + syllables
    mixed = mixed_mouth(motion, mouth, np.ones((600, 1), np.float32), 0.5, AS_READ)
    inner = slice(40, -40)
    np.testing.assert_allclose(mixed[inner, INDEX["mouthSmileLeft"]], 0.5, atol=1e-5)
    np.testing.assert_allclose(mixed[inner, INDEX["jawOpen"]], 0.5 + 0.5 * syllables[inner], atol=0.01)


def talk(frames: int, opening: float) -> np.ndarray:
    """A mouth that is read: the jaw opens by up to ``opening``, five times a second."""
    mouth = np.zeros((frames, len(TALKING_SHAPES)), np.float32)
    mouth[:, TALKING_SHAPES.index("jawOpen")] = opening * np.sin(np.pi * np.arange(frames) / 10) ** 2
    return mouth


@given(st.floats(0.2, 0.5), st.integers(400, 3000))
def test_a_mouth_opens_as_far_as_people_do_and_closes_as_before(opening, frames):
    mouth = talk(frames, opening)
    motion = mouth @ TALKING_SIDES
    made = mixed_mouth(motion, mouth, np.zeros((frames, 1), np.float32), 0.5)
    gaps = made @ GAPS
    opened = gaps[motion @ GAPS > RULES.apart_gap]
    widest = np.quantile(opened, 1 - RULES.widest_part)
    few = RULES.few_frames / (RULES.few_frames + len(opened))
    read = few * RULES.read_opening + (1 - few) * np.quantile((motion @ GAPS)[motion @ GAPS > RULES.apart_gap], 0.9)
    assert widest / np.quantile((motion @ GAPS)[motion @ GAPS > RULES.apart_gap], 0.9) == pytest.approx(
        np.clip(RULES.usual_opening / read, *RULES.opening_range), rel=0.03
    )
    assert abs(widest - RULES.usual_opening) < abs(np.quantile(motion @ GAPS, 0.9) - RULES.usual_opening) + 0.02
    assert np.array_equal(gaps == 0.0, motion @ GAPS == 0.0)


def test_speech_opens_an_emotional_mouth_further_and_the_emotion_stays():
    """A smile with the jaw held half open: syllables grow, the mean does not."""
    mouth = talk(600, 0.2)
    motion = mouth @ TALKING_SIDES
    held = INDEX["jawOpen"]
    motion[:, held] += 0.4
    strong = np.ones((600, 1), np.float32)
    plain, wider = (mixed_mouth(motion, mouth, strong, 0.5, rules)[100:-100] for rules in (AS_READ, RULES))
    factor = wider[:, held].std() / plain[:, held].std()
    assert 1.3 < factor <= RULES.opening_range[1]
    assert wider[:, held].mean() - plain[:, held].mean() == pytest.approx((factor - 1) * mouth.max() / 2, abs=0.01)
    others = ~np.isin(np.arange(52), OPENING)
    np.testing.assert_allclose(wider[:, others], plain[:, others], atol=1e-6)


@pytest.mark.slow
def test_a_streams_mouth_comes_to_open_as_that_of_the_recording():
    mouth = talk(3000, 0.25)
    motion, neutral = mouth @ TALKING_SIDES, np.zeros((3000, 7), np.float32)
    calm = np.zeros((3000, 1), np.float32)
    live = MouthStream(0.5).push(motion, mouth, calm, neutral, silence(len(mouth)))
    whole = mixed_mouth(motion, mouth, calm, 0.5)
    np.testing.assert_allclose(live[1000:], whole[1000:], atol=0.01)
    first = live[:10, INDEX["jawOpen"]].max() / motion[:10, INDEX["jawOpen"]].max()
    assert first == pytest.approx(RULES.usual_opening / RULES.read_opening, rel=0.02)


def test_lips_that_close_anyway_are_left_alone():
    mouth, bilabial = np.zeros((15, 52), np.float32), np.zeros((15, 1), np.float32)
    mouth[..., INDEX["jawOpen"]] = 0.4
    bilabial[7] = 0.9
    closed = corrected(mouth, bilabial)
    assert (closed @ GAPS)[7] < 0.3 * (mouth @ GAPS)[7]
    mouth[6, INDEX["mouthClose"]] = 0.4
    assert np.array_equal(corrected(mouth, bilabial), mouth)


def test_the_posterior_is_of_all_bilabials():
    logits = np.zeros((2, len(PHONES)), np.float32)
    assert lip_posteriors(logits)[:, 0].tolist() == pytest.approx([len(BILABIAL) / len(PHONES)] * 2)
    logits[0, PHONE_INDEX["M"]] = 50.0
    logits[1, PHONE_INDEX["V"]] = 50.0
    assert lip_posteriors(logits).flatten().tolist() == pytest.approx([1.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("opened", [0.02, 0.1, 0.3, 1.0])
def test_on_f_and_v_the_lower_lip_comes_to_the_teeth_and_no_further(opened):
    mouth = np.zeros((3, 52), np.float32)
    mouth[..., INDEX["jawOpen"]] = opened
    contact = np.array([0.0, 0.5, 1.0], np.float32)[:, None]
    made = touch_teeth(mouth, contact)
    gap, before = made @ GAPS, 0.42 * opened
    assert np.array_equal(made[:1], mouth[:1])
    assert float(gap[2]) == pytest.approx(min(before, RULES.teeth_gap), abs=1e-6)
    assert float(gap[1]) == pytest.approx(0.5 * (before + min(before, RULES.teeth_gap)), abs=1e-6)
    if before <= RULES.teeth_gap:
        assert np.array_equal(made, mouth), "near enough"
    else:
        assert made[2, INDEX["mouthRollLower"]] > 0.0


def test_lips_close_at_the_peak_of_a_bilabial_and_nowhere_else():
    mouth = np.zeros((9, 52), np.float32)
    for name, value in (("jawOpen", 0.4), ("mouthFunnel", 0.2), ("mouthLowerDownLeft", 0.1), ("mouthPucker", 0.3)):
        mouth[..., INDEX[name]] = value
    posterior = np.array([0, 0, 0.1, 0.3, 0.6, 0.3, 0.1, 0, 0], np.float32)[:, None]
    sealed = close_lips(mouth, closures(posterior))
    gap = measure_lips(load_face()).gain
    opened, closed = mouth @ gap, sealed @ gap
    assert closed[4] < 0.25 * opened[4]
    assert closed[3] < opened[3]
    assert np.array_equal(sealed[:2], mouth[:2])
    assert np.array_equal(sealed[..., INDEX["mouthPucker"]], mouth[..., INDEX["mouthPucker"]])
    assert np.array_equal(close_lips(mouth, closures(0 * posterior)), mouth)


def test_closures_by_hand():
    posterior = np.array([0, 0, 0.125, 0, 0, 0, 0, 0, 0.3, 0.3, 0, 0, 0.05, 0], np.float32)[:, None]
    near, far = RULES.beside
    half = [0.5 * far, 0.5 * near, 0.5, 0.5 * near, 0.5 * far, 0]
    whole = [far, near, 1, 1, near, far, 0, 0]
    assert closures(posterior)[:, 0].tolist() == pytest.approx(half + whole, abs=1e-6)


def test_emotion_closes_more_of_the_frames_beside_a_peak() -> None:
    posteriors = np.zeros((9, 2), np.float32)
    posteriors[4] = 0.5
    calm, strong, between = (
        required_closures(posteriors, np.full((9, 1), share, np.float32)) for share in (0.0, 1.0, 0.5)
    )
    np.testing.assert_array_equal(calm, closures(posteriors))
    np.testing.assert_array_equal(strong, closures(posteriors, RULES.emotional))
    np.testing.assert_allclose(between, 0.5 * (calm + strong), atol=1e-6)
    assert strong[3, 0] == pytest.approx(RULES.emotional_beside[0])
    assert strong[3, 0] > calm[3, 0]
    assert strong[3, 1] == calm[3, 1] == pytest.approx(RULES.teeth_beside[0]), "f and v are held as long by anybody"


def test_a_peak_within_two_frames_of_a_higher_one_closes_nothing():
    posterior = np.array([0.2, 0.0, 0.4, 0.0, 0.0, 0.2, 0.0], np.float32)[:, None]
    closed = closures(posterior, replace(RULES, beside=()))[:, 0]
    assert closed[[2, 5]].tolist() == pytest.approx([1.0, 1.0])
    assert closed[0] == 0, "two frames from a higher one"


def test_lips_close_by_hand():
    mouth = np.zeros((1, 52), np.float32)
    values = {"jawOpen": 0.5, "mouthClose": 0.1, "mouthFunnel": 0.4, "mouthUpperUpLeft": 0.2, "mouthPucker": 0.3}
    for name, value in values.items():
        mouth[..., INDEX[name]] = value
    closed = close_lips(mouth, np.full((1, 1), 0.5, np.float32))[0]
    jaw = 0.5 * (1 - 0.3 * 0.5)
    expected = {"jawOpen": jaw, "mouthClose": 0.1 + 0.5 * (jaw - 0.1), "mouthFunnel": 0.2} | {
        "mouthUpperUpLeft": 0.1,
        "mouthPucker": 0.3,
    }
    assert {name: float(closed[INDEX[name]]) for name in values} == pytest.approx(expected)
    assert int((closed > 0).sum()) == len(values)
    mouth[..., INDEX["mouthClose"]] = 0.6
    assert close_lips(mouth, np.ones((1, 1), np.float32))[0, INDEX["mouthClose"]] == pytest.approx(0.6), "never less"


def test_lips_are_apart_from_the_gap_of_closed_ones_on():
    frames = 11
    levels = np.array([0.015, 0.018, 0.024, 0.03, 0.07])
    for gap, apart in zip(levels, (0.0, 0.0, 0.5, 1.0, 1.0), strict=True):
        mouth = np.zeros((frames, 52), np.float32)
        mouth[..., INDEX["jawOpen"]] = 0.3
        wide = lips_apart(mouth)
        assert wide.min() == 1.0
        mouth[5, INDEX["jawOpen"]] = gap / GAPS[INDEX["jawOpen"]]
        near = lips_apart(mouth)[:, 0]
        assert near[2:9].tolist() == pytest.approx([apart] * 7, abs=1e-4), "within three frames"
        assert near[[1, 9]].tolist() == [1.0, 1.0]


# --- The mouth that is read, while somebody speaks.


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(1, 200), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 6))
def test_a_stream_mixes_a_mouth_as_one_pass_does_however_it_is_cut(seed, frames, sizes, late):
    rng = np.random.default_rng(seed)
    motion, mouth = rng.random((frames, 52), np.float32), rng.random((frames, len(TALKING_SHAPES)), np.float32)
    voice = rng.uniform(-8.0, 0.0, (frames, 4)).astype(np.float32)
    for emotional in (rng.random((frames, 1), np.float32), np.zeros((frames, 1), np.float32)):
        emotion = emotional * rng.dirichlet(np.ones(7), frames).astype(np.float32)
        stream, parts, start, moved, part = MouthStream(0.7), [], 0, 0, 0
        while moved < frames:
            stop = min(frames, start + sizes[part % len(sizes)])
            until = frames if stop == frames else max(moved, stop - late)
            new = slice(start, stop)
            parts.append(stream.push(motion[moved:until], mouth[new], emotional[new], emotion[new], voice[new]))
            start, moved, part = stop, until, part + 1
        once = MouthStream(0.7).push(motion, mouth, emotional, emotion, voice)
        np.testing.assert_allclose(np.concatenate(parts), once, atol=1e-6)
    once = MouthStream(0.7, AS_READ).push(motion, mouth, emotional, emotion, voice)
    np.testing.assert_allclose(once, mixed_mouth(motion, mouth, emotional, 0.7, AS_READ), atol=1e-6)


def test_a_stream_leaves_a_smile_to_the_decoder_and_takes_over_what_is_quick():
    frames = np.arange(400)
    smile = np.full((400, 52), 0.5, np.float32)
    mouth = np.zeros((400, len(TALKING_SHAPES)), np.float32)
    jaw = TALKING_SHAPES.index("jawOpen")
    mouth[:, jaw] = 0.5 + 0.3 * np.sin(2 * np.pi * frames / 10)
    happy, neutral = np.eye(7, dtype=np.float32)[[1]].repeat(400, 0), np.zeros((400, 7), np.float32)
    made = MouthStream(1.0, AS_READ).push(smile, mouth, np.ones((400, 1), np.float32), happy, silence(400))
    settled = made[RULES.slow_frames :]
    smiles = INDEX["mouthSmileLeft"]
    np.testing.assert_allclose(settled[:, smiles], 0.5, atol=1e-5)
    assert settled[:, INDEX["jawOpen"]].std() == pytest.approx(mouth[:, jaw].std(), rel=0.02)
    plain = MouthStream(1.0, AS_READ).push(smile, mouth, np.zeros((400, 1), np.float32), neutral, silence(400))
    np.testing.assert_allclose(plain[:, smiles], 0.0, atol=1e-6)


def test_a_smile_goes_when_the_emotion_does():
    shown = np.zeros((200, 52), np.float32)
    smiles = INDEX["mouthSmileLeft"]
    shown[:100, smiles] = 0.8
    mouth, strong = np.zeros((200, len(TALKING_SHAPES)), np.float32), np.ones((200, 1), np.float32)
    emotion = np.eye(7, dtype=np.float32)[np.repeat([1, 2], 100)]
    made = MouthStream(0.8).push(shown, mouth, strong, emotion, silence(len(mouth)))[:, smiles]
    np.testing.assert_allclose(made[:100], 0.8, atol=1e-5)
    np.testing.assert_allclose(made[100:], 0.0, atol=1e-2)


# --- Lips that close while somebody speaks.


def streamed(motion, posterior, emotional, sizes, ahead=RULES.streamed.ahead_frames, late=0):
    """In stretches of these sizes, posteriors known so many frames ahead; the motion comes so many frames late."""
    lips, parts, start, moved = ClosureStream(), [], 0, 0
    while moved < len(motion):
        stop = start + sizes[len(parts) % len(sizes)]
        until = len(motion) if stop >= len(motion) else max(moved, stop - late)
        new = slice(start, stop)
        parts.append(lips.push(motion[moved:until], posterior[new], posterior[stop : stop + ahead], emotional[new]))
        start, moved = stop, until
    return np.concatenate(parts)


def spoken(seed: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mouth at random, posteriors of p, b, m with peaks, and emotion."""
    rng = np.random.default_rng(seed)
    motion = 0.3 * rng.random((frames, 52), np.float32)
    return motion, rng.random((frames, 2), np.float32) ** 3, rng.random((frames, 1), np.float32)


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(1, 40), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 6))
def test_a_stream_closes_lips_as_one_pass_does_however_it_is_cut(seed, frames, sizes, late):
    motion, posterior, emotional = spoken(seed, frames)
    whole = move_lips(motion, closures(posterior, RULES.streamed), lips_apart(motion, 0, RULES.streamed), emotional)
    np.testing.assert_allclose(streamed(motion, posterior, emotional, sizes, late=late), whole, atol=1e-6)


def test_lips_that_close_later_are_closed_now_where_nothing_later_is_known():
    mouth = np.zeros((9, 52), np.float32)
    mouth[..., INDEX["jawOpen"]] = 0.4
    mouth[5, INDEX["jawOpen"]] = 0.0
    assert lips_apart(mouth)[:, 0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert lips_apart(mouth, ahead=0)[:, 0].tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0]


MOUTHS = st.lists(st.floats(0.0, 1.0, width=32), min_size=len(GAP), max_size=len(GAP))


@given(st.lists(st.tuples(MOUTHS, MOUTHS), min_size=1, max_size=8))
def test_closed_lips_stay_closed_whatever_moves_the_jaw_afterwards(frames):
    before, after = (
        {name: np.array([frame[k][i] for frame in frames], np.float32) for i, name in enumerate(GAP)} for k in (0, 1)
    )
    gap = {id(face): sum(GAP[name] * face[name] for name in GAP) for face in (before, after)}
    made = held_closed(after, before)
    now = sum(GAP[name] * made[name] for name in GAP)
    met = gap[id(before)] <= RULES.closed_gap
    assert (now[met] <= gap[id(before)][met] + 1e-5).all()
    apart = gap[id(before)] >= RULES.apart_gap
    for name in GAP:
        assert (made[name][apart] == after[name][apart]).all()
        assert (np.minimum(before[name], after[name]) - 1e-6 <= made[name]).all()
        assert (made[name] <= np.maximum(before[name], after[name]) + 1e-6).all()
