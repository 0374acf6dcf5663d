"""Template, triangles and masks of a head, from the user's own copy of FLAME, VOCASET or another head.

Next to the sequences, any of: ``templates.npz`` (one array a subject), ``template.obj`` or ``.ply`` (one face for all),
``FLAME_sample.ply`` or ``.obj`` (its triangles alone), ``masks.json`` (name → vertex numbers), ``regions/lve.txt`` and
``fdd.txt``. The pickles that FLAME and VOCASET publish become ``templates.npz`` and ``masks.json`` by
``sedtalker data convert``.
"""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.storage import whole_file

Floats = NDArray[np.float32]
PICKLES = {"templates.pkl": "templates.npz", "FLAME_masks.pkl": "masks.json"}
"""Published pickles and what they become."""
_MESHES = ("template.obj", "template.ply", "FLAME_sample.obj", "FLAME_sample.ply")


@dataclass(frozen=True, eq=False)
class HeadFiles:
    """What is known of the head.

    Attributes:
        templates: resting vertices (V, 3) by subject; "" for one that all share.
        triangles: (F, 3), or None.
        masks: vertex numbers by region.
    """

    templates: dict[str, Floats] = field(default_factory=dict)
    triangles: NDArray[np.int32] | None = None
    masks: dict[str, NDArray[np.int64]] = field(default_factory=dict)


def read_head_files(root: Path) -> HeadFiles:
    """Whatever of these files the folder holds.

    Raises:
        InputError: one of them cannot be read.
    """
    templates: dict[str, Floats] = {}
    triangles = None
    for path in (root / name for name in _MESHES):
        if path.is_file():
            from sedtalker.mesh.files import read_mesh

            mesh = read_mesh(path)
            triangles = mesh.triangles
            if not path.name.startswith("FLAME"):  # that one is nobody's face
                templates[""] = mesh.vertices
            break
    if (root / "templates.npz").is_file():
        try:
            with np.load(root / "templates.npz", allow_pickle=False) as stored:
                templates |= {name: np.asarray(stored[name], np.float32).reshape(-1, 3) for name in stored.files}
        except (OSError, ValueError):
            raise InputError(f"{root / 'templates.npz'}: not arrays of numbers, one a subject") from None
    return HeadFiles(templates, triangles, _masks(root))


def _masks(root: Path) -> dict[str, NDArray[np.int64]]:
    masks: dict[str, NDArray[np.int64]] = {}
    try:
        for path in sorted((root / "regions").glob("*.txt")):
            masks[path.stem] = np.array(path.read_text(encoding="utf-8").replace(",", " ").split(), np.int64)
        if (root / "masks.json").is_file():
            named = json.loads((root / "masks.json").read_text(encoding="utf-8"))
            masks |= {str(name): np.asarray(values, np.int64).reshape(-1) for name, values in named.items()}
    except (OSError, ValueError, AttributeError):
        raise InputError(f"{root}: masks.json or regions/*.txt do not name vertex numbers") from None
    return masks


class _ArraysOnly(pickle.Unpickler):
    """Knows how to make arrays and nothing else, so a pickle cannot run code."""

    ALLOWED = frozenset(
        {
            *(("numpy", name) for name in ("ndarray", "dtype")),
            *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
            *((f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def read_array_pickle(path: Path) -> dict[str, NDArray[Any]]:
    """A pickled dictionary of arrays, with a reader that refuses everything but arrays.

    Raises:
        InputError: anything else.
    """
    try:
        held = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
        return {str(name): np.asarray(value) for name, value in held.items()}
    except OSError:
        raise InputError(f"{path}: cannot be read") from None
    except Exception as error:  # a damaged pickle fails in any way there is
        raise InputError(f"{path}: not a pickled dictionary of arrays ({error})") from None


def convert_head_pickles(root: Path, force: bool = False) -> list[Path]:
    """Write ``templates.npz`` and ``masks.json`` from the pickles of ``root``; returns what was written.

    Raises:
        InputError: there are none, one is no dictionary of arrays, or a result exists already.
    """
    found = [(root / source, root / target) for source, target in PICKLES.items() if (root / source).is_file()]
    if not found:
        raise InputError(f"{root}: neither {' nor '.join(PICKLES)} in it")
    for _, target in found:
        if target.exists() and not force:
            raise InputError(f"{target} exists; use --force to overwrite")
    held = [(target, read_array_pickle(source)) for source, target in found]
    for target, arrays in held:
        with whole_file(target) as temporary:
            if target.suffix == ".npz":
                with temporary.open("wb") as stream:
                    np.savez_compressed(stream, allow_pickle=False, **{k: v.astype("f4") for k, v in arrays.items()})
            else:
                lists = {name: value.astype(int).reshape(-1).tolist() for name, value in arrays.items()}
                temporary.write_text(json.dumps(lists), encoding="utf-8")
    return [target for target, _ in held]
