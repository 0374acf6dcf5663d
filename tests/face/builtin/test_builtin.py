"""The built-in head: topology, contacts, and what its shapes may not do."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import FACES, load, load_face
from sedtalker.face.builtin.cage import EYE_EDGE, MOUTH_CONTACT, PATCHES, fixed_arrays, patch, read_cage
from sedtalker.face.builtin.characters import KNOWN
from sedtalker.face.builtin.creases import glue_front
from sedtalker.face.builtin.identity import PATH, read_parameters
from sedtalker.face.builtin.parts import Skin, cornea_profile, gaze_axis
from sedtalker.face.builtin.shapes import SHAPES
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import vertex_normals
from sedtalker.render.light import MATERIALS, triangle_parts
from tests.support.standing import mixtures, posed

MM = 1e3


@pytest.fixture(scope="module")
def face() -> Face:
    return load_face()


def contact_gaps(vertices: np.ndarray) -> np.ndarray:
    """Distances (mm) between facing points of the upper and the lower contact line."""
    cage, mouth = read_cage(), patch("mouth")
    loop = cage.subdivision.loop(cage.ring(mouth, MOUTH_CONTACT))
    start = 2 * mouth.lattice.index((mouth.width, mouth.height // 2))
    loop = np.roll(loop, -start)
    half = len(loop) // 2
    upper, lower = loop[1:half], loop[half + 1 :][::-1]
    return MM * np.linalg.norm(vertices[upper] - vertices[lower], axis=1)


def lid_gaps(vertices: np.ndarray, side: str) -> np.ndarray:
    """Heights (mm) of the upper over the lower lid's edge along one eye."""
    cage, eye = read_cage(), patch(f"eye_{side}")
    loop = cage.subdivision.loop(cage.ring(eye, EYE_EDGE))
    loop = np.roll(loop, -2 * eye.lattice.index((eye.width, eye.height // 2)))
    half = len(loop) // 2
    return MM * (vertices[loop[1:half], 1] - vertices[loop[half + 1 :][::-1], 1])


def test_counts_are_stable(face: Face) -> None:
    groups = np.bincount(face.mesh.polygon_groups, minlength=len(face.mesh.group_names))
    assert face.mesh.group_names == (
        "skin", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "gums", "tongue", "brows", "lashes",
        "creases", "hair", "collar",
    )  # fmt: skip
    assert int(face.regions["skin"].sum()) == 6799
    assert int(groups[0]) == 6736
    assert len(face.mesh.vertices) <= 20_000
    assert (face.mesh.polygon_sizes == 4).all()


def test_shapes_are_arkit_then_tongue(face: Face) -> None:
    assert face.shapes == SHAPES
    assert face.shapes[:52] == ARKIT_52
    reach = MM * np.linalg.norm(face.basis, axis=2).max(axis=1)
    assert (reach[: len(face.shapes)] > 2.0).all()


def test_building_is_deterministic(face: Face) -> None:
    again = load.build_face(KNOWN[face.name])
    assert again.mesh.vertices.tobytes() == face.mesh.vertices.tobytes()
    assert again.basis.tobytes() == face.basis.tobytes()
    assert again.mesh.colours.tobytes() == face.mesh.colours.tobytes()


def test_parameter_file_is_small() -> None:
    assert PATH.stat().st_size < 1_500_000


def test_topology_is_symmetric() -> None:
    cage = read_cage()
    assert (cage.mirror[cage.mirror] == np.arange(len(cage.keys))).all()
    faces = {frozenset(q) for q in cage.quads.tolist()}
    assert {frozenset(q) for q in cage.mirror[cage.quads].tolist()} == faces
    mirror = cage.refined_mirror
    quads = cage.subdivision.quads
    assert {frozenset(q) for q in mirror[quads].tolist()} == {frozenset(q) for q in quads.tolist()}


def test_neutral_and_mirrored_shapes_are_symmetric(face: Face) -> None:
    mirror = read_cage().refined_mirror
    n = len(mirror)
    flip = np.array([-1, 1, 1])
    assert np.abs(face.mesh.vertices[:n][mirror] * flip - face.mesh.vertices[:n]).max() < 1e-5
    for name in ("mouthSmile", "eyeBlink", "browDown"):
        left, right = (face.basis[face.shape_index[name + side]][:n] for side in ("Left", "Right"))
        assert np.abs(left[mirror] * flip - right).max() < 2e-5


def test_loops_round_the_features() -> None:
    rings = {p.name: p.rings for p in PATCHES}
    assert rings["mouth"] >= 5
    assert rings["eye_left"] >= 4


def test_winding_is_consistent_and_outward(face: Face) -> None:
    quads = face.mesh.polygon_vertices.reshape(-1, 4)
    sides = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    assert len(np.unique(sides, axis=0)) == len(sides)
    v = face.mesh.vertices.astype(np.float64)
    for number, name in enumerate(face.mesh.group_names):
        if name in ("brows", "lashes", "creases"):
            continue
        part = quads[face.mesh.polygon_groups == number]
        corners = v[part]
        normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
        if name == "collar":
            assert normal[:, 1].sum() > 0
            continue
        volume = (normal * (corners.mean(1) - v[np.unique(part)].mean(0))).sum()
        assert volume > 0, name


def test_quads_stay_convex(face: Face) -> None:
    cage = read_cage()
    quads = cage.subdivision.quads
    hidden = face.regions["mouth_socket"][quads].any(1)
    for p in PATCHES:
        if p.name.startswith(("eye", "nostril")):
            hidden |= cage.place(p)[0][quads].max(1) > (5.9 if p.name.startswith("eye") else 1.0)
    for name in face.shapes:
        c = posed(face, **{name: 1.0})[quads[~hidden]].astype(np.float64)
        middle = np.cross(c[:, 2] - c[:, 0], c[:, 3] - c[:, 1])
        corners = [np.cross(c[:, (k + 1) % 4] - c[:, k], c[:, k - 1] - c[:, k]) for k in range(4)]
        bent = np.min([(n * middle).sum(1) for n in corners], axis=0) < 0
        assert bent.mean() < 0.002, name


def test_a_frame_of_the_skin_takes_less_than_a_millisecond(face: Face) -> None:
    skin = np.ascontiguousarray(face.basis[:, face.regions["skin"]]).reshape(len(face.basis), -1)
    rows = np.random.default_rng(0).uniform(0, 1, (100, len(face.shapes))).astype(np.float32)
    times = []
    for _ in range(5):
        start = time.process_time()
        _ = face.expand(rows) @ skin
        times.append((time.process_time() - start) / len(rows))
    assert min(times) < 1e-3


def test_lips_closed_beyond_the_jaw_press_up_a_little(face: Face) -> None:
    alone = MM * (posed(face, mouthClose=1.0) - face.mesh.vertices)
    assert 1.0 < alone[face.landmarks[66], 1] < 5.0
    assert contact_gaps(posed(face, mouthClose=1.0)).max() < 0.3
    nose = face.mesh.vertices[face.landmarks[33], 1]
    assert posed(face, mouthClose=1.0)[face.regions["lips"], 1].max() < nose
    both = posed(face, jawOpen=0.5, mouthClose=0.5)
    plain = face.mesh.vertices + 0.5 * face.basis[[face.shape_index[n] for n in ("jawOpen", "mouthClose")]].sum(0)
    assert np.abs(both - plain).max() < 1e-6


def test_lips_meet_at_rest_and_in_a_closed_open_jaw(face: Face) -> None:
    assert contact_gaps(face.mesh.vertices).max() < 0.15
    for weight in (0.25, 0.5, 1.0):
        assert contact_gaps(posed(face, jawOpen=weight, mouthClose=weight)).max() < 0.3


@pytest.mark.parametrize("name", ["mouthSmile", "mouthPress", "mouthPucker", "mouthFrown", "cheekPuff", "mouthDimple"])
def test_closed_shapes_keep_the_lips_together(face: Face, name: str) -> None:
    vertices = posed(face, **{name: 1.0})
    upper, lower = face.landmarks[[61, 62, 63]], face.landmarks[[67, 66, 65]]
    assert np.abs(MM * (vertices[upper, 1] - vertices[lower, 1])).max() < 1.0


def test_lips_do_not_cross_in_random_mixtures(face: Face) -> None:
    cage, mouth = read_cage(), patch("mouth")
    loop = np.roll(
        cage.subdivision.loop(cage.ring(mouth, MOUTH_CONTACT)),
        -2 * mouth.lattice.index((mouth.width, mouth.height // 2)),
    )
    upper, lower = loop[1 : len(loop) // 2], loop[len(loop) // 2 + 1 :][::-1]
    values = face.expand(mixtures(face, 1000))
    above, below = (face.mesh.vertices[at, 1] + values @ face.basis[:, at, 1] for at in (upper, lower))
    assert (MM * (above - below) < -0.5).mean() < 0.01


def test_inner_lip_height_follows_the_jaw(face: Face) -> None:
    upper, lower = face.landmarks[[62, 66]]
    heights = [np.linalg.norm(np.subtract(*posed(face, jawOpen=w)[[upper, lower]])) for w in (0.0, 0.1, 0.3, 1.0)]
    assert np.all(np.diff(heights) > 0)
    width = np.linalg.norm(np.subtract(*face.mesh.vertices[face.landmarks[[36, 45]]]))
    assert heights[0] / width < 0.005
    assert 0.08 < heights[2] / width < 0.20


@pytest.mark.parametrize("weights", [
    {"browInnerUp": 1.0, "browOuterUp": 1.0}, {"browDown": 1.0}, {"mouthSmile": 1.0, "cheekSquint": 1.0},
])  # fmt: skip
def test_wrinkles_surface_with_their_shapes(face: Face, weights: dict[str, float]) -> None:
    creases, skin = face.regions["creases"], face.regions["skin"]
    tree = cKDTree(face.mesh.vertices[skin])
    near = tree.query(face.mesh.vertices[creases])[1]

    def heights(vertices: np.ndarray) -> np.ndarray:
        normals = vertex_normals(vertices, face.mesh.triangles)[skin][near]
        return MM * ((vertices[creases] - vertices[skin][near]) * normals).sum(1)

    rest = heights(face.mesh.vertices)
    assert (rest > 0.4).mean() < 0.05
    risen = heights(posed(face, **weights)) - rest
    assert 0.03 < (risen > 0.3).mean() < 0.7


def crease_heights(name: str, **weights: float) -> np.ndarray:
    """Heights (mm) of the left half's wrinkles before the skin, seen from the front."""
    person = load_face(name)
    vertices = 1e2 * posed(person, **weights).astype(np.float64)
    skin = Skin(vertices[: person.regions["skin"].sum()], read_cage().subdivision.quads, *(np.zeros(0),) * 3)
    line = np.split(vertices[person.regions["creases"]], 2)[0]
    return 10 * (line[:, 2] - (glue_front(skin, line[:, :2])[0] @ skin.vertices)[:, 2])


def test_lines_of_a_raised_brow_are_grooves_between_low_ridges_that_begin_at_the_skin() -> None:
    """They were tubes: highest in their middle, with edges that stood a fifth of a millimetre over the skin."""
    drawn = fixed_arrays("wrinkles")
    heights = crease_heights("builtin", browInnerUp=1.0, browOuterUp=1.0)
    middle = (drawn["xy"][:, 1] > 6.2) & (drawn["xy"][:, 0] < 2.0)
    edge, slope, ridge, groove = (np.median(heights[middle & (drawn["across"] == k)]) for k in range(4))
    assert edge < 0.05 < slope < ridge < 0.3
    assert 0.0 < groove < ridge - 0.04


def test_walters_line_below_the_lip_goes_flat_where_the_lip_rolls_in() -> None:
    """In f, v and m it stood on the chin as a hard line."""
    xy = fixed_arrays("wrinkles")["xy"]
    line = (xy[:, 1] < -4.3) & (xy[:, 0] < 1.5)
    assert crease_heights("walter")[line].max() > 0.0
    for weights in ({"mouthRollLower": 0.3, "mouthPress": 0.5}, {"mouthRollLower": 0.7}, {"mouthRollLower": 1.0}):
        assert crease_heights("walter", **weights)[line].max() < 0.0, weights


@pytest.mark.parametrize("name", FACES)
def test_rows_of_teeth_go_round_a_broad_curve(name: str) -> None:
    """From aside they ended at the incisors, like a block."""
    person = load_face(name)
    for row in ("upper_teeth", "lower_teeth"):
        teeth = MM * person.mesh.vertices[person.regions[row]]
        canines = teeth[np.abs(teeth[:, 0]) > 0.29 * np.ptp(teeth[:, 0])]
        assert teeth[:, 2].max() - canines[:, 2].max() < 9.0


def test_nostrils_do_not_glint(face: Face) -> None:
    """Light from behind the head came into dark nostrils, and their skin shone."""
    parts = triangle_parts(face.mesh, face.regions)
    inside = face.regions["nostrils"][face.mesh.triangles].all(axis=1)
    assert inside.sum() > 100
    assert {list(MATERIALS)[part] for part in parts[inside]} == {"mouth"}


def test_the_line_below_the_corner_of_a_frowning_mouth_fades_out() -> None:
    """In sadness it ended as a block that stood on the chin."""
    drawn = fixed_arrays("wrinkles")
    row = drawn["shapes"][SHAPES.index("mouthFrownLeft")]
    line = np.flatnonzero(row)
    low, high = line[drawn["xy"][line, 1].argsort()[[0, -1]]]
    assert row[low] < 0.4 * row[high]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_blink_closes_the_eye(face: Face, side: str) -> None:
    assert lid_gaps(face.mesh.vertices, side).max() > 5.0
    for extra in ({}, {"eyeLookDown": 1.0}, {"eyeSquint": 1.0}, {"eyeWide": 1.0}):
        assert lid_gaps(posed(face, eyeBlink=1.0, **extra), side).max() < 0.5


@pytest.mark.parametrize("name", [*FACES, "random-3"])
def test_lids_meet_in_a_blink_of_a_face_that_smiles_or_wrinkles_its_nose(name: str) -> None:
    """The lower lid rose through the upper one, by 3.5 mm at most: lashes stood on the cheek."""
    face = load_face(name)
    for lifted in ({"cheekSquint": 1.0}, {"noseSneer": 1.0}, {"cheekSquint": 0.6, "noseSneer": 0.6, "mouthSmile": 0.8}):
        gaps = lid_gaps(posed(face, eyeBlink=1.0, **lifted), "left")
        assert -1.2 < gaps.min() <= gaps.max() < 0.5


GAZES = ("eyeLookDown", "eyeLookUp", "eyeLookIn", "eyeLookOut")


@pytest.mark.parametrize("weights", [
    {}, {"eyeBlink": 1.0}, {"eyeBlink": 0.5}, {"eyeBlink": 0.25}, {"eyeBlink": 0.75}, {"eyeSquint": 1.0},
    {"eyeWide": 1.0}, {"eyeBlink": 1.0, "cheekSquint": 1.0, "noseSneer": 1.0}, *({name: 1.0} for name in GAZES),
])  # fmt: skip
def test_lids_stay_outside_the_eyeball(face: Face, weights: dict[str, float]) -> None:
    parameters, cage, eye = read_parameters(), read_cage(), patch("eye_left")
    vertices = posed(face, **weights)
    ring, _ = cage.place(eye)
    inner = np.flatnonzero((ring >= 3) & (ring <= 6))
    gaze = gaze_axis(next((name + "Left" for name in GAZES if name in weights), None))
    ray = 100 * vertices[inner].astype(np.float64) - parameters.eye_centre
    distance = np.linalg.norm(ray, axis=1)
    depth = parameters.eye_radius + cornea_profile(ray / distance[:, None] @ gaze) - distance
    assert 10 * depth.max() < 0.3


def test_lower_teeth_and_tongue_follow_the_jaw(face: Face) -> None:
    moved = posed(face, jawOpen=1.0) - face.mesh.vertices
    assert MM * moved[face.regions["lower_teeth"], 1].mean() < -15
    assert MM * moved[face.regions["tongue"], 1].mean() < -8
    assert np.abs(moved[face.regions["upper_teeth"]]).max() < 1e-6


def test_tongue_comes_out(face: Face) -> None:
    tongue = face.regions["tongue"]
    lips = posed(face, tongueOut=1.0)[face.landmarks[57], 2]
    assert posed(face, tongueOut=1.0)[tongue, 2].max() > lips


def test_gaze_turns_the_eyeballs_only_sideways(face: Face) -> None:
    left = posed(face, eyeLookOutLeft=1.0, eyeLookInRight=1.0)
    for name in ("eye_left", "eye_right"):
        part = face.mesh.polygon_vertices.reshape(-1, 4)[face.mesh.polygon_groups == face.mesh.group_names.index(name)]
        front = part.min()
        assert left[front, 0] - face.mesh.vertices[front, 0] > 0.005


def test_landmarks_are_sane(face: Face) -> None:
    marks = face.mesh.vertices[face.landmarks]
    assert len(set(face.landmarks.tolist())) == 68
    assert marks[8, 1] == marks[:17, 1].min()
    assert marks[30, 2] == marks[:, 2].max()
    assert marks[36, 0] < marks[39, 0] < 0 < marks[42, 0] < marks[45, 0]
    assert marks[48, 0] < 0 < marks[54, 0]
    assert marks[51, 1] > marks[62, 1] >= marks[66, 1] - 2e-4 > marks[57, 1]
    assert face.regions["lips"][face.landmarks[48:68]].all()
    assert face.regions["skin"][face.landmarks].all()
    assert 0.07 < np.linalg.norm(marks[36] - marks[45]) < 0.11


def test_regions_cover_what_they_name(face: Face) -> None:
    names = {
        "lips", "upper_lip", "lower_lip", "upper_face", "lower_face", "eyes", "eyelids", "teeth", "upper_teeth",
        "lower_teeth", "tongue", "skin", "hair", "neck", "brows", "mouth_socket",
    }  # fmt: skip
    assert names <= set(face.regions)
    for name, mask in face.regions.items():
        assert mask.shape == (len(face.mesh.vertices),), name
        assert mask.any(), name
    y = face.mesh.vertices[:, 1]
    assert y[face.regions["upper_lip"]].mean() > y[face.regions["lower_lip"]].mean()
    assert not (face.regions["upper_face"] & face.regions["lower_face"]).any()


def test_uvs_and_colours_are_in_range(face: Face) -> None:
    assert face.mesh.uvs is not None
    assert face.mesh.colours is not None
    for values in (face.mesh.uvs, face.mesh.colours):
        assert np.isfinite(values).all()
        assert values.min() >= 0
        assert values.max() <= 1
    corners = face.mesh.uvs[face.mesh.polygon_uvs.reshape(-1, 4)]
    assert np.ptp(corners, axis=1).max() < 0.2


@pytest.mark.slow
@pytest.mark.data
def test_parameters_can_be_fitted_again(data_dir: Path, tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "scripts" / "fit_builtin_face.py"
    out = tmp_path / "parameters.npz"
    subprocess.run([sys.executable, str(script), "--data", str(data_dir), "--out", str(out)], check=True, timeout=1800)
    again, stored = read_parameters(out), read_parameters()
    assert again.shapes == stored.shapes
    assert np.abs(again.cage - stored.cage).max() < 0.01
    difference = again.offsets.astype(np.float32) - stored.offsets.astype(np.float32)
    assert np.abs(difference).max() < 0.02
