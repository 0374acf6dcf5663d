"""A face as plain arrays, for animation files and the registration cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.face import Corrective, Face
from sedtalker.face.mesh import Material, Mesh

Arrays = dict[str, NDArray[Any]]


def face_arrays(face: Face) -> Arrays:
    """Everything of a face as arrays without objects: nothing needs pickling."""
    mesh = face.mesh
    arrays: Arrays = {
        "face_vertices": mesh.vertices,
        "face_polygon_sizes": mesh.polygon_sizes,
        "face_polygon_vertices": mesh.polygon_vertices,
        "face_basis": face.basis,
        "face_pivot": face.pivot,
        "face_shapes": np.array(face.shapes, dtype=np.str_),
    }
    optional = {
        "face_uvs": mesh.uvs,
        "face_polygon_uvs": mesh.polygon_uvs,
        "face_colours": mesh.colours,
        "face_polygon_groups": mesh.polygon_groups,
        "face_landmarks": face.landmarks,
    }
    arrays |= {name: array for name, array in optional.items() if array is not None}
    if face.regions:
        arrays["face_regions"] = np.stack(list(face.regions.values()))
    for k, material in enumerate(mesh.materials):
        if material is not None and material.texture is not None:
            arrays[f"face_texture_{k}"] = np.frombuffer(material.texture, np.uint8)
    described = {
        "name": face.name,
        "materials": [None if m is None else {**asdict(m), "texture": None} for m in mesh.materials],
        "groups": list(mesh.group_names),
        "regions": list(face.regions),
        "correctives": [[c.name, list(c.sources), c.gain, c.beyond] for c in face.correctives],
    }
    arrays["face_json"] = np.array(json.dumps(described, ensure_ascii=False), dtype=np.str_)
    return arrays


def face_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Face:
    """The face that ``face_arrays`` took apart.

    Raises:
        KeyError, ValueError: the arrays are not those of a face.
    """
    described = json.loads(str(arrays["face_json"]))
    optional = {key: arrays.get(f"face_{key}") for key in ("uvs", "polygon_uvs", "colours", "polygon_groups")}
    mesh = Mesh(
        vertices=arrays["face_vertices"],
        polygon_sizes=arrays["face_polygon_sizes"],
        polygon_vertices=arrays["face_polygon_vertices"],
        group_names=tuple(described["groups"]),
        materials=tuple(_material(arrays, k, told) for k, told in enumerate(described.get("materials", ()))),
        **optional,
    )
    return Face(
        name=described["name"],
        mesh=mesh,
        shapes=tuple(str(name) for name in arrays["face_shapes"]),
        basis=arrays["face_basis"],
        correctives=tuple(Corrective(name, tuple(sources), *how) for name, sources, *how in described["correctives"]),
        regions=dict(zip(described["regions"], arrays.get("face_regions", ()), strict=True)),
        landmarks=arrays.get("face_landmarks"),
        pivot=arrays["face_pivot"],
    )


def _material(arrays: Mapping[str, NDArray[Any]], k: int, told: dict[str, Any] | None) -> Material | None:
    if told is None:
        return None
    texture = arrays.get(f"face_texture_{k}")
    data = None if texture is None else texture.astype(np.uint8).tobytes()
    return Material(**{**told, "colour": tuple(told["colour"]), "texture": data})
