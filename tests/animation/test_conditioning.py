"""How far a face departs from plain talking, and cuts that become onsets, by hand."""

import math

import numpy as np
import pytest
import torch

from sedtalker.animation.conditioning import DOWN, UP, Style, UpperFaceStream, ease_cuts, emotional
from sedtalker.animation.decoder_network import Conditioning
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52


def expressed(intensity: float, neutral: float, style: Style = Style()) -> float:
    posterior = np.zeros((1, 7), np.float32)
    posterior[:, 0], posterior[:, 3] = neutral, 1 - neutral
    return float(emotional(posterior, np.full(1, intensity, np.float32), style)[0, 0])


def test_how_emotional_a_frame_is() -> None:
    assert expressed(0.0, 0.0) == expressed(1.0, 1.0) == 0.0
    assert expressed(0.25, 0.0) == pytest.approx(math.tanh(1.0), abs=1e-6)
    assert expressed(0.5, 0.5) == pytest.approx(math.tanh(1.0), abs=1e-6)


def test_a_style_departs_as_an_intensity_does_in_either_direction() -> None:
    for style in (Style(rounding=0.25), Style(articulation=-0.25, crispness=0.1)):
        assert expressed(0.0, 1.0, style) == pytest.approx(math.tanh(1.0), abs=1e-6)
    both = expressed(0.25, 0.0, Style(dynamics=0.25))
    assert both == pytest.approx(1 - (1 - math.tanh(1.0)) ** 2, abs=1e-6), "what is left of plain talking multiplies"


def test_a_style_gives_the_values_that_are_asked_for() -> None:
    assert Style(0.1, 0.2, 0.3, 0.4).code(["crispness", "articulation"]) == [0.4, 0.1]


def test_the_condition_is_a_blend_scaled_by_the_intensity() -> None:
    torch.manual_seed(0)
    net = Conditioning(6, 1)
    with torch.no_grad():
        net.mix.weight.zero_()
        net.mix.bias.zero_()
        net.style.bias.zero_()
        posterior = torch.zeros(1, 1, 7)
        posterior[..., 1], posterior[..., 2] = 0.25, 0.75
        got = net(posterior, torch.full((1, 1), 0.5), torch.full((1, 1), 2.0))[0, 0]
        blend = 0.5 * (0.25 * net.categories[1] + 0.75 * net.categories[2]) + 2.0 * net.style.weight[:, 0]
        assert torch.allclose(got, blend)
        net.mix.bias.fill_(1.0)
        silu = 1 / (1 + math.exp(-1.0))
        got = net(posterior, torch.full((1, 1), 0.5), torch.full((1, 1), 2.0))[0, 0]
        assert torch.allclose(got, blend + silu)


@pytest.mark.parametrize("width", [16, 400])
def test_categories_begin_with_about_the_same_length_at_any_width(width: int) -> None:
    torch.manual_seed(0)
    lengths = Conditioning(width, 1).categories.detach().norm(dim=1)
    assert 0.6 < float(lengths.min()) < float(lengths.max()) < 1.5


def cut(at: int, step: float, frames: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Happy throughout, its intensity rising by a step."""
    posterior = np.tile(np.eye(len(CATEGORIES), dtype=np.float32)[1], (frames, 1))
    return posterior, np.where(np.arange(frames) < at, 0.1, 0.1 + step).astype(np.float32)


@pytest.mark.parametrize(("step", "eased"), [(0.11, False), (0.13, True), (-0.09, False)])
def test_only_steps_that_no_face_makes_are_eased(step: float, eased: bool) -> None:
    posterior, intensity = cut(40, step)
    assert (ease_cuts(posterior, intensity)[1] is not intensity) == eased


def test_a_step_is_spread_over_sixteen_frames_about_the_cut() -> None:
    posterior, intensity = cut(40, 0.8)
    _, eased = ease_cuts(posterior, intensity)
    moved = np.flatnonzero(np.diff(eased) > 1e-6)
    assert (moved[0], moved[-1]) == (31, 47)
    np.testing.assert_allclose(eased[39:41].mean(), 0.5, atol=1e-6)
    np.testing.assert_allclose(eased + eased[::-1], 1.0, atol=1e-6)
    assert eased[:32] == pytest.approx(0.1)
    assert eased[48:] == pytest.approx(0.9)


def test_slow_changes_near_no_cut_keep_their_shape() -> None:
    posterior, intensity = cut(60, 0.6, 100)
    wave = (0.05 * np.sin(np.arange(100) / 3)).astype(np.float32)
    _, eased = ease_cuts(posterior, intensity + wave)
    np.testing.assert_array_equal(eased[:52], (intensity + wave)[:52])
    np.testing.assert_array_equal(eased[68:], (intensity + wave)[68:])
    assert np.abs(np.diff(eased)).max() < 0.12


def test_an_expression_comes_faster_than_it_fades_and_a_stream_is_a_recording() -> None:
    assert (UP >= DOWN).all(), "UpperFaceStream takes the larger step"
    posterior = np.eye(7, dtype=np.float32)[np.repeat([0, 6, 0], 60)]  # neutral, surprise, neutral
    given = np.zeros((180, 52), np.float32), posterior, np.ones(180, np.float32)
    whole = UpperFaceStream(np.ones(52, np.float32)).push(*given)
    wide = whole[:, ARKIT_52.index("eyeWideLeft")]
    rises, falls = np.diff(wide)[59:62].sum(), -np.diff(wide)[119:122].sum()
    assert rises > 2 * falls > 0.0
    stream = UpperFaceStream(np.ones(52, np.float32))
    pieces = [stream.push(*(part[a : a + 7] for part in given)) for a in range(0, 180, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
