"""Channels and window functionals against their definitions, frame by frame."""

import numpy as np
import pytest
import scipy.fft
import torch

from sedtalker.emotion.diarizer_model import (
    CEPSTRA,
    PITCH_CHANNELS,
    SPEECH_CHANNELS,
    SPOKEN,
    VOICED,
    Voice,
    pool_voices,
)
from sedtalker.emotion.functionals import (
    centre_on_voice,
    functionals,
    moments,
    prosody_channels,
    voice_channels,
    window_sum,
)

FRAMES = 30


def change(track: np.ndarray, lag: int = 2) -> np.ndarray:
    at = np.arange(len(track))
    return track[np.minimum(at + lag // 2, len(track) - 1)] - track[np.maximum(at - lag // 2, 0)]


def relative(values: np.ndarray, weight: np.ndarray, floor: float) -> np.ndarray:
    mean = np.average(values, weights=weight)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=weight) + 1e-4)
    return (values - mean) / (deviation + floor)


@pytest.fixture(params=[(900.0, 3.0), (-900.0, -4.0)])
def talk(request: pytest.FixtureRequest) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
    """Prosody (1, T, 4) with an outlier, speech, valid, and the bound that it meets."""
    rng = np.random.default_rng(0)
    prosody = rng.normal(size=(FRAMES, 4)) * (2.0, 0.3, 0.0, 1.5) + (-6, 0.1, 0.0, -3)
    prosody[:, 2] = np.where(np.arange(FRAMES) % 5 < 3, 0.6, 0.5)
    prosody[4, 0], prosody[6, 1] = request.param[0], 9.0
    speech = torch.ones(1, FRAMES, dtype=torch.bool)
    speech[0, 20:24] = False
    valid = torch.arange(FRAMES)[None] < 27
    return torch.from_numpy(prosody)[None], speech, valid, request.param[1]


def test_prosody_is_set_against_the_speakers_own(talk) -> None:
    prosody, speech, valid, bound = talk
    spoken, pitch, voiced = (x[0].numpy() for x in prosody_channels(prosody, speech, valid, 500))
    energy, f0, voicing, tilt = prosody[0].numpy().T
    counts = (speech & valid)[0].numpy()
    rings = counts & (voicing > 0.55)
    np.testing.assert_array_equal(voiced, rings)
    level = np.clip(relative(energy, counts, 0.5), -4, 3)
    assert level[4] == bound
    rise = change(level)
    tone = tilt - np.average(tilt, weights=counts)
    expected = np.column_stack([level, np.abs(rise), voicing, rings, 0.3 * tilt, 0.4 * tone, rise])
    expected[~valid[0].numpy()] = 0.0
    assert expected.shape[1] == len(SPEECH_CHANNELS)
    np.testing.assert_allclose(spoken, expected, atol=1e-6)
    columns = [2 * f0, relative(f0, rings, 0.1), 8 * np.abs(change(f0)), 4 * change(f0, 4)]
    melody = np.clip(np.column_stack(columns), -4, 4)
    melody[~rings] = 0.0
    assert melody.shape[1] == len(PITCH_CHANNELS)
    np.testing.assert_allclose(pitch, melody, atol=1e-6)


def test_the_voice_is_its_spectrum_how_that_moves_and_its_cepstrum() -> None:
    rng = np.random.default_rng(1)
    mel = rng.normal(size=(FRAMES, 80))
    channels, pitch = rng.normal(size=(FRAMES, 7)), rng.normal(size=(FRAMES, 4))
    spoken, voiced = (
        x[0].numpy() for x in voice_channels(*(torch.from_numpy(a)[None] for a in (mel, channels, pitch)))
    )
    bands = 0.4 * mel.reshape(FRAMES, 40, 2).mean(-1)
    wide = bands.reshape(FRAMES, 20, 2).mean(-1)
    step, slope, slide = change(wide), change(wide, 4), change(wide, 8)
    up, down = np.maximum(step, 0), np.maximum(-step, 0)
    np.testing.assert_allclose(spoken, np.hstack([bands, up, down, abs(slope), abs(slide), channels]), atol=1e-6)
    cepstrum = scipy.fft.dct(bands, norm="ortho")[:, 1 : CEPSTRA + 1]
    np.testing.assert_allclose(voiced, np.hstack([pitch, wide, abs(slope), cepstrum]), atol=1e-5)
    assert (spoken.shape[1], voiced.shape[1]) == (SPOKEN, VOICED)


@pytest.mark.parametrize(("half", "every"), [(2, 1), (3, 4), (0, 1), (50, 4)])
def test_a_window_is_summed_about_the_middle_of_each_stretch(half: int, every: int) -> None:
    values = torch.arange(1.0, 12.0, dtype=torch.float64)[None, :, None]
    got = window_sum(values, half, every)[0, :, 0].tolist()
    middles = [start + every // 2 for start in range(0, 11, every)]
    assert got == [sum(v + 1 for v in range(11) if abs(v - m) <= half) for m in middles]


def test_functionals_are_means_and_deviations_window_after_window() -> None:
    rng = np.random.default_rng(2)
    loud, sung = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    spoken, voiced = rng.integers(0, 2, 12).astype(float), rng.integers(0, 2, 12).astype(float)
    spoken[3:9] = voiced[4:8] = 1
    given = (torch.from_numpy(x)[None] for x in (loud, sung, spoken, voiced))
    rows = functionals(*given, [3, 50], 4)[0].numpy()
    assert rows.shape == (3, 2 * 2 * 5)
    expected = []
    for middle in (2, 6, 10):
        row = []
        for half in (3, 50):
            near = np.abs(np.arange(12) - middle) <= half
            for values, weight in ((loud, spoken * near), (sung, voiced * near)):
                mean = np.average(values, axis=0, weights=weight)
                row += [*mean, *np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight) + 1e-4)]
        expected.append(row)
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_moments_undo_functionals() -> None:
    rng = np.random.default_rng(3)
    loud, sung = rng.normal(size=(1, 40, 5)), rng.normal(size=(1, 40, VOICED))
    weight = torch.ones(1, 40, dtype=torch.float64)
    row = functionals(torch.from_numpy(loud), torch.from_numpy(sung), weight, weight, [99], 40)[0, 0]
    mean, square = moments(row)
    both = np.concatenate([loud, sung], -1)[0]
    np.testing.assert_allclose(mean, both.mean(0), atol=1e-6)
    np.testing.assert_allclose(square, (both**2).mean(0), atol=1e-6)


def test_voices_count_by_their_frames_of_speech_and_of_voiced_speech() -> None:
    def voice(speech: float, sung: float, value: float) -> Voice:
        flat = torch.full((3 + VOICED,), value)
        return Voice(torch.tensor([speech, sung]), flat, flat.square())

    pooled = pool_voices([voice(30, 0, 1.0), voice(10, 50, 2.0)])
    assert pooled.weight.tolist() == [40, 50]
    assert pooled.mean[:3].tolist() == pytest.approx([1.25] * 3)
    assert pooled.mean[3:].tolist() == pytest.approx([2.0] * VOICED)
    assert pooled.square[0] == pytest.approx((30 + 40) / 40)
    nobody = pool_voices([voice(0, 0, 5.0)])
    assert not nobody.mean.any()


def test_a_voice_that_was_never_voiced_changes_speech_alone() -> None:
    row = torch.rand(2 * (3 + VOICED)) + 0.1
    flat = torch.zeros(3 + VOICED)
    changed = centre_on_voice(row, torch.tensor([10.0, 10.0]), Voice(torch.tensor([10.0, 0.0]), flat, flat))
    torch_equal = torch.isclose(changed, row)
    assert not torch_equal[:6].any()
    assert torch_equal[6:].all()
    assert torch.allclose(changed[:3], 0.5 * row[:3]), "pooled with as many frames of zero"
