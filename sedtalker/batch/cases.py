"""The doubtful segments of a folder: which they are, what they sound like, and what was decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sedtalker.audio import load_audio
from sedtalker.batch.inputs import SOUNDS
from sedtalker.batch.log import read_logs
from sedtalker.batch.tracks import own_name, printable, stem_of, track_files
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.doubt import (
    DEFAULT_MEASURE,
    DEFAULT_SHARE,
    JudgedSegment,
    Measure,
    doubts,
    has_speech,
    judge_segments,
    most_doubtful,
    share_for_accuracy,
)
from sedtalker.emotion.formats.files import read_track
from sedtalker.emotion.inference import frame_distances
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.reading import is_file
from sedtalker.review.acoustics import NAMES, Acoustics, measure_acoustics, usual_of
from sedtalker.review.deciders import Answer, Decider
from sedtalker.review.decisions import Decision, decisions_file, read_decisions, standing
from sedtalker.review.description import NUMBERS, Description
from sedtalker.speech.features import SpeechFeatures

AS_USUAL = Acoustics(**dict.fromkeys(NAMES, 0.0))
"""Acoustics of a segment of which only the label is known."""


@dataclass(frozen=True, eq=False)
class Case:
    """A doubtful segment of a recording.

    Attributes:
        recording: its name below the folder.
        track: file of the track.
        audio: file of the recording, or None where it was not found.
        judged: the segment with its doubt.
        candidates: labels that may be answered, the diarizer's first.
        decided: what stands for it, or None.
    """

    recording: str
    track: Path
    audio: Path | None
    judged: JudgedSegment
    candidates: tuple[str, ...]
    decided: Decision | None = None


@dataclass(frozen=True)
class Wanted:
    """Which segments are handed on.

    Attributes:
        share: of all segments; the most doubtful ones.
        accuracy: instead: as few as leave the others right so often, by the diarizer's own confidence.
        measure: what they are ordered by.
        candidates: how many labels may be answered.
    """

    share: float = DEFAULT_SHARE
    accuracy: float | None = None
    measure: Measure = DEFAULT_MEASURE
    candidates: int = len(CATEGORIES)


def open_cases(
    folder: Path,
    wanted: Wanted = Wanted(),
    audio: Path | None = None,
    diarizer: Diarizer | None = None,
    hook: Hook = no_progress,
) -> list[Case]:
    """The doubtful segments of all tracks below a folder, by recording and time, decided ones too.

    Args:
        folder: of ``sedtalker batch``, or any that holds tracks.
        wanted: which.
        audio: folder of the recordings; default: the log of the batch, or beside the tracks.
        diarizer: whose training the distance is from; only the measure ``distance`` needs it.
        hook: see ``sedtalker.progress``.

    Raises:
        InputError: no track, one that was edited by hand into other categories, or no recording for the distance.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = track_files(folder)
    if not files:
        raise InputError(f"{folder}: there is no emotion track in it; sedtalker batch or diarize writes them")
    inputs = {name: record.get("input") for name, record in read_logs(folder)[0].items()}
    every: list[Case] = []
    for path in counted(files, hook, "judging the tracks", len(files)):
        track = read_track(path)
        name = own_name(path.relative_to(folder).as_posix())
        sound = find_recording(path, folder, audio, inputs)
        distances = None
        if wanted.measure == "distance":
            if sound is None or diarizer is None:
                raise InputError(f"{path}: its recording was not found, and the distance needs it: give --audio")
            features = diarizer.encoder(load_audio(sound))
            distances = np.interp(
                track.times, features.clock.times(len(features)), frame_distances(diarizer.network, features)
            )
        decided = standing(read_decisions(decisions_file(path)))
        for judged in judge_segments(track, distances):
            if not has_speech(track, judged.segment):
                continue
            segment = judged.segment
            stands = next((d for d in decided if d.about(segment.start, segment.end)), None)
            order = judged.candidates(track.labels, wanted.candidates)
            own = (segment.label, *(label for label in order if label != segment.label))[: wanted.candidates]
            every.append(Case(printable(str(name)), path, sound, judged, own, stands))
    values = doubts([case.judged for case in every], wanted.measure)
    share = wanted.share
    if wanted.accuracy is not None:
        share = share_for_accuracy(values, np.array([max(c.judged.posterior) for c in every]), wanted.accuracy)
    return [case for case, chosen in zip(every, most_doubtful(values, share), strict=True) if chosen]


def find_recording(
    track: Path, folder: Path, audio: Path | None, inputs: Mapping[str, str | None] | None = None
) -> Path | None:
    """The recording that a track is of: in ``audio`` by its name, in the log of the batch, or beside the track."""
    relative = track.relative_to(folder).as_posix()
    name = str(own_name(relative))
    if audio is not None:
        places = [audio / name, audio / stem_of(relative), audio / stem_of(track.name)]
    else:
        logged = (inputs or {}).get(name)
        if logged and is_file(folder / logged):
            return folder / logged
        places = [track.parent / stem_of(track.name), track.parent.with_name(stem_of(track.name))]
    return next((f for p in places for end in SOUNDS if is_file(f := p.with_name(p.name + end))), None)


# --- Descriptions.


class Describer:
    """Describes segments against the usual voice of their recording; keeps the recording that it read last.

    Args:
        diarizer: whose encoder reads the sound.
    """

    def __init__(self, diarizer: Diarizer) -> None:
        self.diarizer = diarizer
        self.file: Path | None = None
        self.features: SpeechFeatures | None = None
        self.segments: dict[float, Acoustics] = {}

    def describe(self, case: Case) -> Description:
        """The description of a case; without a recording, or with one segment only, all is as usual."""
        segment = case.judged.segment
        posterior = dict(zip(CATEGORIES, case.judged.posterior, strict=False))
        confidence = tuple((label, posterior.get(label, 0.0)) for label in case.candidates)
        seconds = segment.end - segment.start
        if case.audio is None:
            return Description(AS_USUAL, confidence, seconds)
        if case.track != self.file:
            self._read(case)
        own = self.segments.get(segment.start)
        others = [a for start, a in self.segments.items() if start != segment.start]
        if own is None or not others:
            return Description(AS_USUAL, confidence, seconds)
        return Description(own.minus(usual_of(others)), confidence, seconds)

    def _read(self, case: Case) -> None:
        assert case.audio is not None
        features = self.diarizer.encoder(load_audio(case.audio))
        found = {}
        for segment in read_track(case.track).confident(0.0).segments():
            measured = measure_acoustics(features, segment.start, segment.end)
            if measured is not None:
                found[segment.start] = measured
        self.file, self.segments = case.track, found


def decision(case: Case, description: Description, answer: Answer, who: str) -> Decision:
    """What is kept of an answer, now."""
    segment, doubt = case.judged.segment, case.judged.doubt
    return Decision(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        who=who,
        start=round(segment.start, 3),
        end=round(segment.end, 3),
        was=segment.label,
        label=answer.label,
        reason=answer.reason,
        candidates=tuple((label, round(p, 4)) for label, p in description.confidence),
        doubt={"margin": round(doubt.margin, 4), "entropy": round(doubt.entropy, 4), "distance": doubt.distance},
        description={name: round(description.number(name), 3) for name in NUMBERS} if case.audio else None,
    )


def decide_all(
    cases: Sequence[Case], decider: Decider, describer: Describer, hook: Hook = no_progress
) -> Iterator[tuple[Case, Decision]]:
    """The decisions on all cases that no person has decided, and that this decider has not."""
    todo = [c for c in cases if c.decided is None or not (c.decided.by_person or c.decided.who == decider.who)]
    for case in counted(todo, hook, "deciding", len(todo)):
        described = describer.describe(case)
        yield case, decision(case, described, decider.decide(described, case.candidates), decider.who)


def reviewed_tracks(folder: Path) -> Iterator[tuple[Path, EmotionTrack, list[Decision]]]:
    """Every track below a folder with the decisions that stand on it, where there are any."""
    for path in track_files(folder):
        decided = standing(read_decisions(decisions_file(path)))
        if decided:
            yield path, read_track(path), decided


def as_plain_decision(case: Case, held: Decision) -> dict[str, object]:
    """A decision for JSON, with its recording."""
    return {"recording": case.recording, "track": str(case.track), **asdict(held)}
