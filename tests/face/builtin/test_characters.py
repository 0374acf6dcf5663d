"""Characters and random heads: other people, but lips still meet, lids still close, eyes still fit."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.builtin import FACES, load_face, parts, random_face
from sedtalker.face.builtin.cage import EYE_EDGE, MOUTH_CONTACT, patch, read_cage
from sedtalker.face.builtin.characters import Character
from sedtalker.face.builtin.creases import glue_front
from sedtalker.face.builtin.hair import BROW_HAIRS, HEAD, above_hairline, hairline
from sedtalker.face.builtin.identity import apply_identity, read_parameters
from sedtalker.face.builtin.load import build_face
from sedtalker.face.builtin.parts import SPOKES, Skin, cornea_profile
from sedtalker.face.face import Face
from sedtalker.render.camera import orthographic_matrix
from tests.support.id_buffer import rasterise_ids
from tests.support.standing import mixtures, posed, poses

MM = 1e3
PEOPLE = (*FACES, 0, 1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 10)))


@pytest.fixture(scope="module", params=PEOPLE, ids=str)
def person(request: pytest.FixtureRequest) -> Face:
    return load_face(request.param) if isinstance(request.param, str) else random_face(request.param)


def facing(name: str, ring: int) -> tuple[np.ndarray, np.ndarray]:
    """Refined vertices of the upper and of the lower half of a ring, facing each other."""
    cage, p = read_cage(), patch(name)
    loop = cage.subdivision.loop(cage.ring(p, ring))
    loop = np.roll(loop, -2 * p.lattice.index((p.width, p.height // 2)))
    half = len(loop) // 2
    return loop[1:half], loop[half + 1 :][::-1]


def lip_gaps(vertices: np.ndarray) -> np.ndarray:
    upper, lower = facing("mouth", MOUTH_CONTACT)
    return MM * np.linalg.norm(vertices[upper] - vertices[lower], axis=1)


def test_same_skin_shapes_and_landmarks(person: Face) -> None:
    default = load_face()
    skin = int(default.regions["skin"].sum())
    assert person.shapes == default.shapes
    assert person.correctives == default.correctives
    assert (person.landmarks == default.landmarks).all()
    assert int(person.regions["skin"].sum()) == skin
    assert np.isfinite(person.basis).all()
    assert len(person.mesh.vertices) < 24_000


def test_lips_meet(person: Face) -> None:
    assert lip_gaps(person.mesh.vertices).max() < 0.15
    for weight in (0.3, 1.0):
        assert lip_gaps(posed(person, jawOpen=weight, mouthClose=weight)).max() < 0.4


def test_lips_do_not_cross_in_random_mixtures(person: Face) -> None:
    upper, lower = facing("mouth", MOUTH_CONTACT)
    vertices = MM * person.deform(mixtures(person, 60))
    assert (vertices[:, upper, 1] - vertices[:, lower, 1] < -0.5).mean() < 0.01


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_blink_closes_the_eye(person: Face, side: str) -> None:
    upper, lower = facing(f"eye_{side}", EYE_EDGE)

    def gap(vertices: np.ndarray) -> float:
        return float((MM * (vertices[upper, 1] - vertices[lower, 1])).max())

    assert gap(person.mesh.vertices) > 4.0
    for extra in ({}, {"eyeLookDown": 1.0}, {"eyeSquint": 1.0}, {"eyeWide": 1.0}):
        assert gap(posed(person, eyeBlink=1.0, **extra)) < 0.7


def lid_poses() -> list[dict[str, float]]:
    """Blinks by quarters, each with straight and diagonal looks, and with a squint or wide eyes."""
    up_down, aside = ("eyeLookDown", "eyeLookUp"), ("eyeLookIn", "eyeLookOut")
    looks: list[dict[str, float]] = [{}, *({name: 1.0} for name in (*up_down, *aside))]
    looks += [{a: 0.7, b: 0.7} for a in up_down for b in aside]
    lids: list[dict[str, float]] = [{}, {"eyeSquint": 0.5}, {"eyeSquint": 1.0}, {"eyeWide": 1.0}]
    blinks = (0.0, 0.25, 0.5, 0.75, 1.0)
    return [{"eyeBlink": blink} | look | lid for blink in blinks for look in looks for lid in lids]


@pytest.mark.parametrize("side", ["left", "right"])
def test_lids_stay_outside_the_eyeball(person: Face, side: str) -> None:
    ring, _ = read_cage().place(patch(f"eye_{side}"))
    inner = np.flatnonzero((ring >= 3) & (ring <= 6))
    part = _part(person, f"eye_{side}")
    back = person.mesh.vertices[part[-5 * SPOKES :]].astype(np.float64)
    rows = np.concatenate([2 * back, np.ones((len(back), 1))], axis=1)
    solution = np.linalg.lstsq(rows, (back**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    radius = np.sqrt(solution[3] + centre @ centre)
    size = radius / (0.01 * read_parameters().eye_radius)
    for weights, vertices in zip(lid_poses(), poses(person, *lid_poses()), strict=True):
        axis = (vertices[part[0]] - centre) / np.linalg.norm(vertices[part[0]] - centre)
        ray = vertices[inner] - centre
        distance = np.linalg.norm(ray, axis=1)
        ball = radius + 0.01 * size * cornea_profile(ray / distance[:, None] @ axis)
        assert MM * (ball - distance).max() < 0.3, weights


def _part(face: Face, name: str) -> np.ndarray:
    quads = face.mesh.polygon_vertices.reshape(-1, 4)
    assert face.mesh.polygon_groups is not None
    return np.unique(quads[face.mesh.polygon_groups == face.mesh.group_names.index(name)])


def test_teeth_stay_behind_closed_lips(person: Face) -> None:
    assert person.landmarks is not None
    lips = person.mesh.vertices[person.landmarks[[51, 57]], 2].min()
    assert person.mesh.vertices[person.regions["teeth"], 2].max() < lips


def test_brows_and_hair_stay_on_the_head(person: Face) -> None:
    from scipy.spatial import cKDTree

    skin = cKDTree(person.mesh.vertices[person.regions["skin"]])
    assert MM * skin.query(person.mesh.vertices[person.regions["brows"]])[0].max() < 6.0
    assert MM * skin.query(person.mesh.vertices[person.regions["hair"]])[0].max() < 70.0


def test_the_collar_begins_within_the_neck(person: Face) -> None:
    """From above, the background showed between the neck and the collar."""
    middle = 1e2 * person.mesh.vertices[person.regions["collar"]][: parts.COLUMNS]
    skin = 1e2 * person.mesh.vertices[person.regions["skin"]]
    neck = skin[(skin[:, 1] > -14.0) & (skin[:, 1] < -11.0)] - middle.mean(0)
    assert np.hypot(*(middle - middle.mean(0))[:, [0, 2]].T).max() < 0.8 * np.hypot(*neck[:, [0, 2]].T).min()


def test_hair_and_scalp_move_with_the_skull_alone(person: Face) -> None:
    reach = MM * np.linalg.norm(person.basis, axis=2).max(axis=0)
    assert reach[person.regions["hair"]].max() < 0.3
    rest = read_parameters().cage.astype(float)
    grown = above_hairline(read_cage().subdivision.matrix @ rest) > 0.3
    assert reach[: len(grown)][grown].max() < 0.3


def seen(face: Face, vertices: np.ndarray, size: int) -> dict[str, int]:
    """Pixels of each group from the front."""
    mesh = face.mesh
    assert mesh.polygon_groups is not None
    matrix = orthographic_matrix((0.0, 0.02, 0.0), 0.16, 0.4)
    triangles = rasterise_ids(vertices, mesh.triangles, matrix, size).triangle
    groups = mesh.polygon_groups[mesh.triangle_polygons[triangles[triangles >= 0]]]
    counts = np.bincount(groups, minlength=len(mesh.group_names))
    return dict(zip(mesh.group_names, map(int, counts), strict=True))


@pytest.mark.parametrize("weights", [{"browDown": 1.0}, {"browDown": 0.5}, {"browDown": 1.0, "noseSneer": 0.6}])
def test_lowered_brows_keep_their_thickness(person: Face, weights: dict[str, float]) -> None:
    rest, down = (seen(person, vertices, 512)["brows"] for vertices in (person.mesh.vertices, posed(person, **weights)))
    assert down >= 0.75 * rest


@pytest.mark.parametrize("weights", [{}, {"browDown": 1.0}])
def test_hairs_of_brows_lie_on_the_skin(person: Face, weights: dict[str, float]) -> None:
    """Lowered brows hung before the eye, up to 8 mm off the skin, and their hairs sank into the strip under them."""
    vertices = 1e2 * posed(person, **weights).astype(np.float64)
    skin = Skin(vertices[: person.regions["skin"].sum()], read_cage().subdivision.quads, *(np.zeros(0),) * 3)
    hairs = np.split(vertices[person.regions["brows"]], 2)[0][-4 * BROW_HAIRS :]
    roots, tips = hairs.reshape(-1, 2, 2, 3).mean(2).transpose(1, 0, 2)
    along = np.concatenate([roots + share * (tips - roots) for share in (0.1, 0.3, 0.5, 0.7, 0.9)])
    heights = along[:, 2] - (glue_front(skin, along[:, :2])[0] @ skin.vertices)[:, 2]
    assert (heights < 0.02).mean() < 0.035
    assert (heights > 0.5).mean() < 0.01


def test_brows_keep_their_colour_up_to_their_inner_ends(person: Face) -> None:
    """The strip under their hairs began with a corner of the skin's colour that caught the light."""
    assert person.mesh.colours is not None
    strip, hairs = np.split(person.mesh.colours[person.regions["brows"]][: 17 * 6 + 4 * BROW_HAIRS], [17 * 6])
    skin, brow = person.mesh.colours[person.landmarks[27]].mean(), hairs.mean()
    assert abs(strip.reshape(17, 6, 3)[1, 1:5].mean() - brow) < 0.65 * abs(skin - brow)


def test_no_tooth_glints_through_closed_lips(person: Face) -> None:
    for weights in ({}, {"mouthSmile": 0.6, "cheekSquint": 0.5}, {"jawOpen": 0.03}):
        counts = seen(person, posed(person, **weights), 1024)
        assert counts["teeth_upper"] + counts["teeth_lower"] == 0, weights


def test_colours_are_in_range(person: Face) -> None:
    colours = person.mesh.colours
    assert colours is not None
    assert colours.min() >= 0
    assert colours.max() <= 1


def test_characters_look_different() -> None:
    faces = [load_face(name) for name in FACES]
    skin = int(faces[0].regions["skin"].sum())
    for i, a in enumerate(faces):
        for b in faces[:i]:
            apart = np.linalg.norm(a.mesh.vertices[:skin] - b.mesh.vertices[:skin], axis=1)
            assert MM * apart.mean() > 1.5, (a.name, b.name)


@pytest.mark.slow
def test_random_faces_are_deterministic_and_differ() -> None:
    a, again, b = random_face(3), Face.builtin(seed=3), random_face(4)
    assert a.mesh.vertices.tobytes() == again.mesh.vertices.tobytes()
    assert a.basis.tobytes() == again.basis.tobytes()
    skin = int(a.regions["skin"].sum())
    assert MM * np.linalg.norm(a.mesh.vertices[:skin] - b.mesh.vertices[:skin], axis=1).mean() > 1.0


def test_there_are_enough_directions_and_each_moves_the_head() -> None:
    parameters = read_parameters()
    assert len(parameters.identity) >= 12
    reach = 10 * np.linalg.norm(parameters.identity_offsets.astype(np.float32), axis=2).max(axis=1)
    assert (reach > 0.8).all()


def test_no_identity_is_the_fitted_head() -> None:
    parameters = read_parameters()
    fitted = apply_identity(read_cage(), parameters, {})
    assert np.abs(fitted.parameters.cage - parameters.cage).max() < 1e-5
    assert np.abs(fitted.parameters.offsets - parameters.offsets.astype(np.float32)).max() < 1e-3


@pytest.mark.slow
def test_offsets_grow_with_the_eyes() -> None:
    small, large = (build_face(Character("x", "", {"largeEyes": w})) for w in (0.0, 2.0))
    reach = [np.abs(f.basis[f.shape_index["eyeBlinkLeft"]]).max() for f in (small, large)]
    assert reach[1] > 1.1 * reach[0]


@pytest.mark.slow
def test_strength_multiplies_a_shape_and_nothing_else() -> None:
    plain, strong = (build_face(Character("x", "", strength=s)) for s in ({}, {"browDown": 1.5}))
    row = plain.shape_index["browDownLeft"]
    skin = plain.regions["skin"]
    assert np.abs(strong.basis[row, skin] - 1.5 * plain.basis[row, skin]).max() < 3e-4
    others = np.setdiff1d(np.arange(len(plain.basis)), [row, plain.shape_index["browDownRight"]])
    assert np.array_equal(strong.basis[others], plain.basis[others])


def test_unknown_names_are_user_errors() -> None:
    with pytest.raises(InputError, match="no built-in face"):
        load_face("nobody")
    with pytest.raises(InputError, match="unknown identity direction"):
        build_face(Character("x", "", {"earSize": 1.0}))
    with pytest.raises(InputError, match="unknown shape"):
        build_face(Character("x", "", resting={"earWiggle": 1.0}))


def test_paint_under_the_hair_fades_over_one_distance_also_where_the_hairline_is_steep() -> None:
    """It faded over one height: at the temples within a quad, whose corners stood out as saw teeth."""
    azimuth = np.linspace(50.0, 66.0, 400)
    radius, heights = 7.0, hairline(azimuth)
    angle = np.radians(azimuth)
    line = np.stack([radius * np.sin(angle), heights, radius * np.cos(angle) + HEAD[2]], axis=1)
    for height in (-0.5, 0.4, 1.0):
        beside = line[100:300] + (0.0, height, 0.0)
        nearest = np.linalg.norm(beside[:, None] - line, axis=2).min(axis=1)
        np.testing.assert_allclose(np.abs(above_hairline(beside, along=True)), nearest, atol=0.12)
        assert (np.abs(above_hairline(beside)) > 1.5 * nearest).mean() > 0.8
    crown = read_cage().subdivision.matrix @ read_parameters().cage.astype(float)
    assert above_hairline(crown, along=True)[above_hairline(crown) > 4.0].min() > 0.75, "all of it is under the hair"
