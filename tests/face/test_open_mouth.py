"""A sealed mouth is cut open, and only when asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.face.fitting import FitOptions, fit
from sedtalker.face.mouth_cut import OPEN_ALREADY, LipLine, cut_lips, find_lip_line, open_mouth
from sedtalker.face.mouth_fitting import PARTS
from sedtalker.face.mouth_interior import look_into_mouth
from sedtalker.face.quality import judge
from sedtalker.face.registration import RegistrationReport
from sedtalker.mesh.mesh import Mesh, Scene
from tests.support.bodies import scan, sealed


def plate(columns: int = 9, rows: int = 8) -> Mesh:
    """A flat wall of quads in the x-y plane, x from −1 to 1 and y from −0.5 to 0.5, with UVs, colours and groups."""
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-0.5, 0.5, rows))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1).astype(np.float32)
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    quads = np.stack([a, a + 1, a + columns + 1, a + columns], axis=1).astype(np.int32)
    return Mesh(
        vertices,
        np.full(len(quads), 4, np.int32),
        quads.reshape(-1),
        uvs=vertices[:, :2] / 2 + 0.5,
        polygon_uvs=quads.reshape(-1),
        colours=np.abs(vertices),
        group_names=("left", "right"),
        polygon_groups=(vertices[quads[:, 0], 0] < 0).astype(np.int32),
    )


def line_at(height: float, slope: float = 0.0) -> LipLine:
    x = np.linspace(-0.6, 0.6, 50)
    return LipLine(x, height + slope * x, np.zeros(50))


@pytest.mark.slow
@pytest.mark.parametrize(("height", "slope"), [(0.02, 0.0), (0.0, 0.3), (0.5 / 7, 0.0), (0.11, -0.15)])
def test_a_cut_parts_the_sheet_and_keeps_what_was_there(height: float, slope: float) -> None:
    mesh = plate()
    cut = cut_lips(mesh, mesh.vertices, line_at(height, slope))
    count, polygons = len(mesh.vertices), len(mesh.polygon_sizes)
    np.testing.assert_array_equal(cut.mesh.vertices[:count], mesh.vertices)
    assert len(cut.mesh.polygon_sizes) >= polygons
    assert cut.mesh.polygon_groups is not None
    np.testing.assert_array_equal(cut.mesh.polygon_groups[:polygons], mesh.polygon_groups)
    assert area(cut.mesh) == pytest.approx(area(mesh), rel=1e-5)
    assert (cut.upper == cut.lower).tolist() == [True, *[False] * (len(cut.upper) - 2), True]
    np.testing.assert_array_equal(cut.mesh.vertices[cut.upper], cut.mesh.vertices[cut.lower])
    assert (np.diff(cut.mesh.vertices[cut.upper, 0]) > 0).all()
    for chain, way in ((cut.upper, 1.0), (cut.lower, -1.0)):
        mine = np.isin(cut.mesh.triangles, chain[1:-1]).any(axis=1)
        middle = cut.mesh.vertices[cut.mesh.triangles[mine]].mean(axis=1)
        assert (way * (middle[:, 1] - (height + slope * middle[:, 0])) > -0.02).all()
    assert cut.mesh.uvs is not None
    assert cut.mesh.polygon_uvs is not None
    corner_uvs, corners = cut.mesh.uvs[cut.mesh.polygon_uvs], cut.mesh.vertices[cut.mesh.polygon_vertices]
    np.testing.assert_allclose(corner_uvs, corners[:, :2] / 2 + 0.5, atol=1e-6)
    np.testing.assert_allclose(cut.mesh.colours, np.abs(cut.mesh.vertices), atol=0.13)


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


@pytest.mark.slow
def test_no_edge_joins_the_sides_of_a_cut() -> None:
    mesh = plate(33, 16)
    cut = cut_lips(mesh, mesh.vertices, line_at(0.01, 0.1))
    edges = cut.mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    upper, lower = set(cut.upper[1:-1].tolist()), set(cut.lower[1:-1].tolist())
    assert not any({a, b} & upper and {a, b} & lower for a, b in edges.tolist())


@pytest.mark.slow
def test_a_line_beside_the_skin_cuts_nothing() -> None:
    mesh = plate()
    with pytest.raises(InputError, match="cannot be cut"):
        cut_lips(mesh, mesh.vertices, line_at(0.9))


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def closed(source: Face) -> Mesh:
    mesh = sealed(load_face("mei"))
    return replace(mesh, vertices=100.0 * mesh.vertices[:, [0, 2, 1]] * np.array([1, -1, 1], np.float32))


Fitted = tuple[Face, RegistrationReport]


def fitted(mesh: Mesh, source: Face, opened: bool) -> Fitted:
    scene = Scene(mesh, (), np.zeros((0, len(mesh.vertices), 3), np.float32))
    return fit(scene, source, "closed", FitOptions(open_mouth=opened, eyes="keep"))


@pytest.fixture(scope="module")
def shut(closed: Mesh, source: Face) -> Fitted:
    return fitted(closed, source, opened=False)


@pytest.fixture(scope="module")
def cut_open(closed: Mesh, source: Face) -> Fitted:
    return fitted(closed, source, opened=True)


@pytest.mark.slow
def test_the_line_between_sealed_lips_is_found(source: Face) -> None:
    mesh = scan(source, 220)
    marks = source.mesh.vertices[source.landmarks].astype(np.float64)
    rng = np.random.default_rng(0)
    line = find_lip_line(mesh.vertices, mesh.triangles, marks + rng.normal(0, 0.0015, marks.shape))
    truth = np.interp(line.x, marks[[60, 62, 64], 0], marks[[60, 62, 64], 1])
    assert np.abs(line.y - truth).max() < 0.0015
    assert np.ptp(line.x) > 0.038


@pytest.mark.slow
def test_a_sealed_mouth_stays_shut_unless_asked(closed: Mesh, shut: Fitted) -> None:
    face, report = shut
    assert (report.mouth_opens, report.added_vertices) == (False, 0)
    assert len(face.mesh.vertices) == len(closed.vertices)
    assert any("sealed" in warning for warning in report.warnings)


@pytest.mark.slow
def test_an_opened_mouth_opens_and_has_an_inside(closed: Mesh, shut: Fitted, cut_open: Fitted) -> None:
    before, _ = shut
    face, report = cut_open
    count = len(closed.vertices)
    assert report.mouth_opens
    assert report.added_vertices == len(face.mesh.vertices) - count > 500
    assert sum("vertices" in warning and "added" in warning for warning in report.warnings) == 2  # cut, and filled
    np.testing.assert_allclose(face.mesh.vertices[:count], before.mesh.vertices, atol=5e-4)
    assert set(PARTS) | {"mouth_socket"} <= set(face.mesh.group_names)
    assert face.basis.shape[1] == len(face.mesh.vertices)
    assert all(len(mask) == len(face.mesh.vertices) for mask in face.regions.values())
    assert report.lip_gap is not None
    assert report.lip_gap < 0.5
    assert judge(face, report).score > judge(*shut).score
    assert face.landmarks is not None
    jaw = face.basis[face.shape_index["jawOpen"]]
    lower, upper = face.regions["lower_teeth"], face.regions["upper_teeth"]
    assert jaw[lower, 1].mean() < -0.01
    assert np.abs(jaw[upper]).max() < 0.001
    rims = face.mesh.vertices[face.regions["teeth"], 2].max()
    assert rims < face.mesh.vertices[face.landmarks[[62, 66]], 2].min()  # behind the lips


@pytest.mark.slow
def test_an_opened_mouth_shows_a_mouth_and_nothing_else(cut_open: Fitted) -> None:
    face, report = cut_open
    assert report.added_parts == ("bag", "teeth", "tongue")
    assert report.mouth_share == pytest.approx(1.0, abs=0.01)
    wide = {"jawOpen": 0.4, "mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
    assert look_into_mouth(face, weights=wide).mouth == pytest.approx(1.0, abs=0.01)


@pytest.mark.slow
def test_an_open_mouth_is_left_alone(source: Face) -> None:
    _, report = fit(Scene(source.mesh, (), np.zeros((0, 1, 3), np.float32)), source, "own")
    face, again = open_mouth(source.mesh, source, report, source)
    assert face is source
    assert again.warnings[-1] == OPEN_ALREADY
