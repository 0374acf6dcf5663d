from __future__ import annotations

import pytest
import torch

from sedtalker.training.published.decoder_forms import (
    AutoregressiveDecoder,
    CachedAutoregressiveDecoder,
    DecoderFormConfig,
    WindowDecoder,
    build_form,
)


def _inputs(frames=30):
    torch.manual_seed(0)
    posterior = torch.softmax(torch.randn(2, frames, 7), -1)
    return torch.randn(2, frames, 8), posterior, torch.rand(2, frames), torch.zeros(2, 4)


def _config(architecture):
    return DecoderFormConfig(architecture=architecture, hidden=4, width=16, condition=8, heads=2, dropout=0.0)


FORMS = [("window", WindowDecoder), ("autoregressive", AutoregressiveDecoder)]


@pytest.mark.parametrize(("architecture", "kind"), FORMS)
def test_a_form_is_built_and_moves(architecture, kind):
    decoder = build_form(_config(architecture)).eval()
    assert isinstance(decoder, kind)
    assert decoder(*_inputs()).shape == (2, 30, 52)


def test_a_window_sees_eight_frames_on_either_side():
    decoder = build_form(_config("window")).eval()
    speech, *rest = _inputs(60)
    changed = speech.clone()
    changed[:, 30] += 1.0
    moved = (decoder(speech, *rest) - decoder(changed, *rest)).abs().amax(-1)[0] > 1e-7
    assert moved[23:38].any()
    assert not moved[:22].any()
    assert not moved[39:].any()


def test_autoregression_equals_one_pass_over_its_own_output():
    decoder = build_form(_config("autoregressive")).eval()
    assert isinstance(decoder, AutoregressiveDecoder)
    speech, posterior, intensity, style = _inputs(20)
    made = decoder(speech, posterior, intensity, style)
    past = torch.nn.functional.pad(made, (0, 0, 1, 0))[:, :-1]
    again = decoder._run(past, decoder.speech(speech), decoder.conditioning(posterior, intensity, style))
    assert torch.allclose(made, again, atol=1e-5)


def test_teaching_gives_gradients():
    decoder = build_form(_config("autoregressive")).train()
    inputs = _inputs(20)
    decoder.forward_teacher_forced(*inputs, torch.rand(2, 20, 52)).square().mean().backward()
    assert decoder.past.weight.grad.abs().sum() > 0


def test_keeping_the_past_changes_nothing():
    """30 frames reach into a second period."""
    plain = AutoregressiveDecoder(_config("autoregressive")).eval()
    kept = CachedAutoregressiveDecoder(_config("autoregressive")).eval()
    kept.load_state_dict(plain.state_dict())
    one = [values[:1] for values in _inputs(30)]
    assert torch.allclose(plain(*one), kept(*one), atol=1e-5)
