"""Long recordings are worked on a part at a time; the parts must not show."""

import torch

from sedtalker.speech import features
from sedtalker.speech.features import level_gain, speech_mask


def test_parts_do_not_show(monkeypatch):
    rng = torch.Generator().manual_seed(0)
    samples = 0.1 * torch.randn(1, 48_000, generator=rng) * torch.linspace(0, 1, 48_000)
    mel = torch.randn(1, 300, 80, generator=rng)
    whole = level_gain(samples), speech_mask(mel)
    monkeypatch.setattr(features, "MINUTE", 37)
    assert torch.equal(level_gain(samples), whole[0])
    assert torch.equal(speech_mask(mel), whole[1])


def test_some_frames_are_those_of_all():
    samples = torch.randn(2, 16_123, generator=torch.Generator().manual_seed(0))
    for length in (features.WINDOW_LENGTH, features.PITCH_WINDOW):
        whole = features._frames(samples, length)
        assert whole.shape[1] == features.frame_count(samples.shape[1])
        for first, last in ((0, 1), (0, 50), (37, 74), (90, 102), (101, 500)):
            assert torch.equal(features._frames(samples, length, first, last), whole[:, first:last])
