"""What breaks in motion is told from what moves well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.face.motion_quality import POSES, lids_open, worst_pose
from sedtalker.face.quality import ADVICE, judge
from tests.support.mouths import REPORT

GOOD = replace(REPORT, landmark_confidence=0.6, blink_gap=0.2)


def with_shape(face: Face, name: str, offsets: np.ndarray) -> Face:
    """A face of which one shape has other offsets (V, 3)."""
    basis = face.basis.copy()
    basis[face.shape_index[name]] = offsets
    return replace(face, basis=basis)


def test_a_sound_face_moves_without_tearing_and_shuts_its_eyes() -> None:
    face = load_face("walter")
    _, breaks = worst_pose(face)
    assert breaks is not None
    assert breaks < 0.02
    shut = lids_open(face)
    assert shut is not None
    assert shut < 0.02


def test_a_face_that_breaks_when_it_moves_is_poor_and_the_pose_is_named() -> None:
    face = load_face("walter")
    skin = face.regions["skin"]
    noise = np.random.default_rng(0).normal(0.0, 0.006, face.mesh.vertices.shape) * skin[:, None]
    torn = with_shape(face, "jawOpen", noise.astype(np.float32))
    pose, breaks = worst_pose(torn)
    assert breaks is not None
    assert breaks > 0.045
    assert "jawOpen" in POSES[pose]
    quality = judge(face, replace(GOOD, breaks=breaks, breaks_in=pose))
    assert quality.verdict == "poor"
    assert quality.advice == (ADVICE["moved"].format(pose=pose),)


def test_lids_that_stay_open_in_a_blink_make_a_face_poor() -> None:
    face = load_face("walter")
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        face = with_shape(face, name, np.zeros_like(face.mesh.vertices))
    share = lids_open(face)
    assert share is not None
    assert share > 0.9
    quality = judge(face, replace(GOOD, lids_open=share))
    assert (quality.verdict, quality.advice) == ("poor", (ADVICE["lids"],))
