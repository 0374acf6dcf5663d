"""Pseudo-labels of mouth motion from a teacher's layers, made up here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.animation.decoder_network import MouthReadout
from sedtalker.animation.mouth_readout import MouthReadoutConfig
from sedtalker.audio import resample_frames
from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import correlation
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.corpora.feature_store import SpeechCache
from sedtalker.training.corpora.tracked_motion import TrackedClip
from sedtalker.training.motion import pseudo_labels as pseudo
from sedtalker.training.motion.alignment import PhoneSpan
from sedtalker.training.motion.spoken_motion import Rest, SpokenMotion, measure_lips, pause

CONFIG = MouthReadoutConfig(backbone=BackboneConfig(name="t", side_by_side=(1,)), layer_channels=3, width=3, reach=1)
FRAMES = 150


@dataclass(frozen=True, eq=False)
class MadeUp(SpeechCache):
    """Layers by the name of the file: slow waves, other ones for each."""

    def get(self, path: Path) -> np.ndarray:
        times = FRAME_CLOCK.times(FRAMES)
        phase = 1.0 + len(path.stem)
        return np.stack([np.sin(2 * np.pi * (k + 1) * times + phase) for k in range(3)], 1).astype(np.float16)


def teacher() -> pseudo.TeacherLayers:
    cache = MadeUp.__new__(MadeUp)
    return pseudo.TeacherLayers(MouthReadout(CONFIG), cache)


def clip(name: str) -> TrackedClip:
    """A talker whose lips follow the second wave, 25 frames a second."""
    times = (np.arange(75) + 0.5) / 25.0
    layers = teacher().of(Path(name)).numpy()
    height = 0.05 + 0.04 * resample_frames(layers, FRAME_CLOCK.times(FRAMES), times)[:, 1]
    features = np.stack([height, 0.5 + 0 * height, *[0 * height] * 3], 1).astype(np.float32)
    coefficients = np.zeros((75, 52), np.float32)
    coefficients[:, INDEX["jawOpen"]] = 4.0 * height
    return TrackedClip(name, "train", Path(name), "", times, coefficients, features, pseudo.LIP_FEATURES)


def readout() -> pseudo.MotionReadout:
    return pseudo.fit_motion_readout(teacher(), [clip("a"), clip("bb"), clip("ccc")])


def test_a_readout_of_some_tells_of_others() -> None:
    found, truth = pseudo.pseudo_clip(readout(), Path("ffffff.opus")), clip("ffffff")
    height = found.feature_at("inner_lip_height", truth.times)
    assert correlation(height[5:-5], truth.feature("inner_lip_height")[5:-5]) > 0.99
    assert found.coefficients[:, INDEX["jawOpen"]].mean() == pytest.approx(0.2, abs=0.02)
    assert len(found.times) == FRAMES


def test_targets_are_distances_and_even_shapes() -> None:
    targets = pseudo.motion_targets(clip("a"))
    assert targets.shape == (75, len(pseudo.LIP_FEATURES) + len(pseudo.MOTION_SHAPES))
    np.testing.assert_allclose(targets[:, 0], clip("a").feature("inner_lip_height"))
    column = len(pseudo.LIP_FEATURES) + pseudo.MOTION_SHAPES.index("jawOpen")
    np.testing.assert_allclose(targets[:, column], clip("a").coefficients[:, INDEX["jawOpen"]])


def mixed(share: float, spans: list[PhoneSpan]) -> tuple[SpokenMotion, TrackedClip]:
    measure = measure_lips(load_face())
    one = pseudo.pseudo_clip(readout(), Path("ffffff.opus"))
    still = pause(FRAMES)
    closed = np.zeros(FRAMES, np.float32)
    closed[40:45] = 1.0
    phones = SpokenMotion(**{**still.__dict__, "closure": closed, "talking": np.ones(FRAMES, np.float32)})
    rest = Rest(np.zeros(52, np.float32), 0.5)
    return pseudo.mixed_motion(one, phones, spans, rest, measure, share), one


def test_phones_and_readout_are_mixed_and_bilabials_stay_closed() -> None:
    spans = [PhoneSpan("AA", 0.0, 0.8), PhoneSpan("B", 0.8, 0.9), PhoneSpan("AA", 0.9, 3.0)]
    (none, _), (half, one), (whole, _) = (mixed(share, spans) for share in (0.0, 0.5, 1.0))
    assert not none.gap.any(), "the phones of this recording were said to rest"
    open_frames = np.r_[10:35, 50:140]
    np.testing.assert_allclose(half.gap[open_frames], 0.5 * whole.gap[open_frames], atol=1e-6)
    assert correlation(whole.gap[open_frames], one.feature("inner_lip_height")[open_frames]) > 0.99
    assert not whole.gap[40:45].any()
    np.testing.assert_array_equal(whole.closure, none.closure)


def test_layers_are_read_as_the_fit_read_them() -> None:
    weights = readout()
    values = weights(Path("a"))
    layers = torch.cat([teacher().of(Path("a"))[[0, 0]], teacher().of(Path("a")), teacher().of(Path("a"))[[-1, -1]]])
    by_hand = sum(layers[2 * k : 2 * k + FRAMES] @ weights.weight[:, :, k].T for k in range(3)) + weights.bias
    np.testing.assert_allclose(values, by_hand.numpy(), atol=1e-5)
