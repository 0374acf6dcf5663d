"""What MediaPipe's face landmarker sees in renders of a face's shapes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats
from sedtalker.errors import InputError, extra
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.render import frame_head, make_renderer

Picture = NDArray[np.uint8]
Scores = dict[str, float]
Judge = Callable[[Picture], Scores | None]


@contextmanager
def open_judge(data: Path) -> Iterator[Judge]:
    """A function from a picture to MediaPipe's 52 scores, or None where it finds no face.

    Raises:
        InputError: MediaPipe or its model is missing.
    """
    os.environ.setdefault("GLOG_minloglevel", "3")
    model = data / "face" / "face_landmarker.task"
    if not model.is_file():
        raise InputError(f"{model}: MediaPipe's face landmarker is missing")
    with extra("landmarks"):
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    options = vision.FaceLandmarkerOptions(BaseOptions(str(model)), output_face_blendshapes=True)
    with vision.FaceLandmarker.create_from_options(options) as landmarker:

        def judge(picture: Picture) -> Scores | None:
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(picture))
            seen = landmarker.detect(image).face_blendshapes
            return {c.category_name: float(c.score) for c in seen[0]} if seen else None

        yield judge


Change = Callable[[Floats, Floats], Doubles]
"""From coefficients (K,) of an animated face and of the same frame without emotion to what changes in its scores (52,).
"""


@contextmanager
def open_change_judge(data: Path, face: Face) -> Iterator[Change]:
    """A function that renders two frames of a face and says by how much the judge's scores differ.

    Where no face is seen in either the change is zero.

    Raises:
        InputError: MediaPipe or its model is missing.
    """
    with open_judge(data) as judge, make_renderer(face, frame_head(face), 320, "numba") as view:

        def scores(coefficients: Floats) -> Scores:
            return judge(view.render(face.deform(coefficients[None])[0])) or {}

        def change(moved: Floats, neutral: Floats) -> Doubles:
            after, before = scores(moved), scores(neutral)
            seen = bool(after and before)
            return np.array([seen * (after.get(name, 0.0) - before.get(name, 0.0)) for name in ARKIT_52])

        yield change
