"""No quad of a built-in head is turned over, at rest, in any single shape or in both sides of one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from sedtalker.face.builtin import FACES, load_face, random_face
from sedtalker.face.builtin.cage import patch, read_cage
from sedtalker.face.builtin.identity import read_parameters
from sedtalker.face.builtin.shapes import (
    PAIRED,
    Neighbourhoods,
    find_folds,
    neighbourhoods,
    quad_normals,
    refine_skin,
    relaxed,
)
from sedtalker.face.face import pose
from sedtalker.mesh.rasteriser import View, rasterise

CM = 100.0


@pytest.fixture(scope="module")
def around() -> Neighbourhoods:
    return neighbourhoods(read_cage())


@pytest.fixture(scope="module")
def neutral() -> np.ndarray:
    return refine_skin(read_cage(), read_parameters()).vertices


@pytest.mark.parametrize("who", [*FACES, *range(1, 5)])
def test_no_quad_is_turned_over_in_any_shape(around: Neighbourhoods, neutral: np.ndarray, who: str | int) -> None:
    face = load_face(who) if isinstance(who, str) else random_face(who)
    rest = CM * face.mesh.vertices[: len(neutral)].astype(np.float64)
    assert len(find_folds(around, neutral, rest)[0]) == 0
    weights = face.expand(np.eye(len(face.shapes), dtype=np.float32))
    moved = CM * np.tensordot(weights, face.basis[:, : len(neutral)], 1).astype(np.float64)
    for name, posed in zip(face.shapes, rest + moved, strict=True):
        assert len(find_folds(around, rest, posed)[0]) == 0, name
        turned = (quad_normals(rest, around.quads) * quad_normals(posed, around.quads)).sum(1)
        assert (turned[around.plain] > 0).all(), name
    for left in PAIRED:
        both = pose(face, {left.removesuffix("Left"): 1.0})
        posed = CM * face.deform(both[None])[0, : len(neutral)].astype(np.float64)
        assert len(find_folds(around, rest, posed)[0]) == 0, left


@pytest.mark.parametrize("who", FACES)
@pytest.mark.parametrize("shape", ["mouthFrown", "noseSneer"])
def test_nostrils_are_seen_within_their_rims_only(who: str, shape: str) -> None:
    cage, face = read_cage(), load_face(who)
    posed = face.deform(pose(face, {shape: 1.0})[None])[0]
    triangles = face.mesh.triangles[face.regions["skin"][face.mesh.triangles].all(axis=1)]
    for side in ("left", "right"):
        ring = cage.place(patch(f"nostril_{side}"))[0]
        view = View(np.eye(3), posed[: len(ring)][ring == 1.0].mean(axis=0).astype(np.float64), 0.015)
        ids, _ = rasterise(view.project(posed), triangles, 256)
        within = ring[triangles[ids]].min(axis=2) > 1.0
        pieces, _ = label(within)
        assert np.sort(np.bincount(pieces[within]))[:-1].sum() < 3  # of one piece, but for a pixel or two


def test_lips_and_lids_are_the_only_skin_that_may_roll(around: Neighbourhoods) -> None:
    assert around.plain.mean() > 0.6


def test_a_turned_head_is_not_folded(around: Neighbourhoods, neutral: np.ndarray) -> None:
    turn = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    folded, _ = find_folds(around, neutral, neutral @ turn.T)
    assert set(folded.tolist()) <= set(np.flatnonzero(around.plain).tolist())


def test_a_quad_turned_over_is_found_and_laid_out(around: Neighbourhoods, neutral: np.ndarray) -> None:
    quad = int(np.flatnonzero(around.plain & (neutral[around.quads][..., 2].mean(1) > 8))[0])
    corners = around.quads[quad]
    offset = np.zeros_like(neutral)
    offset[corners] = neutral[corners[[1, 0, 3, 2]]] - neutral[corners]
    assert quad in find_folds(around, neutral, neutral + offset)[0]
    laid = relaxed(around, neutral, offset)
    assert len(find_folds(around, neutral, neutral + laid)[0]) == 0
    assert np.abs(laid).max() < np.abs(offset).max()
