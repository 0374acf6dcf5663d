"""What a graphics card computes is what the processor computes; skipped where there is no card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from sedtalker import Animator, Face
from sedtalker.cli.main import app
from sedtalker.nn.mamba import cuda_kernel, selective_scan
from tests.support.clips import SAMPLE

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")


def scan_inputs(length: int, device: str, dtype: torch.dtype) -> list[torch.Tensor]:
    """u, delta, A, B, C, D and z of two recordings; they ask for gradients."""
    g = torch.Generator().manual_seed(0)
    delta = torch.nn.functional.softplus(torch.randn(2, 64, length, generator=g) - 3.0)
    values = [torch.randn(2, 64, length, generator=g), delta, -torch.exp(torch.randn(64, 8, generator=g))]
    values += [torch.randn(2, 8, length, generator=g) for _ in "BC"]
    values += [torch.randn(64, generator=g), torch.randn(2, 64, length, generator=g)]
    return [value.to(device, dtype).requires_grad_() for value in values]


@pytest.mark.parametrize("length", [1, 7, 300, 1000])
@pytest.mark.parametrize("kernel", [True, False])
def test_scan_and_its_gradients_are_those_of_the_processor(
    length: int, kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernel:
        monkeypatch.setattr("sedtalker.nn.mamba.cuda_kernel", lambda: None)
    elif cuda_kernel() is None:
        pytest.skip("mamba_ssm is not installed")
    found = []
    for device, dtype in (("cuda", torch.float32), ("cpu", torch.float64)):
        values = scan_inputs(length, device, dtype)
        y, state = selective_scan(*values)
        found.append([x.detach().cpu().double() for x in (y, state, *torch.autograd.grad(y.square().sum(), values))])
    for on_card, on_processor in zip(*found, strict=True):
        assert (on_card - on_processor).abs().max() <= 1e-4 * on_processor.abs().max().clamp_min(1e-6)


def test_motion_and_track_are_those_of_the_processor() -> None:
    on_processor, on_card = (
        Animator.from_pretrained(device=device)(SAMPLE, face=Face.builtin()) for device in ("cpu", "cuda")
    )
    assert on_processor.track is not None
    assert on_card.track is not None
    np.testing.assert_allclose(on_card.track.posterior, on_processor.track.posterior, atol=1e-4)
    np.testing.assert_allclose(on_card.coefficients, on_processor.coefficients, atol=1e-3)
    assert np.abs(on_card.coefficients).max() > 0.2


def test_the_command_takes_the_card(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["diarize", str(SAMPLE), "--device", "cuda", "--json"])
    assert run.exit_code == 0, run.output
    plain = CliRunner().invoke(app, ["diarize", str(SAMPLE), "--json"])
    found, expected = (json.loads(r.stdout)["segments"] for r in (run, plain))
    assert [s["label"] for s in found] == [s["label"] for s in expected]
