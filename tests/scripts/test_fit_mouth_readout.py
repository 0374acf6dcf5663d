"""The ridge regression of a mouth readout, on made-up layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fit_mouth_readout import find_components, fit_ridge, readout_decoder_card

from sedtalker.animation.decoder_network import MouthReadout
from sedtalker.animation.mouth_readout import MouthReadoutConfig
from sedtalker.face.arkit import TALKING_SHAPES
from sedtalker.speech.backbone import BackboneConfig

CONFIG = MouthReadoutConfig(
    backbone=BackboneConfig(name="tiny", side_by_side=(1, 2)), layer_channels=6, width=4, reach=2, step=2
)


def recordings(count: int = 8, frames: int = 90) -> list[torch.Tensor]:
    """Layers with four directions that vary."""
    rng = torch.Generator().manual_seed(0)
    basis = torch.randn(2, 4, 6, generator=rng)
    return [
        torch.cat([torch.randn(frames, 4, generator=rng) @ basis[layer] + 3.0 for layer in range(2)], 1)
        for _ in range(count)
    ]


def test_components_keep_what_varies() -> None:
    readout, layers = MouthReadout(CONFIG), recordings()
    find_components(readout, layers)
    projected = readout.project(layers[0][None])[0]
    back = torch.einsum("tlc,ldc->tld", projected.unflatten(-1, (2, 4)), readout.projection) + readout.mean
    assert torch.allclose(back.flatten(1), layers[0], atol=0.05), "half precision"
    assert projected.mean(0).abs().max() < 1.0


def test_a_linear_mouth_is_found_again() -> None:
    truth = MouthReadout(CONFIG)
    layers = recordings()
    find_components(truth, layers)
    torch.manual_seed(1)
    torch.nn.init.normal_(truth.read.weight, std=0.01)
    torch.nn.init.constant_(truth.read.bias, 0.4)

    def mouth(readout: MouthReadout, one: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(readout.project(one[None]).transpose(1, 2), (4, 4), mode="replicate")
        return readout.read(padded)[0].T.detach()

    found = MouthReadout(CONFIG)
    find_components(found, layers)
    fit_ridge(found, ((one, mouth(truth, one)) for one in layers), penalty=1e-8)
    assert torch.allclose(mouth(found, layers[0]), mouth(truth, layers[0]), atol=1e-3)
    calm = MouthReadout(CONFIG)
    find_components(calm, layers)
    fit_ridge(calm, ((one, mouth(truth, one)) for one in layers), penalty=1e6)
    assert float(calm.read.weight.detach().abs().max()) < 1e-4, "a large penalty leaves the mean"
    assert calm.read.bias.detach().numpy() == pytest.approx(
        np.mean([mouth(truth, one).numpy().mean(0) for one in layers], axis=0), abs=1e-3
    )
    assert len(calm.read.bias) == len(TALKING_SHAPES)


def test_the_card_says_what_is_read() -> None:
    card = readout_decoder_card(CONFIG, "0.900")
    assert "layers 1 and 2" in card
    assert "± 0.1 s" in card
    assert "0.900" in card
