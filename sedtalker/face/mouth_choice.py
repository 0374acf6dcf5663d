"""Which mouth a registered face gets: its own, its own with what is missing, or the source's."""

from __future__ import annotations

from dataclasses import replace

from sedtalker.face.added_parts import with_parts
from sedtalker.face.behind_lips import ENOUGH, Mouth, Opening, look_behind, mouth_of, with_dark_bag
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.mouth_fitting import build_mouth

MOUTHS = ("auto", "keep", "none")
"""What a user may want behind the lips: what is missing is added; the file's own; whatever there is, without a word."""
NEEDED = ("jawOpen",)
"""Shapes without which no mouth can be looked into."""
EMPTY = "behind the lips there is no mouth but {what}: it shows when the face speaks"
"""The warning where a mouth is empty and stays so."""


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
    opening = look_behind(face, mouth)
    missing = what_is_missing(face, opening) if wanted == "auto" else ()
    if missing:
        count = len(face.mesh.vertices)
        inside = build_mouth(face, source, mouth, missing)
        face = with_parts(face, inside)
        mouth = mouth_of(face)
        opening = look_behind(face, mouth)
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
    """What is seen most between the lips that belongs to no mouth."""
    return max(("the back of the head", "nothing"), key=lambda name: opening.shares[name])


def _has(face: Face, region: str) -> bool:
    mask = face.regions.get(region)
    return mask is not None and bool(mask.any())
