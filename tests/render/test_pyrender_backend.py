from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.mesh.mesh import from_triangles
from sedtalker.render import frame_head, make_renderer
from tests.support.ball import ball, figure

pytestmark = pytest.mark.gl


@pytest.fixture(scope="module", autouse=True)
def _egl() -> None:
    mesh = figure()
    try:
        make_renderer(mesh, frame_head(mesh), 32, "pyrender").close()
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("yaw", [0.0, 35.0])
def test_both_backends_see_the_same_silhouette(yaw: float) -> None:
    mesh = figure()
    rng = np.random.default_rng(3)
    moved = mesh.vertices + rng.normal(scale=0.002, size=mesh.vertices.shape).astype(np.float32)
    masks = []
    for backend in ("numba", "pyrender"):
        with make_renderer(mesh, frame_head(mesh, yaw=yaw), 256, backend, background=(0.0, 1.0, 0.0)) as renderer:
            renderer.render(mesh.vertices)
            masks.append((renderer.render(moved) != (0, 255, 0)).any(axis=2))
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.99


def test_both_backends_show_much_the_same_colours() -> None:
    mesh = figure()
    pictures = []
    for backend in ("numba", "pyrender"):
        with make_renderer(mesh, frame_head(mesh), 128, backend) as renderer:
            pictures.append(renderer.render(mesh.vertices).astype(float))
    assert np.abs(pictures[0] - pictures[1]).mean() < 20


@pytest.mark.slow
def test_eyeballs_of_few_vertices_have_pupils() -> None:
    head, eye = figure(), ball(8)
    balls = [0.15 * eye.vertices + (side, 0.01, 0.1) for side in (-0.03, 0.03)]
    counts = len(head.vertices), len(eye.vertices)
    triangles = [head.triangles, *(eye.triangles + counts[0] + k * counts[1] for k in (0, 1))]
    mesh = replace(
        from_triangles(np.concatenate([head.vertices, *balls]).astype(np.float32), np.concatenate(triangles)),
        group_names=("head", "eyes"),
        polygon_groups=np.repeat(np.int32([0, 1]), [len(head.triangles), 2 * len(eye.triangles)]),
    )
    for backend in ("numba", "pyrender"):
        with make_renderer(mesh, frame_head(mesh), 256, backend, background=(0.0, 1.0, 0.0)) as renderer:
            seen = renderer.render(mesh.vertices)[80:170].max(axis=2)
        for half in np.hsplit(seen, 2):
            assert (half < 80).sum() > 10, backend


WITHOUT_EGL = """
class NoEgl:
    def find_spec(self, name, *rest):
        if name == "pyrender.platforms.egl":
            raise OSError("libEGL.so.1: cannot open shared object file")
sys.meta_path.insert(0, NoEgl())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("without", "said"), [(WITHOUT_EGL, "libegl1"), ("sys.modules['pyrender'] = None", "pip install 'sedtalker[gl]'")]
)
def test_what_is_missing_is_named(without: str, said: str) -> None:
    code = (
        f"import sys\n{without}\n"
        "from sedtalker.render.pyrender_backend import import_pyrender\n"
        "from sedtalker.errors import InputError\n"
        "try: import_pyrender()\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert said in done.stdout
