"""What MediaPipe's face landmarker sees in the shapes of registered heads, beside the built-in face."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from sedtalker.errors import InputError
from sedtalker.face.catalogue import load_face
from sedtalker.face.registration import register
from sedtalker.training.registration_targets import Head, other_heads, random_identities
from sedtalker.training.shape_judge import RISE, Judge, measure, open_judge

JUDGED_KINDS = ("stylised", "other hand")
IDENTITIES = 3
SIZE = 480


def evaluate_registration_judged(
    data: Path, seed: int = 0, report: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Of the shapes that the judge sees on the built-in face, the share that it sees on each head that got them.

    ``judged_worst`` and ``judged_mean`` over the heads; each head's own under ``judged``, with the shapes it lacks. A
    shape is seen where its own score rises by 0.25 or more over rest. Empty where MediaPipe or its model is missing.

    Raises:
        InputError: the reference rig or the test meshes are missing.
    """
    heads = [*islice(random_identities(data, IDENTITIES, seed), IDENTITIES)]
    heads += [head for head in other_heads(data, seed) if head.kind in JUDGED_KINDS and "turned" not in head.name]
    try:
        with open_judge(data) as judge:
            return _judged(heads, judge, report)
    except InputError as error:
        report(f"not judged: {error}")
        return {}


def _judged(heads: list[Head], judge: Judge, report: Callable[[str], None]) -> dict[str, Any]:
    source = load_face()
    wanted = seen_shapes(measure(source, judge, SIZE))
    rows: dict[str, Any] = {}
    for head in heads:
        face, _ = register(head.mesh, source, head.name)
        result = measure(face, judge, SIZE)
        lacking = sorted(wanted - seen_shapes(result))
        rows[head.name] = {"share": 1 - len(lacking) / len(wanted), "found": result["found"], "lacking": lacking}
        report(f"{head.name}: {len(wanted) - len(lacking)} of the {len(wanted)} shapes seen on the built-in face")
    shares = [row["share"] for row in rows.values()]
    return {"judged_worst": min(shares), "judged_mean": sum(shares) / len(shares), "judged": rows}


def seen_shapes(result: dict[str, Any]) -> set[str]:
    """Names of the shapes whose score rises enough."""
    return {name for name, row in result["shapes"].items() if row["rise"] >= RISE}
