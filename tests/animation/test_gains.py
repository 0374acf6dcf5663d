"""Gains: what they scale, and that closed lips stay closed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from typer.testing import CliRunner

from sedtalker.animation.animator import Animator
from sedtalker.animation.gains import (
    AROUND_THE_MOUTH,
    MAX_SMOOTHING,
    REGIONS,
    Gains,
    apply_gains,
    smoothed,
)
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.option_fields import declared, read_factors
from sedtalker.animation.performance import LiveMotion, Motion
from sedtalker.animation.recipe import Moved, assemble, drawn_of
from sedtalker.audio import load_audio
from sedtalker.cli.main import app
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import CLOSED_GAP, lip_aperture
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"
FACTOR = st.floats(0.0, 2.0)
REST = np.zeros((1, 52), np.float32)


@pytest.fixture(scope="module")
def face():
    return load_face()


@pytest.fixture(scope="module")
def clip():
    """Features and the emotion track of the sample clip."""
    sound = load_audio(SAMPLE)
    return open_encoder()(sound), parse_emotion(str(SAMPLE.with_suffix(".emotion.json")), sound.duration)


@pytest.fixture(scope="module")
def motions(clip):
    """The sample clip under its track and under neutral."""
    features, track = clip
    decoder = open_model("decoder")
    return decoder.predict(features, track), decoder.predict(features, track.scaled(0.0))


def beyond_rest(face, coefficients):
    return lip_aperture(face, coefficients) - lip_aperture(face, REST)[0]


def test_all_at_one_is_the_same_array(motions, face):
    assert apply_gains(*motions, Gains(regions={"brows": 1.0}), face) is motions[0]


def test_without_expressivity_it_is_the_neutral_animation(clip, motions, face):
    features, track = clip
    still = apply_gains(*motions, Gains(expressivity=0.0, regions={"smile": 1.7}), face)
    np.testing.assert_allclose(still, motions[1], atol=1e-6)
    drawn = drawn_of(features, Motion(), 18.0)
    scaled, neutral = (
        assemble(Moved(spoken, ARKIT_52, features, shown), drawn, Motion(expressivity=x), face)
        for spoken, shown, x in ((still, track, 0.0), (motions[1], track.scaled(0.0), 1.0))
    )
    np.testing.assert_allclose(scaled.coefficients, neutral.coefficients, atol=1e-6)
    np.testing.assert_array_equal(scaled.head_rotation, neutral.head_rotation)


def test_more_expressivity_shows_more(motions, face):
    steps = [apply_gains(*motions, Gains(expressivity=x), face) for x in (0.0, 0.5, 1.0, 1.5, 2.0)]
    away = np.abs(np.stack(steps) - motions[1])
    upper = [i for i, name in enumerate(ARKIT_52) if not name.startswith(AROUND_THE_MOUTH)]
    assert (np.diff(away[:, :, upper], axis=0) >= -1e-6).all()
    beside = [i for i, name in enumerate(ARKIT_52) if name.startswith(("noseSneer", "cheek"))]
    widest = np.maximum(*(beyond_rest(face, motion) for motion in motions))
    far_from_closures = minimum_filter1d(widest, 4 * RULES.ease_frames + 1) > CLOSED_GAP
    assert far_from_closures.sum() > 100
    assert (np.diff(away[:, far_from_closures][:, :, beside], axis=0) >= -1e-6).all()
    assert (np.diff(away.mean((1, 2))) > 0.001).all()


def test_more_articulation_opens_wider(motions, face):
    gap = np.stack([beyond_rest(face, apply_gains(*motions, Gains(articulation=a), face)) for a in (0.0, 0.5, 1, 1.5)])
    speaking = gap[2] > 3 * CLOSED_GAP
    assert speaking.sum() > 100
    assert (np.diff(gap[:, speaking].mean(1)) > 0.02).all()


@pytest.mark.parametrize(
    "gains",
    [Gains(articulation=0.5), Gains(articulation=1.5), Gains(expressivity=2.0), Gains(2.0, 2.0, {"mouth": 2.0})],
)
@pytest.mark.parametrize("emotion", ["own", "happy:1", "disgust:1"])
def test_closed_lips_stay_closed(clip, motions, face, gains, emotion):
    expressive, neutral = motions
    if emotion != "own":
        expressive = open_model("decoder").predict(clip[0], parse_emotion(emotion, 18.4))
    widest = np.maximum(beyond_rest(face, expressive), beyond_rest(face, neutral))
    closed = widest < 0.98 * CLOSED_GAP
    assert closed.sum() >= 40
    gap = beyond_rest(face, apply_gains(expressive, neutral, gains, face))[closed]
    assert (gap < CLOSED_GAP).all()
    assert (gap <= np.maximum(widest[closed], 0.0) + RULES.slack + 1e-4).all()


@pytest.mark.parametrize(
    ("seed", "gains"),
    [(50, Gains(2.0, 0.3)), (23, Gains(0.2, 1.8)), (36, Gains(0.2, 1.8)), (39, Gains(0.2, 1.8)), (42, Gains(0.2, 1.8))],
)
def test_closed_lips_stay_closed_in_motion_that_no_face_makes(face, seed, gains):
    """Here a mouth that gives way half is wider open than one that does not, so that some frames give way wholly."""
    rng = np.random.default_rng(seed)
    both = rng.uniform(size=(2, 60, 52)) ** 4
    mouth = np.array([name.startswith(AROUND_THE_MOUTH) for name in ARKIT_52])
    both[:, :, mouth] *= rng.choice([0.05, 0.2, 1.0], size=(60, 1))
    shut = rng.uniform(size=60) < 0.5
    both[:, shut, INDEX["mouthClose"]] = rng.uniform(size=(2, shut.sum()))
    expressive, neutral = both.astype(np.float32)
    widest = np.maximum(beyond_rest(face, expressive), beyond_rest(face, neutral))
    closed = widest < CLOSED_GAP
    gap = beyond_rest(face, apply_gains(expressive, neutral, gains, face))
    limit = np.maximum(np.minimum(np.maximum(widest, 0.0) + RULES.slack, CLOSED_GAP - RULES.slack), widest)
    assert closed.sum() > 10
    assert (gap <= limit + 1e-5)[closed].all()
    assert (gap > 3 * CLOSED_GAP).any(), "others open"


@pytest.mark.parametrize("gains", [Gains(articulation=1.5), Gains(expressivity=2.0)])
def test_only_mouths_that_would_open_give_way_and_the_frames_beside_them(motions, face, gains):
    expressive, neutral = motions
    scaled = (gains.of_speech() * neutral + gains.of_emotion() * (expressive - neutral)).clip(0, 1)
    widest = np.maximum(beyond_rest(face, expressive), beyond_rest(face, neutral))
    limit = np.maximum(np.minimum(np.maximum(widest, 0.0) + RULES.slack, CLOSED_GAP - RULES.slack), widest)
    opens = (widest < CLOSED_GAP) & (beyond_rest(face, scaled) > limit - 1e-4)
    away = ~maximum_filter1d(opens, 4 * RULES.ease_frames + 1)
    result = apply_gains(expressive, neutral, gains, face)
    np.testing.assert_allclose(result[away], scaled[away], atol=1e-6)
    assert (away & (widest < CLOSED_GAP)).sum() > 10, "closed ones among them"
    assert np.abs(result - scaled)[opens].max() > 1e-3


def test_a_region_is_scaled_alone(motions, face):
    raised = apply_gains(*motions, Gains(regions={"brows": 1.5}), face)
    brows = [i for i, name in enumerate(ARKIT_52) if name.startswith("brow")]
    others = np.setdiff1d(np.arange(52), brows)
    np.testing.assert_array_equal(raised[:, others], motions[0][:, others])
    emotion = motions[0] - motions[1]
    np.testing.assert_allclose(raised[:, brows], (motions[1] + 1.5 * emotion)[:, brows].clip(0, 1), atol=1e-6)
    smile = Gains(expressivity=1.5, regions={"mouth": 0.5, "smile": 0.4}).of_emotion()
    assert smile[INDEX["mouthSmileLeft"]] == pytest.approx(0.3)
    assert smile[INDEX["mouthFrownLeft"]] == pytest.approx(0.75)


@settings(max_examples=20)
@given(FACTOR, FACTOR, st.dictionaries(st.sampled_from(sorted(REGIONS)), FACTOR), st.integers(0, 2**31))
def test_coefficients_stay_in_range(face, expressivity, articulation, regions, seed):
    expressive, neutral = np.random.default_rng(seed).uniform(size=(2, 12, 52)).astype(np.float32)
    result = apply_gains(expressive, neutral, Gains(expressivity, articulation, regions), face)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1


def test_factors_of_shapes_leave_closed_lips_closed(face):
    """A jaw that opens under closed lips is not scaled; where lips are apart it is."""
    finished = np.zeros((2, len(face.shapes)), np.float32)
    jaw, close = face.shape_index["jawOpen"], face.shape_index["mouthClose"]
    finished[:, jaw], finished[0, close] = 0.4, 0.4
    scaled = Gains(shapes={"jawOpen": 1.5, "mouthClose": 0.5}).of_shapes(finished, face.shapes)
    np.testing.assert_array_equal(scaled[0], finished[0])
    assert scaled[1, jaw] == pytest.approx(0.6)


def test_factors_of_shapes_scale_the_finished_motion(motions, face):
    gains = Gains(shapes={"jawOpen": 1.5, "eyeBlinkLeft": 0.0})
    assert not gains.leaves_motion_as_is
    assert not gains.split_motion
    assert apply_gains(*motions, gains, face) is motions[0]
    finished = np.full((4, len(face.shapes)), 0.8, np.float32)
    scaled = gains.of_shapes(finished, face.shapes)
    index = face.shape_index
    assert (scaled[:, index["jawOpen"]] == 1.0).all()  # clipped
    assert (scaled[:, index["eyeBlinkLeft"]] == 0.0).all()
    untouched = [k for name, k in index.items() if name not in gains.shapes]
    assert (scaled[:, untouched] == finished[:, untouched]).all()
    assert Gains(shapes={"jawOpen": 1.0}).of_shapes(finished, face.shapes) is finished
    assert "shapes" not in Gains(1.2).described()
    assert gains.described()["shapes"] == gains.shapes
    with pytest.raises(InputError, match="no shape 'jawopen'"):
        Gains(shapes={"jawopen": 1.0})
    with pytest.raises(InputError, match="out of range"):
        Gains(shapes={"jawOpen": 2.1})


def test_every_region_has_shapes():
    assert all(Gains(regions={name: 0.0}).of_emotion().min() == 0 for name in REGIONS)


def test_bad_gains_are_said():
    gains = LiveMotion(gain=read_factors(["brows=1.3", "smile=.7", "brows=1", "jawOpen=1.2"])).gains
    assert (gains.regions, gains.shapes) == ({"brows": 1.0, "smile": 0.7}, {"jawOpen": 1.2})
    for text in ("brows", "brows=much", "=2="):
        with pytest.raises(InputError, match="is not NAME=NUMBER"):
            read_factors([text])
    with pytest.raises(InputError, match=r"no region 'ears'.*, frown, or a shape of ARKit"):
        Gains(regions={"ears": 1.0})
    with pytest.raises(InputError, match=r"no shape 'lidss' of ARKit: did you mean lids\?"):
        Gains(offsets={"lidss": 0.1})
    for value in (2.5, -0.1, float("nan")):
        with pytest.raises(InputError, match="out of range"):
            Gains(regions={"brows": value})


@pytest.mark.parametrize("given", [["--gain", "ears=1"], ["--gain", "brows"], ["--articulation", "3"]])
def test_the_command_refuses_bad_gains(tmp_path, given):
    done = CliRunner().invoke(app, ["animate", str(SAMPLE), "-o", str(tmp_path / "out"), "-q", *given])
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_offsets_add_and_limits_hold(motions, face) -> None:
    finished = np.pad(motions[0], ((0, 0), (0, len(face.shapes) - 52)))
    gains = Gains(offsets={"lids": 0.2, "browInnerUp": -0.5}, limits={"jawOpen": 0.1, "lids": 0.6})
    made = dict(zip(face.shapes, gains.of_shapes(finished, face.shapes).T, strict=True))
    before = dict(zip(face.shapes, finished.T, strict=True))
    assert made["jawOpen"].max() <= 0.1 + 1e-6
    np.testing.assert_allclose(made["eyeBlinkLeft"], np.clip(before["eyeBlinkLeft"] + 0.2, 0, 0.6), atol=1e-6)
    np.testing.assert_allclose(made["browInnerUp"], np.clip(before["browInnerUp"] - 0.5, 0, 1), atol=1e-6)
    np.testing.assert_array_equal(made["noseSneerLeft"], before["noseSneerLeft"])
    wider = Gains(offsets={"lips": 0.3}).of_shapes(finished, face.shapes)
    closed = beyond_rest(face, finished) < 0.001
    assert closed.any()
    np.testing.assert_allclose(beyond_rest(face, wider)[closed], beyond_rest(face, finished)[closed], atol=3e-4)
    assert (wider[:, face.shape_index["mouthUpperUpLeft"]] > finished[:, face.shape_index["mouthUpperUpLeft"]]).any()
    for bad in ({"offsets": {"ears": 0.1}}, {"offsets": {"lips": 1.5}}, {"limits": {"jawOpen": -0.1}}):
        with pytest.raises(InputError):
            Gains(**bad)


def test_smoothing_calms_its_region_and_leaves_closed_lips_closed(motions) -> None:
    weights = dict(zip(ARKIT_52, motions[0].T, strict=True))
    made = smoothed(weights, {"lower": 0.3, "upper": 0.0}, 50.0)
    np.testing.assert_array_equal(made["browInnerUp"], weights["browInnerUp"])
    gap = sum(size * weights[name] for name, size in RULES.shape_gaps.items())
    apart = minimum_filter1d(gap, 7)[1:-1] > RULES.apart_gap
    rough, calm = (np.abs(np.diff(w["jawOpen"], 2))[apart].mean() for w in (weights, made))
    assert apart.sum() > 50
    assert calm < 0.5 * rough
    kept = sum(size * made[name] for name, size in RULES.shape_gaps.items())
    closed = gap < RULES.closed_gap
    assert closed.any()
    assert (kept[closed] <= gap[closed] + 1e-4).all()
    assert smoothed(weights, {}, 50.0) == {name: pytest.approx(w) for name, w in weights.items()}
    with pytest.raises(InputError, match="upper or lower"):
        Motion(smooth={"nose": 0.2}).check_names()


@pytest.mark.parametrize("seconds", [-1.0, 1.01, 99.0, math.nan, math.inf])
def test_smoothing_has_one_range_wherever_it_is_given(seconds: float) -> None:
    kind = declared(Motion)["smooth"].kind
    (about,) = get_args(get_args(kind)[1])[1:]
    assert (about.least, about.most) == (0.0, MAX_SMOOTHING)
    motion = Motion(smooth={"upper": seconds})
    animator = Animator.from_pretrained()
    with pytest.raises(InputError, match=r"upper=.* is out of range: use 0 to 1 seconds"):
        motion.check_names()
    with pytest.raises(InputError, match="is out of range"):
        animator("there is no such file.wav", motion=motion)
    with pytest.raises(InputError, match="is out of range"):
        animator.scene("there is no such file.wav", motion=motion)
