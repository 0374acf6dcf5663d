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
