"""Metrics of registration: faces found, shapes carried, no-faces refused; what MediaPipe sees; time and memory."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measures.damaged_shapes import in_motion
from measures.hard_heads import broken_heads, hard_heads
from measures.judged_shapes import RISE, emotion_scores, measure, read_morph_targets, recognised_emotions
from measures.registration_targets import (
    Head,
    dense_head,
    no_heads,
    other_heads,
    random_identities,
    reference_source,
)
from measures.speed import run_measured, write_speech
from sedtalker.arrays import Mask
from sedtalker.audio import load_audio
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.completion import completed
from sedtalker.face.face import Face
from sedtalker.face.fitting import fit
from sedtalker.face.mouth_interior import ENOUGH
from sedtalker.face.quality import PARTS, inverted_share, judge
from sedtalker.face.registration import RegistrationReport, register
from sedtalker.face.shape_scaling import with_scaled_shapes
from sedtalker.face.visible_change import with_visible_emotions
from sedtalker.mesh.files import read_mesh, read_scene
from sedtalker.mesh.mesh import Mesh
from sedtalker.mesh.obj import write_obj
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.storage import temporary_folder
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.evaluation.shape_judge import Judge, open_judge

logger = logging.getLogger(__name__)

SECONDS = 120.0
"""Speech that is animated on the large head."""


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """Let this process and those it starts keep registered faces in ``folder``."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


def evaluate_registration_cost(data: Path, hook: Hook = no_progress) -> dict[str, float]:
    """Metrics of a head of 50,000 vertices or more as an OBJ file, in commands of their own with one thread.

    ``large_seconds``, ``large_peak_gb``: processor time and greatest memory (10^9 bytes) of `sedtalker mesh register`,
    start and reading included; ``again_seconds``: processor time to read the mesh and find it in the cache;
    ``animate_real_time``: seconds of speech for each second of processor time of `sedtalker animate --mesh` on the
    registered mesh, files written, no video.

    Raises:
        InputError: a command failed, or the data is missing.
    """
    mesh = dense_head(data, 50_000)
    with temporary_folder() as folder, cache_in(folder / "cache"):
        path, face, speech = folder / "head.obj", folder / "head.sedface", folder / "speech.wav"
        write_obj(mesh, path)
        command = [sys.executable, "-m", "sedtalker"]
        spent, peak = run_measured([*command, "mesh", "register", str(path), "-o", str(face)])
        logger.info("%d vertices: %.1f s, %.2f GB", len(mesh.vertices), spent, peak / 1e9)
        source, scene = load_face(), read_scene(path)
        started = time.process_time()
        fit(scene, source, "head")
        again = time.process_time() - started
        clips = [c for c in read_manifest(data) if c.corpus == "ravdess" and c.split == "test"]
        write_speech((load_audio(c.path).samples for c in cycle(clips)), speech, SECONDS, 16_000, 1)
        animate = ["animate", str(speech), "--mesh", str(path), "--no-video", "-o", str(folder / "out")]
        moving, _ = run_measured([*command, *animate])
        logger.info("again %.2f s; animating %.1f times as fast as real time", again, SECONDS / moving)
    return {
        "large_vertices": len(mesh.vertices),
        "large_seconds": spent,
        "large_peak_gb": peak / 1e9,
        "again_seconds": again,
        "animate_real_time": SECONDS / moving,
    }


# --- What MediaPipe's face landmarker sees in the shapes of registered heads, beside the built-in face.

JUDGED_KINDS = ("stylised", "other hand")
"""Kinds of ``other_heads`` that are judged."""
JUDGED_IDENTITIES = 3
"""Random people that are judged."""
SIZE = 480
"""Pixels of a rendered picture."""


def evaluate_registration_judged(data: Path, seed: int = 0, hook: Hook = no_progress) -> dict[str, Any]:
    """Share of the shapes visible to the judge on the built-in face that are visible on each head that received them.

    ``judged_worst`` and ``judged_mean`` over the heads; each head's own under ``judged``, with the shapes it lacks. A
    shape is seen where its own score rises by 0.25 or more over rest. ``emotions_distinct``: share of the heads on
    which each of six emotions changes the judge's scores most like the same emotion of the built-in face;
    ``emotions_named_worst``: the least number of the six so recognised on a hard head. Empty where
    MediaPipe or its model is missing.

    Raises:
        InputError: the reference rig or the test meshes are missing.
    """
    heads = [*heads_to_judge(data, seed)]
    try:
        with open_judge(data) as judge:
            return {**_judged(heads, judge, hook), **_named(data, judge, seed)}
    except InputError as error:
        logger.warning("not judged: %s", error)
        return {}


def _judged(heads: list[Head], judge: Judge, hook: Hook) -> dict[str, Any]:
    source = load_face()
    wanted = seen_shapes(measure(source, judge, SIZE))
    known = emotion_scores(source, judge, SIZE)
    by_head: dict[str, Any] = {}
    for head in counted(heads, hook, "judging heads", len(heads)):
        face, found = register(head.mesh, source, head.name)
        face, _ = completed(*with_all_scaling(face, found, source), source)
        recognised = recognised_emotions(emotion_scores(face, judge, SIZE), known)
        result = measure(face, judge, SIZE)
        lacking = sorted(wanted - seen_shapes(result))
        share = 1 - len(lacking) / len(wanted)
        by_head[head.name] = {"share": share, "found": result["found"], "lacking": lacking, "recognised": recognised}
        seen = len(wanted) - len(lacking)
        logger.info("%s: %d of the %d shapes seen on the built-in face", head.name, seen, len(wanted))
    shares = [one["share"] for one in by_head.values()]
    return {
        "judged_worst": min(shares),
        "judged_mean": sum(shares) / len(shares),
        "emotions_distinct": _mean(float(all(one["recognised"].values())) for one in by_head.values()),
        "judged": by_head,
    }


def _named(data: Path, judge: Judge, seed: int) -> dict[str, Any]:
    """``emotions_named``: how many of six emotions the judge recognises on each hard head and on MakeHuman's."""
    source = load_face()
    known = emotion_scores(source, judge, SIZE)
    heads = [*hard_heads(data, seed), *(head for head in other_heads(data, seed) if head.name == "mh_head")]
    named = {
        head.name: sum(recognised_emotions(emotion_scores(fitted(head, source)[0], judge, SIZE), known).values())
        for head in heads
    }
    return {"emotions_named": named, "emotions_named_worst": min(named.values())}


def seen_shapes(result: dict[str, Any]) -> set[str]:
    """Names of the shapes whose score rises enough."""
    return {name for name, m in result["shapes"].items() if m["rise"] >= RISE}


# --- How well registration finds faces and carries shapes: heads with known truth, another artist's shapes, no heads.

Values = NDArray[np.floating]
"""Offsets (V, 3)."""
HeadMetrics = dict[str, Any]
"""Metrics of one head by key."""

IDENTITIES = 27
"""Random people of the reference rig."""
LARGEST_LANDMARK_ERROR = 0.1
"""Largest mean error of the 51 inner landmarks, in outer-eye-corner distances; beyond it the face was missed."""
LARGEST_TURN = 15.0
"""Degrees between the found and the true upright position."""
ALIKE = (0.7, 1.4)
"""How far a shape may go, beside another artist's, to be as large as it."""
LEAST_DISTINCT = 0.5
"""Share of the source's distance: the least distance of two emotions that a person can tell apart."""
UNGRADED = ("tongueOut",)
"""Shapes that the reference rig does not have."""


def evaluate_registration(
    data: Path, identities: int = IDENTITIES, seed: int = 0, hook: Hook = no_progress
) -> dict[str, Any]:
    """All metrics that need no more than the data; each target's own under ``heads``.

    ``auto_success``: share of the targets that are registered with the face in its true place, without any help;
    ``refused``: share of the things without a face that are refused. Identities take their shapes from the mean head of
    their own rig, other heads from the built-in face. ``transfer_error``: RMS error of the offsets relative to the true
    offsets' RMS over the skin, inside of mouth and eye sockets included, mean over the shapes and the identities;
    ``transfer_cosine`` their cosine; ``transfer_cosine_foreign`` the cosine with another artist's shapes for the same
    head. ``lip_gap``, ``blink_gap``: millimetres that closed lips and lids leave open, the mean and (``_worst``) the
    worst head; ``lids_open``: of what is seen of the eyes from the front, the share that a blink leaves, ``breaks``:
    the share of the face that breaks in motion, likewise; ``blink_clean``: share of the heads whose ``lids_open`` takes
    nothing from the score; ``inverted``: share of skin triangles that a shape turns over. ``broken``: the verdicts on
    heads that look broken, and ``broken_but_good``, which of them are called good. ``broken_in_motion``: how many heads
    were judged whose shapes were damaged (``measures.damaged_shapes``), ``broken_in_motion_called_good`` which of them
    are called good, and ``sound_in_motion`` the share of the same heads that are called good as they are.

    Args:
        data: the training data folder.
        identities: how many random people of the reference rig.
        seed: of people, rotations and units.
        hook: progress.

    Raises:
        InputError: the reference rig or the test meshes are missing.
    """
    builtin, reference = load_face(), reference_source(data)
    hardest = counted(hard_heads(data, seed), hook, "registering hard heads", 12)
    hard = [measure_head(head, reference) for head in hardest]
    heads = chain(
        ((head, reference) for head in random_identities(data, identities, seed)),
        ((head, builtin) for head in other_heads(data, seed)),
    )
    measured = [measure_head(head, source) for head, source in counted(heads, hook, "registering heads", 0)]
    refused = {name: refuses(mesh, builtin, name) for name, mesh in no_heads(data).items()}
    logger.info("refused %d of %d", sum(refused.values()), len(refused))
    broken = {name: verdict(mesh, builtin, name) for name, mesh in broken_heads(data, seed)}
    return {
        "targets": len(measured),
        "auto_success": _mean(float(m["success"]) for m in measured),
        "no_faces": len(refused),
        "refused": _mean(float(value) for value in refused.values()),
        **summary(measured),
        **hard_summary(hard),
        **shown([*measured, *hard]),
        **expression_strength(chain(hard_heads(data, seed), other_heads(data, seed)), builtin),
        **foreign(data, builtin),
        **in_motion((fitted(head, builtin) for head in heads_to_judge(data, seed)), builtin),
        "heads": [*measured, *hard],
        "not_refused": [name for name, value in refused.items() if not value],
        "broken": broken,
        "broken_but_good": [name for name, found in broken.items() if found == "good"],
    }


def summary(measured: list[HeadMetrics]) -> dict[str, float]:
    """Means over the registered heads, and the worst gaps."""
    found: dict[str, float] = {}
    for key in ("transfer_error", "transfer_error_after_gain", "transfer_cosine", "landmark_error", "score"):
        found[key] = _mean(m[key] for m in measured if m.get(key) is not None)
    for key in ("lip_gap", "blink_gap", "lids_open", "breaks"):
        values = [m[key] for m in measured if m.get(key) is not None]
        found |= {key: _mean(values), f"{key}_worst": max(values, default=float("nan"))}
    lids = [m["lids_open"] for m in measured if m.get("lids_open") is not None]
    found["blink_clean"] = _mean(float(value <= PARTS["lids"][1]) for value in lids)
    found["inverted"] = _mean(m["inverted"] for m in measured if "inverted" in m)
    found["inverted_worst"] = max((m["inverted"] for m in measured if "inverted" in m), default=float("nan"))
    found["seconds"] = _mean(m["seconds"] for m in measured)
    return found


def hard_summary(hard: list[HeadMetrics]) -> dict[str, float]:
    """Share of hard heads found, and error of the shapes of the same rig transferred to them."""
    return {
        "hard_targets": len(hard),
        "hard_success": _mean(float(m["success"]) for m in hard),
        "hard_transfer_error": _mean(m["transfer_error"] for m in hard if "transfer_error" in m),
        "hard_transfer_cosine": _mean(m["transfer_cosine"] for m in hard if "transfer_cosine" in m),
    }


def shown(heads: list[HeadMetrics]) -> dict[str, Any]:
    """What people see of all heads.

    ``mouth_behind_lips``: of the pixels between open lips, the least share over the heads that is a mouth's;
    ``emotions_apart``: share of the heads on which every two emotions lie at least half as far apart as on the built-in
    face; ``empty_but_good``: heads called good without a mouth, or without lids; ``eyes_behind_lids``: share of the
    heads with open eyes that have eyeballs behind them.
    """
    shares = [m["mouth_share"] for m in heads if m.get("mouth_share") is not None]
    apart = [m["distinct"] >= LEAST_DISTINCT for m in heads if m.get("distinct") is not None]
    broken = [m for m in heads if m["success"] and ((m.get("mouth_share") or 0.0) < ENOUGH or not m["eyes_found"])]
    return {
        "mouth_behind_lips": min(shares, default=float("nan")),
        "emotions_apart": _mean(map(float, apart)),
        "eyes_behind_lids": _mean(float(m["eyeballs"]) for m in heads if m.get("eyes_found")),
        "empty_but_good": [m["name"] for m in broken if m["verdict"] == "good"],
    }


def expression_strength(heads: Iterable[Head], source: Face) -> dict[str, Any]:
    """How much one sees of the emotion that is seen least, beside the built-in face whose shapes the heads get.

    The mean over the heads that are found, ``expression_strength_worst`` the worst head's; each head's own, with the
    emotion, under ``expression_strengths``.
    """
    each: dict[str, tuple[float, str]] = {}
    for head in heads:
        try:
            _, found = fitted(head, source)
        except InputError:
            continue
        if found.visible is not None:
            each[head.name] = (found.visible, found.faintest)
    shares = [share for share, _ in each.values()]
    worst = min(shares, default=float("nan"))
    return {
        "expression_strength": _mean(shares),
        "expression_strength_worst": worst,
        "expression_strengths": each,
    }


def heads_to_judge(data: Path, seed: int) -> Iterator[Head]:
    """Random people, then stylised heads and one of another hand, turned as they are modelled."""
    yield from islice(random_identities(data, JUDGED_IDENTITIES, seed), JUDGED_IDENTITIES)
    yield from (h for h in other_heads(data, seed) if h.kind in JUDGED_KINDS and "turned" not in h.name)


def fitted(head: Head, source: Face) -> tuple[Face, RegistrationReport]:
    """A head with the shapes that ``mesh register`` gives it."""
    return with_all_scaling(*register(head.mesh, source, head.name), source)


def with_all_scaling(face: Face, found: RegistrationReport, source: Face) -> tuple[Face, RegistrationReport]:
    """A registered face whose shapes are as large as ``mesh register`` makes them."""
    return with_visible_emotions(*with_scaled_shapes(face, found, source), source)


def measure_head(head: Head, source: Face) -> HeadMetrics:
    """Register one head: did it succeed, how good is it, how long did it take."""
    metrics: HeadMetrics = {
        "name": head.name,
        "kind": head.kind,
        "vertices": len(head.mesh.vertices),
        "success": False,
    }
    started = time.monotonic()
    try:
        face, found = register(head.mesh, source, head.name)
    except InputError as error:
        logger.info("%s: %s", head.name, error)
        return {**metrics, "error": str(error), "seconds": time.monotonic() - started}
    metrics["seconds"] = time.monotonic() - started
    metrics["turn"] = turn_error(head, found)
    metrics["landmark_error"] = None if head.landmarks is None else landmark_error(head, face, found)
    metrics["success"] = metrics["turn"] < LARGEST_TURN and (metrics["landmark_error"] or 0.0) < LARGEST_LANDMARK_ERROR
    whole, found = completed(face, found, load_face())
    quality = judge(whole, found)
    metrics |= {
        "score": quality.score,
        "verdict": quality.verdict,
        "mouth_share": found.mouth_share,
        "behind_lips": found.behind_lips,
        "added_parts": found.added_parts,
        "distinct": found.distinct,
        "alike": found.alike,
        "fit_residual": found.fit_residual,
        "mouth_opens": found.mouth_opens,
        "eyes_found": all(found.eyes_found),
        "eyeballs": all(found.eyeballs),
        "lip_gap": found.lip_gap,
        "blink_gap": found.blink_gap,
        "lids_open": found.lids_open,
        "breaks": found.breaks,
        "breaks_in": found.breaks_in,
        "inverted": inverted_share(face),
    }
    if head.offsets is not None:
        metrics |= transfer(head, face, found)
    graded = f", error {metrics['transfer_error']:.3f}" if "transfer_error" in metrics else ""
    logger.info("%s: %s, score %.2f%s", head.name, "found" if metrics["success"] else "WRONG", metrics["score"], graded)
    return metrics


def turn_error(head: Head, found: RegistrationReport) -> float:
    """Degrees between the found and the true upright position."""
    rest = np.asarray(found.rotation) @ head.rotation
    return float(np.degrees(np.arccos(np.clip((np.trace(rest) - 1) / 2, -1, 1))))


def landmark_error(head: Head, face: Face, found: RegistrationReport) -> float:
    """Mean distance of the 51 inner landmarks from the true ones, in outer-eye-corner distances."""
    assert head.landmarks is not None
    assert face.landmarks is not None
    true = found.scale * head.landmarks @ np.asarray(found.rotation).T + found.translation
    distance = np.linalg.norm(face.mesh.vertices[face.landmarks] - true, axis=1)[17:]
    return float(distance.mean() / np.linalg.norm(true[45] - true[36]))


def transfer(head: Head, face: Face, found: RegistrationReport) -> dict[str, float]:
    """Metrics of all shapes' offsets against the true ones, means over the shapes."""
    assert head.offsets is not None
    turn = (found.scale * np.asarray(found.rotation)).astype(np.float32)
    measured = [
        compare(face.basis[k][head.skin], head.offsets[k][head.skin] @ turn.T)
        for name, k in face.shape_index.items()
        if name not in UNGRADED and head.offsets[k].any()
    ]
    return {key: _mean(m[key] for m in measured) for key in measured[0]}


def compare(offset: Values, truth: Values) -> dict[str, float]:
    """Relative size, relative RMS error, the same after the best gain, and cosine of one shape's offsets (V, 3)."""
    size, dot = float(np.linalg.norm(truth)) + 1e-12, float((offset * truth).sum())
    gain = dot / (float((offset**2).sum()) + 1e-24)
    return {
        "size_ratio": float(np.linalg.norm(offset)) / size,
        "transfer_error": float(np.linalg.norm(offset - truth)) / size,
        "transfer_error_after_gain": float(np.linalg.norm(gain * offset - truth)) / size,
        "transfer_cosine": dot / (size * float(np.linalg.norm(offset)) + 1e-24),
    }


def foreign(data: Path, source: Face, seed: int = 0) -> dict[str, Any]:
    """What other artists' ARKit shapes for the same head say of ours; each shape's figures under ``foreign_shapes``.

    Of MakeHuman's head, and under ``…_ict`` of a random person of the reference rig: ``transfer_cosine_foreign``: mean
    cosine; ``size_ratio_foreign``: share of the shapes that go .7 to 1.4 times as far as the artist's;
    ``relative_error_foreign``: mean RMS error over the artist's RMS.
    """
    folder = data / "face" / "test_meshes"
    names, offsets = read_morph_targets(folder / "mh_head_arkit52.glb")
    mesh = read_mesh(folder / "mh_head.obj")
    found, shapes = beside_artist(
        mesh, np.ones(len(mesh.vertices), bool), dict(zip(names, offsets, strict=True)), source
    )
    person = next(random_identities(data, 1, seed))
    assert person.offsets is not None
    assert person.skin is not None
    by_name = dict(zip(reference_source(data).shapes, person.offsets, strict=False))
    of_reference, _ = beside_artist(person.mesh, person.skin, by_name, source)
    return found | {f"{key}_ict": value for key, value in of_reference.items()} | {"foreign_shapes": shapes}


def beside_artist(
    mesh: Mesh, among: Mask, offsets: Mapping[str, Values], source: Face
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Figures of the shapes that a head gets beside an artist's (V, 3), over some of its vertices (V,); and of each."""
    face, found = register(mesh, source, "head")
    face, found = with_scaled_shapes(face, found, source)
    turn = found.scale * np.asarray(found.rotation)
    shapes = {
        name: compare(face.basis[face.shape_index[name]][among], offset[among] @ turn.T)
        for name, offset in offsets.items()
        if name in face.shape_index and np.abs(offset[among]).max() > 0
    }
    low, high = ALIKE
    figures = {
        "transfer_cosine_foreign": _mean(shape["transfer_cosine"] for shape in shapes.values()),
        "size_ratio_foreign": _mean(float(low <= shape["size_ratio"] <= high) for shape in shapes.values()),
        "relative_error_foreign": _mean(shape["transfer_error"] for shape in shapes.values()),
    }
    return figures, shapes


def verdict(mesh: Mesh, source: Face, name: str) -> str:
    """What is said of a mesh: ``good``, ``usable``, ``poor``, or ``refused``."""
    try:
        face, found = register(mesh, source, name)
    except InputError:
        return "refused"
    return judge(*completed(*with_all_scaling(face, found, source), source)).verdict


def refuses(mesh: Any, source: Face, name: str) -> bool:
    """Whether registration says that there is no face."""
    try:
        register(mesh, source, name)
    except InputError:
        return True
    return False


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")
