"""The ICT-FaceKit light rig as a face: for training and measuring only, never part of the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin.eyes import GAZE_ANGLES, gaze_rotation
from sedtalker.face.face import Face
from sedtalker.face.mesh import from_triangles

CENTIMETRE = 0.01


def read_reference_rig(data: Path) -> Face:
    """``face/ict_lite.npz`` (MIT, USC Institute for Creative Technologies) in metres; it has no tongueOut.

    Raises:
        InputError: the file is missing.
    """
    path = data / "face/ict_lite.npz"
    if not path.is_file():
        raise InputError(f"{path}: the reference rig is missing")
    with np.load(path, allow_pickle=False) as rig:
        vertices = rig["neutral"].astype(np.float32) * CENTIMETRE
        basis = np.zeros((len(ARKIT_52), *vertices.shape), np.float32)
        for name, delta in zip(rig["arkit_names"], rig["expression_deltas"], strict=True):
            basis[ARKIT_52.index(str(name))] += delta.astype(np.float32) * CENTIMETRE
        mesh = from_triangles(vertices, rig["triangles"].astype(np.int32))
        regions = {k.removeprefix("mask_"): rig[k].astype(bool) for k in rig.files if k.startswith("mask_")}
        landmarks = rig["landmarks68"].astype(np.int32)
    return Face("ICT-FaceKit light", mesh, ARKIT_52, basis, (), regions, landmarks)


def read_coloured_rig(data: Path) -> Face:
    """The reference rig in its own colours, its eyeballs as the region ``eyes``.

    Raises:
        InputError: the file is missing.
    """
    rig = read_reference_rig(data)
    with np.load(data / "face/ict_lite.npz", allow_pickle=False) as file:
        colours = file["colors"].astype(np.float32) / 255
    return replace(rig, mesh=replace(rig.mesh, colours=colours), regions=rig.regions | {"eyes": rig.regions["eyeball"]})


def with_turning_eyes(rig: Face) -> Face:
    """The reference rig with eyeballs that follow its eyeLook shapes, which in its file move only the lids."""
    basis, vertices = rig.basis.copy(), rig.mesh.vertices
    for name in GAZE_ANGLES:
        eye = rig.regions["eyeball"] & ((vertices[:, 0] > 0) == name.endswith("Left"))
        centre = (vertices[eye].min(axis=0) + vertices[eye].max(axis=0)) / 2
        basis[rig.shape_index[name], eye] = (vertices[eye] - centre) @ (gaze_rotation(name).T - np.eye(3))
    return replace(rig, basis=basis)
