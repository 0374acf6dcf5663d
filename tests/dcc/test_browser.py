"""GLB and FBX as three.js plays them in a real browser, the first beside our own render."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from sedtalker.export.formats import export
from sedtalker.face.face import Face
from sedtalker.metrics.motion import INNER_LIP_MIDDLES
from sedtalker.render.camera import Camera
from sedtalker.render.renderer import make_renderer
from tests.dcc.browser import Browser
from tests.dcc.conftest import Example, missing
from tests.dcc.test_blender_imports import METRES_RMS, rms

SECONDS = 1.0
SIZE = 512
FOV, EDGE = 6.0, 1 / 3
PIXELS = 2.0
"""How far the lip apertures of the two pictures may differ: 0.2 mm here."""


@pytest.fixture(scope="session")
def browser() -> Browser:
    found = os.environ.get("SEDTALKER_CHROMIUM") or shutil.which("chromium")
    if not found:
        missing("no Chromium: apt install chromium, or set SEDTALKER_CHROMIUM")
    packages = Path(os.environ.get("SEDTALKER_NODE", ""))
    if not (packages / "node_modules" / "three").is_dir():
        missing("no three.js: set SEDTALKER_NODE to a folder with node_modules/three, or use make test-dcc")
    return Browser(Path(found), packages)


def with_a_dark_mouth(face: Face) -> Face:
    """The face in white and all that lies behind its lips in black: what is dark in a picture is the open mouth."""
    colours = np.ones_like(face.mesh.vertices)
    for part in ("mouth_socket", "teeth", "gums", "tongue"):
        colours[face.regions[part]] = 0.0
    return dataclasses.replace(face, mesh=dataclasses.replace(face.mesh, colours=colours))


def aperture(picture: np.ndarray) -> float:
    """Height in pixels of the dark span in the middle of the picture; its edges are at a third of white, sub-pixel."""
    grey = picture[:, SIZE // 2 - 2 : SIZE // 2 + 2].astype(float).mean(axis=(1, 2)) / 255
    dark = np.flatnonzero(grey < EDGE)
    assert len(dark), "the mouth is closed in the picture"
    spans = np.split(dark, np.flatnonzero(np.diff(dark) > 1) + 1)
    span = min(spans, key=lambda rows: np.abs(rows - SIZE / 2).min())
    first, last = span[0], span[-1]
    top = first - (EDGE - grey[first]) / (grey[first - 1] - grey[first])
    bottom = last + (EDGE - grey[last]) / (grey[last + 1] - grey[last])
    return float(bottom - top)


def test_a_frame_is_the_same_in_three_js_and_in_our_render(browser: Browser, builtin: Example, tmp_path: Path) -> None:
    face = with_a_dark_mouth(builtin.animation.face)
    coefficients = builtin.animation.coefficients.copy()
    jaw = face.shapes.index("jawOpen")
    coefficients[:, jaw] = np.maximum(coefficients[:, jaw], 0.25)  # wide enough that no shadow is taken for the gap
    animation = dataclasses.replace(builtin.animation, face=face, coefficients=coefficients)
    ours = animation.vertices()[round(SECONDS * animation.fps)]
    assert face.landmarks is not None
    lips = face.landmarks[list(INNER_LIP_MIDDLES)]
    middle = ours[lips].mean(axis=0).astype(float)
    camera = Camera(tuple(middle + (0, 0, 0.5)), tuple(middle), fov=FOV, near=0.1, far=2.0)
    export(animation, tmp_path / "face.glb", "glb", targets="all")
    request = {"position": camera.position, "target": camera.target, "fov": camera.fov, "near": 0.1, "far": 2.0}
    seen = browser.play(tmp_path / "face.glb", tmp_path, seconds=SECONDS, size=SIZE, **request)
    assert json.loads(seen["done"])["clips"] == 1
    theirs = np.frombuffer(seen["vertices"], "<f4").reshape(-1, 3)[: len(ours)]
    shown = np.unique(face.mesh.polygon_vertices)
    assert rms((theirs - ours)[shown]) < METRES_RMS
    gap, their_gap = (float(np.linalg.norm(points[lips[0]] - points[lips[1]])) for points in (ours, theirs))
    assert abs(gap - their_gap) < METRES_RMS
    assert gap > 2e-3  # the mouth is open at that moment

    with make_renderer(face, camera, SIZE, "numba", background=(1.0, 1.0, 1.0)) as renderer:
        mine = renderer.render(ours)
    picture = np.asarray(Image.open(io.BytesIO(seen["picture"])).convert("RGB"))
    if os.environ.get("SEDTALKER_DCC_PICTURES"):
        Image.fromarray(np.hstack([mine, picture])).save(Path(os.environ["SEDTALKER_DCC_PICTURES"]) / "browser.png")
    assert picture.shape == mine.shape
    assert aperture(mine) > 8.0
    assert abs(aperture(picture) - aperture(mine)) < PIXELS, (aperture(picture), aperture(mine))


def test_the_fbx_moves_as_ours_in_three_js(browser: Browser, builtin: Example, tmp_path: Path) -> None:
    animation = builtin.animation
    export(animation, tmp_path / "face.fbx", "fbx", targets="all")
    ours = animation.vertices()[round(SECONDS * animation.fps)]
    shown = ours[np.unique(animation.face.mesh.polygon_vertices)]
    view = {"position": (0, 0, 100), "target": (0, 0, 0), "fov": FOV, "near": 1, "far": 500}
    seen = browser.play(tmp_path / "face.fbx", tmp_path, seconds=SECONDS, size=64, **view)
    assert json.loads(seen["done"])["clips"] == 1
    theirs = np.frombuffer(seen["vertices"], "<f4").reshape(-1, 3) / 100  # the corners of triangles, in centimetres
    for found, among in ((theirs, shown), (shown, theirs)):
        apart, _ = cKDTree(among).query(found)
        assert np.sqrt(np.square(apart).mean()) < METRES_RMS
    still, _ = cKDTree(animation.face.mesh.vertices).query(theirs)
    assert np.sqrt(np.square(still).mean()) > 10 * METRES_RMS  # it moves
