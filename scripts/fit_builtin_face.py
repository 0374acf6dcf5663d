"""Fit the built-in head to the reference and write its parameter file, and the parts that are the same in all heads.

    python scripts/fit_builtin_face.py --data ../shared/data [--out parameters.npz]
    python scripts/fit_builtin_face.py --parts   # hair, teeth, tongue, wrinkles alone, by the parameters that there are

The reference is ICT-FaceKit (MIT licence, © 2020 USC Institute for Creative Technologies); only positions and offsets
of the cage are written.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from face_fit.expressions import RESTING, Expressions, fit_correctives, fit_expressions
from face_fit.eyeball import fit_eyeball
from face_fit.fixed import write_fixed
from face_fit.identity import fit_identity
from face_fit.landmarks import pick_landmarks
from face_fit.lids import clear_lids
from face_fit.lift import place
from face_fit.solve import Fitter
from face_fit.target import Points, load_target
from face_fit.topology import build_cage

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin.cage import Cage
from sedtalker.face.builtin.identity import PATH, Parameters

FOOT = {0: (0.88, 0.8), 1: (0.94, 0.35)}
"""Row of the neck → factor on its width, centimetres downwards."""
STRONGER = {"mouthShrugLower": 1.2}
"""Shapes that the fit leaves smaller than the reference has them, and by how much."""
LIFTING = {"cheekSquint": 0.85, "noseSneer": 0.55, "mouthSmile": 0.2}
"""Shapes that lift the lower lid as ``eyeSquint`` does, and how far beside it: closed lids then meet as with it."""


def write_parameters(p: Parameters, path: Path = PATH) -> None:
    """Write the parameter file (compressed, deterministic)."""
    np.savez_compressed(
        path,
        cage=p.cage.astype(np.float32),
        shapes=np.array(p.shapes),
        offsets=p.offsets.astype(np.float16),
        jaws=p.jaws.astype(np.float32),
        correctives=np.array(p.correctives),
        corrective_offsets=p.corrective_offsets.astype(np.float16),
        identity=np.array(p.identity),
        identity_offsets=p.identity_offsets.astype(np.float16),
        eye_centre=np.asarray(p.eye_centre, np.float32),
        eye_radius=np.float32(p.eye_radius),
        landmarks=p.landmarks.astype(np.int32),
    )


def main() -> None:
    """Run the fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SEDTALKER_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=PATH)
    parser.add_argument("--parts", action="store_true", help="fit nothing: only write the fixed parts anew")
    args = parser.parse_args()
    if args.parts:
        write_fixed()
        return
    parameters = with_met_lids(fit(args.data))
    write_parameters(parameters, args.out)
    if args.out == PATH:
        write_fixed()
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB")


def fit(data: Path) -> Parameters:
    """All fitted numbers of the head."""
    target, cage = load_target(data), build_cage()
    fitter = Fitter(cage, target, place(cage, target))
    neutral = fitter.fit()
    ball = fit_eyeball(target)
    for part, millimetres in fitter.error(neutral).items():
        print(f"mean distance to the target, {part}: {millimetres:.3f} mm", file=sys.stderr)
    solver = Expressions(fitter, neutral, ball)
    solver.relax(RESTING, fit_expressions(solver, target)[0])
    settled = solver.settle_lids(np.zeros_like(neutral), closed=False)
    solver.neutral = neutral = solver.neutral + settled + settled[cage.mirror] * (-1, 1, 1)
    _tuck_foot(cage, solver.neutral)
    solver.seal()
    neutral = solver.neutral
    offsets, jaws = fit_expressions(solver, target)
    fixes = fit_correctives(solver, offsets, clear_lids)
    identity = fit_identity(solver, target, data)
    names = tuple(n for n in ARKIT_52 if n in offsets)
    return Parameters(
        cage=neutral.astype(np.float32),
        shapes=names,
        offsets=np.stack([STRONGER.get(n, 1.0) * offsets[n] for n in names]).astype(np.float16),
        jaws=np.stack([jaws[n].matrix for n in names]).astype(np.float32),
        correctives=tuple("*".join(k) for k in fixes),
        corrective_offsets=np.stack(list(fixes.values())).astype(np.float16),
        identity=tuple(identity),
        identity_offsets=np.stack(list(identity.values())).astype(np.float16),
        eye_centre=ball.centre.astype(np.float32),
        eye_radius=ball.radius,
        landmarks=pick_landmarks(cage, neutral, target),
    )


def with_met_lids(p: Parameters) -> Parameters:
    """The parameters with a corrective for blinks under each of ``LIFTING``, lest the lower lid goes through lashes."""
    names, rows = list(p.correctives), list(p.corrective_offsets)
    for shape, share in LIFTING.items():
        for side in ("Left", "Right"):
            like = p.corrective_offsets[names.index(f"eyeBlink{side}*eyeSquint{side}")]
            names.append(f"eyeBlink{side}*{shape}{side}")
            rows.append((share * like.astype(np.float32)).astype(np.float16))
    return replace(p, correctives=tuple(names), corrective_offsets=np.stack(rows))


def _tuck_foot(cage: Cage, neutral: Points) -> None:
    """Draw the two lowest rows in and down, in place: they lie under the collar and must not show."""
    for i, (name, row, _, _) in enumerate(cage.keys):
        if name == "grid" and row in FOOT:
            inward, down = FOOT[row]
            neutral[i] = neutral[i] * (inward, 1, inward) + (0, -down, -2.3 * (1 - inward))


if __name__ == "__main__":
    main()
