"""Completion of a fitted face: missing mouth and eyes, and visible emotions; results are cached by content.

Only what is new is kept: the parts that came after the file's own vertices, the masks, and the blinks that were pushed
out of added eyeballs. The shapes themselves are kept by registration already.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sedtalker.face.added_parts import with_parts
from sedtalker.face.expressions import SHUT, can_be_measured, eye_opening, with_expressiveness
from sedtalker.face.eye_fitting import with_eyes
from sedtalker.face.face import Face, RegistrationReport, report_from_json
from sedtalker.face.motion_quality import lids_open, worst_pose
from sedtalker.face.mouth_fitting import build_mouth
from sedtalker.face.mouth_interior import ENOUGH, Mouth, Opening, look_into_mouth, mouth_of, with_dark_bag
from sedtalker.face.quality import artefact_share
from sedtalker.face.registration.register import kept_faces
from sedtalker.face.sedface import FACE_ARRAYS, Arrays, bare, content_hash, face_arrays, face_from_arrays
from sedtalker.mesh.files import MAX_BYTES
from sedtalker.storage import UNREADABLE, ArraySpec, keep, read_arrays

MOUTHS = ("auto", "keep", "none")
"""Values of ``--mouth``: missing parts are added; only the file's own; only the file's own, without a message."""
NEEDED = ("jawOpen",)
"""Shapes without which no mouth can be looked into."""
EMPTY = "behind the lips there is no mouth but {what}: it shows when the face speaks"
"""The warning where a mouth is empty and stays so."""
EYES_SHUT = "the eyes are shut at rest and stay so: open them in the neutral face"
"""The warning where no gaze and no blink can be seen."""


def completed(
    face: Face, report: RegistrationReport, source: Face, mouth: str = "auto", eyes: str = "auto"
) -> tuple[Face, RegistrationReport]:
    """A face with its final shapes, with a mouth and eyeballs; the report says how it shows emotions.

    Args:
        face, report: the fitted face, upright and in metres.
        source: the face whose mouth and eyeballs are taken, and with which it is compared.
        mouth, eyes: what the user wants there, see ``MOUTHS`` and ``CHOICES``.
    """
    face, report, lips = with_mouth(face, report, source, mouth)
    report = replace(report, broken=artefact_share(face))
    shut = report.way != "exact" and face.landmarks is not None and eye_opening(face) < SHUT
    if not shut:
        face, report = with_eyes(face, report, source, eyes, lips)
    if not (can_be_measured(face) and can_be_measured(source)):
        return face, report
    pose, breaks = worst_pose(face)
    return face, replace(
        with_expressiveness(face, report, source),
        lids_open=None if shut else lids_open(face),
        breaks=breaks,
        breaks_in=pose,
        eyes_shut=shut,
        warnings=(*report.warnings, *([EYES_SHUT] if shut else [])),
    )


def completed_cached(
    face: Face, report: RegistrationReport, source: Face, mouth: str = "auto", eyes: str = "auto"
) -> tuple[Face, RegistrationReport]:
    """``completed``, or what it gave for the same face, source and wishes before, to the last bit."""
    entry = kept_faces() / f"{key_of(face, report, source, mouth, eyes)}.npz"
    kept = load_entry(entry, face)
    if kept is not None:
        return kept
    whole, report = completed(face, report, source, mouth, eyes)
    keep(entry, lambda path: np.savez(path, **new_arrays(face, whole, report)))  # type: ignore[arg-type]
    return whole, report


def key_of(face: Face, report: RegistrationReport, source: Face, mouth: str, eyes: str) -> str:
    """Hash of all that the result depends on; the name of the face is not part of it."""
    held = (face_arrays(bare(one)) for one in (face, source))
    return content_hash(f"completion {mouth} {eyes} {report.to_json()}", *held)


# --- Which mouth a face gets: its own, its own with what is missing, or the source's.


def with_mouth(
    face: Face, report: RegistrationReport, source: Face, wanted: str = "auto"
) -> tuple[Face, RegistrationReport, Mouth | None]:
    """A registered face with a mouth behind its lips, the report that says what is there, and the lips if they open.

    Where the lips open onto nothing or onto the inside of the skull, the source's bag, gums, teeth and tongue are
    fitted; a bag without teeth gets gums, teeth and tongue; teeth without a bag get a bag. The file's vertices, their
    order and its polygons stay, and come first. Sealed lips stay as they are.

    Args:
        face, report: the registered face, upright and in metres, with its final shapes.
        source: the face whose mouth is taken.
        wanted: one of ``MOUTHS``.
    """
    if not report.mouth_opens or face.landmarks is None or not set(NEEDED) <= set(face.shapes):
        return face, replace(report, behind_lips=(), mouth_share=None), None
    mouth = mouth_of(face)
    face = with_dark_bag(face, mouth)
    opening = look_into_mouth(face, mouth)
    missing = what_is_missing(face, opening) if wanted == "auto" else ()
    if missing:
        count = len(face.mesh.vertices)
        face = with_parts(face, build_mouth(face, source, mouth, missing))
        mouth = mouth_of(face)
        opening = look_into_mouth(face, mouth)
        added = len(face.mesh.vertices) - count
        what = " and ".join(missing) if len(missing) < 3 else f"{', '.join(missing[:-1])} and {missing[-1]}"
        note = f"no {what} behind the lips: ours were added, {added} vertices after the file's own"
        report = replace(
            report,
            added_vertices=report.added_vertices + added,
            added_parts=(*report.added_parts, *missing),
            warnings=(*report.warnings, note),
        )
    elif wanted != "none" and opening.mouth < ENOUGH:
        report = replace(report, warnings=(*report.warnings, EMPTY.format(what=worst(opening))))
    return face, replace(report, behind_lips=opening.contents, mouth_share=opening.mouth), mouth


def what_is_missing(face: Face, opening: Opening) -> tuple[str, ...]:
    """The parts (``bag``, ``teeth``, ``tongue``) that a mouth lacks. A wall close behind the lips leaves no room."""
    missing = [] if opening.has_bag else ["bag"]
    if not opening.is_pocket and not _has(face, "teeth"):
        missing += ["teeth"] + ([] if _has(face, "tongue") else ["tongue"])
    return tuple(missing)


def worst(opening: Opening) -> str:
    """The most visible class between the lips that is not part of a mouth."""
    return max(("the back of the head", "nothing"), key=lambda name: opening.shares[name])


def _has(face: Face, region: str) -> bool:
    mask = face.regions.get(region)
    return mask is not None and bool(mask.any())


# --- What is kept: a face without the basis that it had before.

NEW_ARRAYS = {
    **{name: spec for name, spec in FACE_ARRAYS.items() if name != "face_basis"},
    "changed_rows": ArraySpec("iu", ("changed",), least=0),
    "changed_offsets": ArraySpec("f", ("changed", "before", 3)),
    "added_offsets": ArraySpec("f", ("B", "added", 3)),
    "report": ArraySpec("U", ()),
}
"""The arrays of an entry: those of a face, rows of the basis that have changed, and offsets of what was added."""


def new_arrays(before: Face, after: Face, report: RegistrationReport) -> Arrays:
    """The result of ``completed`` as arrays, without the pictures of its materials."""
    count = len(before.mesh.vertices)
    changed = [k for k in range(len(before.basis)) if not np.array_equal(before.basis[k], after.basis[k, :count])]
    arrays = face_arrays(bare(after))
    del arrays["face_basis"]
    return {
        **arrays,
        "changed_rows": np.array(changed, np.int32),
        "changed_offsets": after.basis[changed, :count],
        "added_offsets": after.basis[:, count:],
        "report": np.array(report.to_json()),
    }


def load_entry(entry: Path, face: Face) -> tuple[Face, RegistrationReport] | None:
    """A kept result for the same face, or None if there is none or it is damaged."""
    try:
        arrays = read_arrays(entry, NEW_ARRAYS, "a kept face", 4 * MAX_BYTES)
        basis = np.concatenate([face.basis, arrays["added_offsets"]], axis=1)
        basis[arrays["changed_rows"], : len(face.mesh.vertices)] = arrays["changed_offsets"]
        whole = face_from_arrays({**arrays, "face_basis": basis})
        own, groups = face.mesh.materials, len(whole.mesh.group_names)
        materials = (*own, *[None] * (groups - len(own))) if own else ()
        whole = replace(whole, name=face.name, mesh=replace(whole.mesh, materials=materials))
        return whole, report_from_json(str(arrays["report"]))
    except UNREADABLE:
        return None
