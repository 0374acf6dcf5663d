"""Make the picture of docs/mesh.md: registered heads, one a row, in the emotions and a few shapes.

python scripts/make_mesh_picture.py --data ../shared/data --out docs/images/mesh_heads.png
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain, islice
from pathlib import Path

import numpy as np
from PIL import Image

from sedtalker.animation.expressions import poses
from sedtalker.datasets.manifest import find_data
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.catalogue import load_face
from sedtalker.face.registration import register
from sedtalker.render.contact_sheet import contact_sheet
from sedtalker.training.registration_targets import KINDS, other_heads, random_identities

HEADS = ("identity 3 ", "identity 5 ", "identity 8 ", "stylised 0", "stylised 1", "stylised 5", "mh_head", "low-poly")
"""How the names of the heads begin that are shown."""
SHAPES: dict[str, dict[str, float]] = {
    "jawOpen": {"jawOpen": 0.7},
    "eyeBlink": {"eyeBlink": 1.0},
    "mouthPucker": {"mouthPucker": 1.0},
}


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="training data [SEDTALKER_DATA or ../shared/data]")
    parser.add_argument("--out", type=Path, default=Path("docs/images/mesh_heads.png"))
    parser.add_argument("--size", type=int, default=132, help="side of one picture, pixels")
    args = parser.parse_args()
    data, source = find_data(args.data), load_face()
    shown = {
        name: dict(zip(ARKIT_52, map(float, row), strict=True)) for name, row in zip(CATEGORIES, poses(), strict=True)
    }
    shown |= SHAPES
    rows = []
    for head in chain(islice(random_identities(data, len(KINDS), 0), len(KINDS)), other_heads(data, 0)):
        if head.name.startswith(HEADS) and "," not in head.name:
            face, _ = register(head.mesh, source, head.name)
            rows.append(contact_sheet(face, shown, size=args.size, columns=len(shown)))
            print(head.name, file=sys.stderr)
    Image.fromarray(np.concatenate(rows)).quantize(192).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
