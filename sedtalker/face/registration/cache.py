"""Registered faces kept by content, so that a mesh is registered once."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.face.face import Face, RegistrationReport, report_from_json
from sedtalker.face.registration.pose import GivenLandmarks
from sedtalker.face.registration.register import register
from sedtalker.face.sedface import UNREADABLE, face_arrays, face_from_arrays
from sedtalker.mesh.mesh import Mesh
from sedtalker.progress import Hook, no_progress
from sedtalker.storage import whole_file

VERSION = 9
"""Part of every key; raised when registration gives other results."""


def register_cached(
    mesh: Mesh,
    source: Face,
    name: str,
    folder: Path | None = None,
    given: GivenLandmarks | None = None,
    hook: Hook = no_progress,
) -> tuple[Face, RegistrationReport]:
    """``register``, or what it gave for the same mesh and source before.

    Args:
        mesh: any head mesh; source: the face to take shapes from; name: what to call the result.
        folder: where results are kept, by default ``$XDG_CACHE_HOME/sedtalker/faces``. A folder that cannot be written
            only costs time.
        given: where its face is, instead of looking for it.
        hook: receives the progress; nothing where the result was kept.

    Raises:
        InputError: no face is found on the mesh.
    """
    folder = folder or default_folder()
    key = content_hash(mesh, source, weights_sha256(builtin_checkpoint("landmarks")), given)
    entry = folder / f"{key}.npz"
    kept = load_entry(entry, mesh, name)
    if kept is not None:
        return kept
    face, report = register(mesh, source, name, given, hook)
    store_entry(entry, face, report)
    return face, report


def default_folder() -> Path:
    """The user's cache folder for registered faces."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "sedtalker" / "faces"


def content_hash(mesh: Mesh, source: Face, detector: str, given: GivenLandmarks | None = None) -> str:
    """Hash of all that the result depends on: mesh, source face, landmark weights or landmarks, this code's version."""
    digest = hashlib.sha256(f"registration {VERSION} {detector}".encode())
    arrays: list[NDArray[np.generic]] = [mesh.vertices, mesh.polygon_sizes, mesh.polygon_vertices]
    arrays += [source.mesh.vertices, source.mesh.polygon_vertices, source.basis, source.pivot]
    arrays += [source.regions[key] for key in sorted(source.regions)]
    if source.landmarks is not None:
        arrays.append(source.landmarks)
    if given is not None:
        arrays += [given.points, given.confidence]
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    described = [source.shapes, [asdict(c) for c in source.correctives], sorted(source.regions)]
    digest.update(json.dumps(described).encode())
    return digest.hexdigest()[:40]


def store_entry(entry: Path, face: Face, report: RegistrationReport) -> None:
    """Keep a result to the last bit; the entry appears whole or not at all."""
    arrays = {**face_arrays(face), "report": np.array(report.to_json())}
    with suppress(OSError):  # a cache that cannot be written is no reason to fail
        entry.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(entry) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]


def load_entry(entry: Path, mesh: Mesh, name: str) -> tuple[Face, RegistrationReport] | None:
    """A kept result on the user's own mesh, or None if there is none or it is damaged."""
    try:
        with np.load(entry, allow_pickle=False) as kept:
            arrays = {key: kept[key] for key in kept.files}
        face = face_from_arrays(arrays)
        return replace(face, name=name, mesh=mesh.with_vertices(face.mesh.vertices)), report_from_json(
            str(arrays["report"])
        )
    except UNREADABLE:
        return None
