"""Names of blend shapes as programs and artists write them, and the shapes they become."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.blend_shapes import BlendShapes, is_basis, own_shapes, understand


@pytest.mark.parametrize("shape", ARKIT_52)
@pytest.mark.parametrize("prefix", ["", "head_", "blendShape1.", "A25_", "CC_Base_Body:", "Face|"])
def test_every_arkit_name_is_understood_with_words_before_it(shape: str, prefix: str) -> None:
    for name in (shape, shape.lower(), shape.upper(), shape[0].upper() + shape[1:]):
        found = understand(prefix + name)
        assert found is not None
        assert (found.shapes, found.side) == ((shape,), "")


@pytest.mark.parametrize(
    ("name", "shapes", "side"),
    [
        ("mouthSmile_L", ("mouthSmileLeft",), ""),
        ("mouthSmile.R", ("mouthSmileRight",), ""),
        ("eye_blink_left", ("eyeBlinkLeft",), ""),
        ("L_browDown", ("browDownLeft",), ""),
        ("Eye_Look_In_R", ("eyeLookInRight",), ""),
        ("jaw_L", ("jawLeft",), ""),
        ("mouthRight", ("mouthRight",), ""),
        ("jawOpen.001", ("jawOpen",), ""),
        ("browInnerUp_L", ("browInnerUp",), "Left"),
        ("cheekPuffRight", ("cheekPuff",), "Right"),
        ("mouthSmile", ("mouthSmileLeft", "mouthSmileRight"), ""),
        ("head_EyeBlink", ("eyeBlinkLeft", "eyeBlinkRight"), ""),
    ],
)
def test_sides(name: str, shapes: tuple[str, ...], side: str) -> None:
    found = understand(name)
    assert found is not None
    assert (found.shapes, found.side) == (shapes, side)


@pytest.mark.parametrize(
    "name",
    ["", "Angry", "jaw", "mouth", "left", "aa", "fix_eyeBlinkLeft", "mouthSmile+jawOpen", "eyeBlink2Left"],
)
def test_what_is_no_shape_is_none(name: str) -> None:
    assert understand(name) is None


@given(st.text(max_size=40))
def test_any_text_is_a_shape_or_none(text: str) -> None:
    found = understand(text)
    assert found is None or set(found.shapes) <= set(ARKIT_52)


def test_a_few_shapes_make_a_basis() -> None:
    assert is_basis(["mouthSmile", "jawOpen"], ARKIT_52)
    assert not is_basis(["Angry", "Surprised", "Sad", "jawOpen"], ARKIT_52)


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
