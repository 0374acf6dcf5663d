"""Targets keep the surface and its truth; the figures say what they should of known cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from measures.hard_heads import broken_heads, hard_heads, restyled_heads
from measures.judged_shapes import recognised_emotions
from measures.registration import compare, shown, summary, turn_error, verdict
from measures.registration_targets import (
    KINDS,
    Head,
    cut,
    dense_head,
    no_heads,
    other_heads,
    random_identities,
)

from sedtalker.face.builtin import load_face
from sedtalker.face.registration import RegistrationReport
from sedtalker.mesh.mesh import from_triangles
from sedtalker.training.corpora.landmark_samples import random_rotation, sphere
from tests.face.test_quality import GOOD


def area(points: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


@pytest.mark.parametrize("kind", ["same", "refined", "split", "200"])
def test_another_cut_is_the_same_surface(kind: str) -> None:
    points, triangles = sphere(24)
    mean, cut_triangles = cut(kind, points, triangles, np.random.default_rng(0))
    assert np.allclose(np.asarray(mean.sum(axis=1)).reshape(-1), 1.0)
    assert set(np.unique(cut_triangles)) == set(range(mean.shape[0]))
    moved = mean @ points
    assert np.abs(np.linalg.norm(moved, axis=1) - 1).max() < 0.03
    assert area(moved, cut_triangles) == pytest.approx(area(points, triangles), rel=0.05)
    if kind == "200":
        assert 195 <= len(cut_triangles) <= 200


def test_offsets_are_compared_by_size_and_direction() -> None:
    truth = np.random.default_rng(0).normal(size=(50, 3))
    figures = compare(0.5 * truth, truth)
    assert figures["transfer_error"] == pytest.approx(0.5)
    assert figures["transfer_error_after_gain"] == pytest.approx(0.0, abs=1e-9)
    assert figures["transfer_cosine"] == pytest.approx(1.0)
    assert compare(0 * truth, truth)["transfer_error"] == pytest.approx(1.0)


def test_a_turned_head_is_measured_from_its_true_rotation() -> None:
    rotation = random_rotation(np.random.default_rng(1))
    head = Head("a", "same", from_triangles(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32)), rotation, 1)
    upright: RegistrationReport = replace(GOOD, rotation=tuple(tuple(map(float, row)) for row in rotation.T))
    assert turn_error(head, upright) == pytest.approx(0.0, abs=1e-4)
    assert turn_error(
        replace(head, rotation=np.eye(3)), replace(GOOD, rotation=((0, -1, 0), (1, 0, 0), (0, 0, 1)))
    ) == (pytest.approx(90.0))


def test_the_summary_leaves_out_what_a_head_does_not_have() -> None:
    rows = [
        {"seconds": 1.0, "lip_gap": 0.2, "blink_gap": None, "inverted": 0.0, "score": 1.0, "transfer_error": 0.1},
        {"seconds": 3.0, "lip_gap": None, "blink_gap": 0.4, "inverted": 0.002, "score": 0.5},
        {"seconds": 2.0},
    ]
    found = summary(rows)
    assert found["seconds"] == pytest.approx(2.0)
    assert found["transfer_error"] == pytest.approx(0.1)
    assert (found["lip_gap"], found["blink_gap_worst"]) == (0.2, 0.4)
    assert found["inverted_worst"] == 0.002


@pytest.mark.data
def test_there_are_broken_heads_of_a_heads_size(data_dir: Path) -> None:
    heads = dict(broken_heads(data_dir))
    assert len(heads) == 25
    assert all(0.2 < float(np.ptp(mesh.vertices[:, 1])) < 0.5 for mesh in heads.values())


@pytest.mark.data
@pytest.mark.slow
def test_a_broken_head_is_poor(data_dir: Path) -> None:
    name = "turned polygons"
    assert verdict(dict(broken_heads(data_dir))[name], load_face(), name) == "poor"


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["sheared", "spikes", "two heads merged", "eyeballs half as large"])
def test_a_head_put_together_wrongly_is_not_good(data_dir: Path, name: str) -> None:
    assert verdict(dict(broken_heads(data_dir))[name], load_face(), name) in ("usable", "poor", "refused")


@pytest.mark.data
def test_restyled_heads_carry_their_true_shapes_along(data_dir: Path) -> None:
    plain, restyled = restyled_heads(data_dir, [20])
    assert plain.offsets is not None
    assert restyled.offsets is not None
    jaw = head_shape("jawOpen")
    sizes = [float(np.linalg.norm(head.offsets[jaw])) for head in (plain, restyled)]
    assert 0.5 < sizes[1] / sizes[0] < 2.0
    assert not np.isclose(sizes[1], sizes[0], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.data
def test_identities_know_their_landmarks_and_offsets(data_dir: Path) -> None:
    heads = list(random_identities(data_dir, 6, 0))
    assert [head.kind for head in heads] == list(KINDS[:6])
    for head in heads:
        assert head.landmarks is not None
        assert head.offsets is not None
        assert head.skin is not None
        assert head.offsets.shape == (52, *head.mesh.vertices.shape)
        assert head.skin.any()
        # Marks lie on the surface, in the file's own coordinates.
        nearest = min(np.linalg.norm(head.mesh.vertices - head.landmarks[30], axis=1)) / head.scale
        assert nearest < 0.01
        jaw = head.offsets[head_shape("jawOpen")][head.skin] @ head.rotation / head.scale
        assert -0.06 < jaw[:, 1].min() < -0.015


def head_shape(name: str) -> int:
    from sedtalker.face.arkit import ARKIT_52

    return ARKIT_52.index(name)


@pytest.mark.slow
@pytest.mark.data
def test_hard_cases_are_there(data_dir: Path) -> None:
    heads = {head.kind: head for head in other_heads(data_dir, 0)}
    assert set(heads) == {
        *("character", "stylised", "other hand", "inside-out", "mirrored", "low-poly", "scan", "dense"),
    }
    assert 400 < len(heads["low-poly"].mesh.vertices) < 600
    assert len(heads["dense"].mesh.vertices) > 200_000
    assert len(dense_head(data_dir, 50_000).vertices) >= 50_000
    assert len(no_heads(data_dir)) >= 12


@pytest.mark.data
@pytest.mark.slow
def test_hard_heads_know_their_truth(data_dir: Path) -> None:
    heads = {head.name: head for head in hard_heads(data_dir)}
    assert len(heads) == 13
    for head in heads.values():
        assert head.offsets is not None
        assert head.landmarks is not None
        assert head.skin is not None
        assert head.offsets.shape == (52, *head.mesh.vertices.shape)
        assert np.isfinite(head.mesh.vertices).all()
        assert min(np.linalg.norm(head.mesh.vertices - head.landmarks[30], axis=1)) / head.scale < 0.012
    assert not heads["eyes closed"].offsets[head_shape("eyeBlinkLeft")].any()
    tall = np.ptp(heads["body in T-pose"].mesh.vertices @ heads["body in T-pose"].rotation, axis=0) / 100
    assert tall[1] > 1.0 < tall[0]
    again = {head.name: head for head in hard_heads(data_dir)}
    for name, head in heads.items():
        np.testing.assert_array_equal(head.mesh.vertices, again[name].mesh.vertices)


def test_what_is_shown_is_the_worst_of_all_heads() -> None:
    rows = [
        {
            "name": "a",
            "success": True,
            "eyes_found": True,
            "eyeballs": True,
            "mouth_share": 1.0,
            "distinct": 0.9,
            "verdict": "good",
        },
        {
            "name": "b",
            "success": True,
            "eyes_found": True,
            "eyeballs": False,
            "mouth_share": 0.4,
            "distinct": 0.3,
            "verdict": "good",
        },
        {
            "name": "c",
            "success": True,
            "eyes_found": False,
            "eyeballs": False,
            "mouth_share": None,
            "verdict": "usable",
        },
        {"name": "d", "success": False},
    ]
    assert shown(rows) == {
        "mouth_behind_lips": 0.4,
        "emotions_apart": 0.5,
        "eyes_behind_lids": 0.5,
        "empty_but_good": ["b"],
    }


def test_emotions_are_told_by_what_changes_most_alike() -> None:
    known = {"happy": np.array([1.0, 0.0, 0.1]), "sad": np.array([0.0, 1.0, 0.1])}
    assert recognised_emotions({"happy": np.array([0.2, 0.1, 0.0]), "sad": np.array([0.1, 0.0, 0.1])}, known) == {
        "happy": True,
        "sad": False,
    }
    assert recognised_emotions({"happy": np.zeros(3)}, known) == {"happy": False}
