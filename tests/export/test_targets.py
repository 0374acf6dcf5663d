from __future__ import annotations

import numpy as np
import pytest

from sedtalker.animation.articulation import TONGUE
from sedtalker.export.targets import FEWEST, choose_targets
from sedtalker.face.arkit import ARKIT_52
from tests.support.moving import moving_cube, speaking_face


def test_all_targets_are_the_face_itself() -> None:
    animation = moving_cube()
    face = animation.face
    targets = choose_targets(face, animation.coefficients, "all")
    assert targets.names == ("jawOpen", "mouthClose", "jawOpen_mouthClose")
    offsets = np.tensordot(targets.weights, targets.offsets, axes=1)
    np.testing.assert_allclose(face.mesh.vertices + offsets, face.deform(animation.coefficients), atol=1e-6)


def test_few_targets_lose_less_than_a_twentieth_of_a_millimetre() -> None:
    animation = speaking_face()
    face = animation.face
    targets = choose_targets(face, animation.coefficients, "few")
    assert len(targets.names) == FEWEST == 32
    assert len(set(targets.names)) == FEWEST
    assert {"jawOpen", "mouthSmile", "mouthFunnel"} <= set(targets.names)
    offsets = np.tensordot(targets.weights, targets.offsets, axes=1)
    error = face.mesh.vertices + offsets - face.deform(animation.coefficients)
    rms = float(np.sqrt((error**2).sum(axis=-1).mean()))
    assert rms < 5e-5
    stated, share = targets.residual(face, animation.coefficients)
    assert stated == pytest.approx(rms, rel=0.05)
    assert 0.0 < share < 0.01
    described = targets.describe(face, animation.coefficients)
    assert described == {"targets": 32, "residual_mm": round(1e3 * stated, 5), "residual_share": round(share, 6)}


def test_targets_that_cannot_be_joined_stay() -> None:
    """Independent motion of everything: no 32 shapes say the same."""
    animation = speaking_face(40)
    coefficients = np.random.default_rng(0).uniform(0, 1, (40, len(animation.face.shapes))).astype(np.float32)
    targets = choose_targets(animation.face, coefficients, "few")
    assert len(targets.names) > FEWEST
    assert targets.residual(animation.face, coefficients)[0] < 5e-5


def test_arkit_targets_are_the_52_and_the_tongue_where_there_is_one() -> None:
    for animation in (moving_cube(), speaking_face(8)):
        targets = choose_targets(animation.face, animation.coefficients, "arkit")
        assert targets.names[:52] == ARKIT_52
        assert [name for name in targets.names[52:] if not name.startswith("fix_")] == [
            name for name in TONGUE if name in animation.face.shapes
        ]
        assert targets.weights.shape == (len(animation), len(targets.names))
        assert targets.weights.min() >= 0.0
        assert targets.weights.max() <= 1.0
    assert targets.residual(animation.face, animation.coefficients)[1] < 0.05


def test_a_still_face_has_its_named_shapes() -> None:
    face = moving_cube().face
    for kind in ("few", "all"):
        targets = choose_targets(face, None, kind)
        assert targets.names == face.shapes
        assert targets.weights.shape == (0, len(face.shapes))
