"""Which lengths of a face say how large its shapes are beside the built-in face's: heads with known shapes.

    python scripts/measure_proportions.py --data DIR

Persons of the reference rig get other proportions, and their shapes with them. The factor that a shape of the built-in
face would need there, beside the one it needs on the unchanged person, is compared with how much longer each of
``LENGTHS`` is. Printed for each region of ``sedtalker.face.amounts``: the mean error of the factor (a logarithm)
without scaling, as registered, and with the three best lengths, each with its correlation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from sedtalker.errors import InputError
from sedtalker.face.amounts import FEATURES, NARROWEST, REGIONS, WIDEST
from sedtalker.face.builtin import load_face
from sedtalker.face.registration import register_cached
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.evaluation.hard_heads import restyled_heads
from sedtalker.training.evaluation.registration import compare

Pairs = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
LENGTHS: dict[str, Pairs] = {
    "opening of the eye": (((37, 38), (41, 40)), ((43, 44), (47, 46))), "width of the eye": FEATURES["eyes"],
    "brow over lid": FEATURES["brows"], "inner brow to nose": (((21, 22), (27,)),),
    "width of the nose": (((31,), (35,)),), "length of the nose": (((27,), (33,)),),
    "nose to lip": (((33,), (51,)),), "nose to mouth": FEATURES["upper lip"],
    "upper lip": (((51,), (62,)),), "lower lip": (((57,), (66,)),), "both lips": (((51,), (57,)),),
    "lip to chin": (((57,), (8,)),), "mouth to chin": (((66,), (8,)),), "width of the mouth": FEATURES["mouth"],
    "mouth to eyes": (((48, 54), (36, 45)),), "width of the jaw": (((4,), (12,)),),
    "width of the face": (((2,), (14,)),), "length of the face": (((27,), (8,)),),
    "wing of the nose to mouth": (((31,), (48,)), ((35,), (54,))),
}  # fmt: skip
"""Candidates: landmarks between which they are measured."""
SEEDS = range(20, 28)
"""Proportions of the heads; none is among those of ``sedtalker evaluate registration``."""


def length(marks: np.ndarray, pairs: Pairs) -> float:
    """A length in outer-eye-corner distances."""
    ends = [np.linalg.norm(marks[list(a)].mean(0) - marks[list(b)].mean(0)) for a, b in pairs]
    return float(np.mean(ends) / np.linalg.norm(marks[45] - marks[36]))


def measure(data: Path) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Logarithms of each shape's size beside the truth, and of each length, a head a row; the unchanged one first."""
    source, sizes, lengths = load_face(), [], []
    for head in restyled_heads(data, SEEDS):
        print(head.name, file=sys.stderr)
        face, found = register_cached(head.mesh, source, head.name)
        turn = (found.scale * np.asarray(found.rotation)).astype(np.float32)
        sizes.append({
            name: float(np.log(compare(face.basis[k][head.skin], head.offsets[k][head.skin] @ turn.T)["size_ratio"]))
            for name, k in face.shape_index.items()
            if k < len(head.offsets) and head.offsets[k].any()
        })  # fmt: skip
        marks = face.mesh.vertices[face.landmarks].astype(np.float64)
        lengths.append({name: float(np.log(length(marks, pairs))) for name, pairs in LENGTHS.items()})
    return sizes, lengths


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    import torch

    torch.set_num_threads(1)
    try:
        sizes, lengths = measure(find_data(parser.parse_args().data))
    except InputError as error:
        sys.exit(f"error: {error}")
    limits = np.log(NARROWEST), np.log(WIDEST)
    longer = {name: np.array([one[name] - lengths[0][name] for one in lengths[1:]]) for name in LENGTHS}
    for region, beginnings in REGIONS.items():
        shapes = [name for name in sizes[0] if name.startswith(beginnings)]
        needed = np.array([[sizes[0][name] - one[name] for name in shapes] for one in sizes[1:]])

        def error(name: str | None, needed: np.ndarray = needed) -> float:
            factor = np.clip(longer[name], *limits) if name else np.zeros(len(needed))
            return float(np.abs(needed - factor[:, None]).mean())

        used = next((name for name, pairs in LENGTHS.items() if FEATURES.get(region) == pairs), None)
        best = sorted(LENGTHS, key=error)[:3]
        lines = [
            f"{name} {error(name):.2f} (r {np.corrcoef(needed.mean(1), longer[name])[0, 1]:+.2f})" for name in best
        ]
        print(f"{region:10s} unscaled {error(None):.2f}, as registered {error(used):.2f} | {', '.join(lines)}")


if __name__ == "__main__":
    main()
