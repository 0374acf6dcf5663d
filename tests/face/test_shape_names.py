"""Names of blend shapes as programs and artists write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.blend_shapes import is_basis, understand


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
