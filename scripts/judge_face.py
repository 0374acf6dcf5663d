"""Let MediaPipe's face landmarker judge a face: is it found, and does each shape show what its name says?

python scripts/judge_face.py --data ../shared/data --json [--face NAME]

``found``: in how many of the 52 renders of one shape at weight 1 a face is found. ``agreeing``: of the 33 ARKit shapes
that MediaPipe scores, left and right as one (all but tongueOut), those whose own score rises by 0.25 or more over rest
with both sides at weight 1. ``agreeing_minus_reference``: that count less the reference rig's in the same renderer. In
the rig's file the eyeLook shapes move only lids; here its eyeballs turn with them as ours do, which helps it.
``reference_still_eyes`` is its count without that help.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.corpora.tracked_motion import read_coloured_rig, with_turning_eyes
from sedtalker.training.evaluation.shape_judge import JUDGED, RISE, measure, open_judge


def judge_face(data: Path, name: str, size: int) -> dict[str, Any]:
    """The whole comparison of one face with the reference rig."""
    face, rig = load_face(name), read_coloured_rig(data)
    with open_judge(data) as judge:
        own, reference, still = (measure(f, judge, size) for f in (face, with_turning_eyes(rig), rig))
    for shape, row in own["shapes"].items():
        row["reference_rise"] = reference["shapes"][shape]["rise"]
    return {
        "face": name,
        "size": size,
        **own,
        "reference_agreeing": reference["agreeing"],
        "reference_still_eyes": still["agreeing"],
        "reference_found": reference["found"],
        "agreeing_minus_reference": own["agreeing"] - reference["agreeing"],
    }


def print_table(result: dict[str, Any]) -> None:
    """The figures for a person."""
    print(f"{'shape':18} {'score':>6} {'rise':>6} {'ref':>6}  rises instead")
    for name, row in result["shapes"].items():
        others = ", ".join(f"{k} {v:.2f}" for k, v in row["others"].items())
        mark = "+" if row["rise"] >= RISE else " "
        print(f"{name:18} {row['score']:6.2f} {row['rise']:6.2f}{mark}{row['reference_rise']:6.2f}  {others}")
    print(f"\nfound {result['found']} of 52; not found: {', '.join(result['not_found']) or 'none'}")
    print(f"agreeing {result['agreeing']} of {len(JUDGED)}, reference {result['reference_agreeing']}")
    print("at rest " + ", ".join(f"{k} {v:.2f}" for k, v in result["rest_loudest"].items()))


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="training data [SEDTALKER_DATA or ../shared/data]")
    parser.add_argument("--face", default="builtin", help="name of a built-in face")
    parser.add_argument("--size", type=int, default=480, help="side of the renders, pixels")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    try:
        result = judge_face(find_data(args.data), args.face, args.size)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        print_table(result)


if __name__ == "__main__":
    main()
