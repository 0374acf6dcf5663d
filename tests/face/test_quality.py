"""A poor registration scores low and says why; a good one has nothing to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.face.quality import ADVICE, NO_LIDS, NO_LIPS, SHUT, inverted_share, judge
from tests.support.cube import cube_face
from tests.support.mouths import REPORT

GOOD = replace(REPORT, landmark_confidence=0.6, blink_gap=0.2)


def still() -> Face:
    return replace(cube_face(), basis=np.zeros((3, 8, 3), np.float32), regions={})


def slanted_face() -> Face:
    """A built-in face of which nothing moves, sheared by 20 degrees."""
    face = load_face("walter")
    slanted = face.mesh.vertices.copy()
    slanted[:, 0] += 0.36 * slanted[:, 1]
    return replace(face, mesh=face.mesh.with_vertices(slanted), basis=np.zeros_like(face.basis))


def test_a_good_one_has_nothing_to_say() -> None:
    quality = judge(still(), GOOD)
    assert (quality.score, quality.verdict, quality.advice) == (1.0, "good", ())


def test_sealed_lips_and_a_far_fit_are_poor_and_said() -> None:
    quality = judge(still(), replace(GOOD, mouth_opens=False, lip_gap=None, fit_residual=6.0, eyes_found=(True, False)))
    assert quality.verdict == "poor"
    assert set(quality.advice) == {NO_LIPS, NO_LIDS, ADVICE["fit"]}
    assert quality.measured["lips"] is None


def test_no_face_without_a_mouth_is_good() -> None:
    whole = replace(GOOD, mouth_share=1.0, distinct=1.0, motion_size=1.0, asymmetry=0.0)
    assert judge(still(), whole).verdict == "good"
    empty = judge(still(), replace(whole, mouth_share=0.1))
    assert (empty.verdict, empty.advice) == ("poor", (ADVICE["mouth"],))
    sealed = judge(still(), replace(whole, mouth_opens=False, lip_gap=None, mouth_share=None))
    assert sealed.verdict != "good"
    assert sealed.advice == (NO_LIPS,)
    shut = judge(still(), replace(whole, eyes_shut=True))
    assert (shut.verdict, shut.advice) == ("usable", (SHUT,))
    torn = judge(still(), replace(whole, broken=0.1))
    assert (torn.verdict, torn.advice) == ("poor", (ADVICE["surface"],))
    slanted = judge(slanted_face(), whole)
    assert (slanted.verdict, slanted.advice) == ("poor", (ADVICE["halves"],))
    alike = judge(still(), replace(whole, distinct=0.1))
    assert (alike.verdict, alike.advice) == ("poor", (ADVICE["emotions"],))


def test_shapes_twice_or_half_as_large_are_marked_alike() -> None:
    parts = [judge(still(), replace(GOOD, motion_size=size)).parts["size"] for size in (0.5, 2.0, 1.3)]
    assert np.isclose(parts[0], parts[1])
    assert parts[0] < 1.0 == parts[2]


def test_polygons_turned_over_are_counted_once_a_shape() -> None:
    assert inverted_share(still()) == 0.0
    face = still()
    basis = face.basis.copy()
    basis[0] = face.mesh.vertices * (-2, 0, 0)  # jawOpen mirrors the cube: every side turns over or is seen from inside
    normal_x = 4 / 12  # two of six sides have their normal along x; mirrored vertices keep their order
    share = inverted_share(replace(face, basis=basis))
    assert np.isclose(share, (1 - normal_x) / 2)


def with_shape(face: Face, name: str, offsets: np.ndarray) -> Face:
    """A face of which one shape has other offsets (V, 3)."""
    basis = face.basis.copy()
    basis[face.shape_index[name]] = offsets
    return replace(face, basis=basis)
