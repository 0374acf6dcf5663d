from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.mesh.mesh import Mesh, from_triangles
from sedtalker.render import frame_head, load_lighting, make_renderer
from sedtalker.render.light import IRIS, MATERIALS, blank_eyes, default_colours, light_names, lights_folder
from sedtalker.render.shading import light_table
from sedtalker.training.corpora.landmark_samples import sphere
from tests.support.ball import ball


def test_every_preset_loads_and_describes_itself() -> None:
    assert set(light_names()) >= {"studio", "soft", "dramatic"}
    for name in light_names():
        assert load_lighting(name).about


def test_presets_make_different_pictures() -> None:
    mesh = ball()
    means = []
    for name in ("soft", "studio", "dramatic"):
        with make_renderer(mesh, frame_head(mesh), 64, background=(0, 0, 0), lighting=load_lighting(name)) as renderer:
            means.append(float(renderer.render(mesh.vertices).mean()))
    assert means[0] > means[2]
    assert means[1] > means[2]


def test_the_backdrop_is_the_lightings_unless_a_background_is_given() -> None:
    mesh, lighting = ball(), replace(load_lighting(), backdrop=((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    with make_renderer(mesh, frame_head(mesh), 64, lighting=lighting) as renderer:
        picture = renderer.render(mesh.vertices)
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[-1, 0].tolist() == [0, 0, 255]
    with make_renderer(mesh, frame_head(mesh), 64, lighting=lighting, background=(0, 0, 0)) as renderer:
        assert renderer.render(mesh.vertices)[0, 0].tolist() == [0, 0, 0]


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    described = json.loads((lights_folder() / "soft.json").read_text())
    described["shadow"] = 0.0
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(described))
    assert load_lighting(str(path)) == replace(load_lighting("soft"), shadow=0.0)


def test_unknown_names_list_the_presets() -> None:
    with pytest.raises(InputError, match="dramatic, soft, studio"):
        load_lighting("disco")
    with pytest.raises(InputError, match="no such light file"):
        load_lighting("nowhere.json")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"lights": []}, "lights"),
        ({"colour": [1, 1, 1]}, "colour"),
        ({"shadow": "deep"}, "shadow"),
        ({"sky": [0.1, 0.1]}, "sky"),
        ({"lights": [{"azimuth": 0, "elevation": 90, "colour": [1, 1, 1], "strength": 1}]}, r"lights\.0\.elevation"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(json.loads((lights_folder() / "soft.json").read_text()) | change))
    with pytest.raises(InputError, match=complaint) as caught:
        load_lighting(str(path))
    assert "\n" not in str(caught.value)


def test_the_direction_of_a_light_is_a_unit_vector() -> None:
    for light in load_lighting("dramatic").lights:
        assert np.linalg.norm(light.direction()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("part", MATERIALS)
def test_light_from_behind_the_head_does_not_come_into_the_mouth(part: str) -> None:
    """The sides of tongues had a bluish rim, and molars glinted."""
    lights = light_table(load_lighting("studio"))[list(MATERIALS).index(part)]
    behind = lights[:, 2] < 0
    assert 0 < behind.sum() < len(lights)
    assert (lights[~behind, 3:6] > 0).all()
    assert ((lights[behind, 3:6] > 0) == (part not in ("mouth", "teeth", "tongue"))).all()


def test_plain_teeth_fade_towards_the_back() -> None:
    mesh = replace(
        ball(), colours=None, group_names=("teeth",), polygon_groups=np.zeros(len(ball().polygon_sizes), int)
    )
    colours = default_colours(mesh)
    front, back = np.argmax(mesh.vertices[:, 2]), np.argmin(mesh.vertices[:, 2])
    assert colours[front].mean() > 0.85
    assert colours[back].mean() < 0.5 * colours[front].mean()
    red, green, blue = colours[back]
    assert red > 1.1 * green > 1.2 * blue  # warm: a neutral dark looks like metal


def test_blank_eyeballs_get_irises_of_a_usual_size() -> None:
    def eyes(radius: float) -> Mesh:
        points, triangles = sphere(24)
        both = np.concatenate([radius * points - (0.03, 0, 0), radius * points + (0.03, 0, 0)]).astype(np.float32)
        mesh = from_triangles(both, np.concatenate([triangles, triangles + len(points)]).astype(np.int32))
        return replace(mesh, group_names=("eyes",), polygon_groups=np.zeros(len(mesh.polygon_sizes), np.int32))

    for radius in (0.012, 0.025):
        mesh = eyes(radius)
        directions = blank_eyes(mesh)
        assert np.linalg.norm(directions, axis=1) == pytest.approx(1, abs=1e-5)
        iris = mesh.vertices[(directions[:, 2] > np.cos(np.radians(IRIS))) & (mesh.vertices[:, 0] > 0)]
        assert 0.004 < np.ptp(iris[:, 1]) / 2 < 0.0075
    painted = replace(mesh, colours=np.random.default_rng(0).random(mesh.vertices.shape).astype(np.float32))
    assert not blank_eyes(painted).any()  # what has colours keeps them


def test_a_fine_and_a_coarse_eyeball_both_get_an_iris() -> None:
    (fine, many), (coarse, few) = sphere(24), sphere(6)
    both = np.concatenate([0.012 * fine - (0.03, 0, 0), 0.012 * coarse + (0.03, 0, 0)]).astype(np.float32)
    mesh = from_triangles(both, np.concatenate([many, few + len(fine)]).astype(np.int32))
    mesh = replace(mesh, group_names=("eyes",), polygon_groups=np.zeros(len(mesh.polygon_sizes), np.int32))
    directions = blank_eyes(mesh)
    assert np.linalg.norm(directions, axis=1) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(directions[len(fine) + coarse[:, 2].argmax(), 2], 1.0, atol=1e-3)
