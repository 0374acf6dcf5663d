"""Blend shapes of a file become shapes of ours."""

from __future__ import annotations

import numpy as np

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.blend_shapes import BlendShapes, own_shapes

COUNT = 100
LEFT = np.linspace(0.0, 1.0, COUNT)


def targets(**rows: tuple[int, int, float]) -> BlendShapes:
    """Targets that raise vertices ``first`` to ``last`` by some height."""
    offsets = np.zeros((len(rows), COUNT, 3), np.float32)
    for k, (first, last, height) in enumerate(rows.values()):
        offsets[k, first:last, 1] = height
    return BlendShapes(tuple(rows), offsets)


def test_parts_of_one_shape_are_added_and_rivals_are_not() -> None:
    given = targets(jaw_open=(30, 60, 9.0), jawOpen=(0, 50, 1.0), teeth_jawOpen=(60, 70, 2.0), viseme=(0, 9, 1.0))
    own = own_shapes(given, ARKIT_52, 1.0, lambda: LEFT)
    assert list(own.offsets) == ["jawOpen"]
    assert own.offsets["jawOpen"][:50, 1].tolist() == [1.0] * 50
    assert own.offsets["jawOpen"][60:70, 1].tolist() == [2.0] * 10
    assert not own.offsets["jawOpen"][50:60].any()
    assert (own.doubled, own.ignored) == (("jaw_open",), ("viseme",))


def test_halves_are_joined_and_wholes_parted() -> None:
    given = targets(browInnerUp_L=(50, 100, 1.0), browInnerUp_R=(0, 50, 1.0), mouthSmile=(0, 100, 1.0))
    own = own_shapes(given, ARKIT_52, 1.0, lambda: LEFT)
    assert own.offsets["browInnerUp"][:, 1].tolist() == [1.0] * COUNT
    np.testing.assert_allclose(own.offsets["mouthSmileLeft"][:, 1], LEFT)
    np.testing.assert_allclose(own.offsets["mouthSmileLeft"] + own.offsets["mouthSmileRight"], given.offsets[2])


def test_targets_that_move_nothing_give_no_shape() -> None:
    own = own_shapes(targets(jawOpen=(0, 0, 0.0), cheekPuff=(0, 9, 1e-9)), ARKIT_52, 1.0, lambda: LEFT)
    assert own.offsets == {}
    assert own.empty == ("jawOpen", "cheekPuff")
