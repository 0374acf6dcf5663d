"""Speakers that a diarizer was never trained on: recordings joined from their clips, and what enrolling them is worth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from sedtalker.audio import SAMPLE_RATE, Audio, from_samples, load_audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.functionals import Voice, pool_voices
from sedtalker.emotion.inference import FrameEmotions, enrol
from sedtalker.errors import InputError
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.clips import JOINED
from sedtalker.training.evaluation.diarizer import SETS, frame_metrics, joined_test_recordings

RECORDINGS = 150
"""Joined recordings of each set, as in ``evaluate_diarizer``."""
KEPT = (
    *("eder4", "eder4_speech", "eder4_neutral", "eder7", "eder7_speech", "eder7_neutral"),
    *("boundary_f1", "frame_macro_f1"),
)
"""Measures of joined recordings that are reported."""
ORDINARY = 60.0
"""Seconds of a speaker's ordinary (neutral) speech that are enrolled."""

Frames = Callable[[Audio], FrameEmotions]
"""A recording to what the diarizer says of its frames."""


def joined_scores(
    frames: Frames, every: list[Clip], unseen: Collection[str], hook: Hook = no_progress
) -> dict[str, float]:
    """``KEPT`` on joined recordings of test speakers of unseen corpora, by the protocol of ``evaluate_diarizer``.

    Args:
        frames: of the diarizer.
        every: clips of the manifest.
        unseen: corpora that the weights were not trained on; those of ``JOINED`` among them are joined, with their
            shares. Empty where none of them is there.
        hook: progress.
    """
    there = {c.corpus for c in every if c.split == "test" and c.path.is_file()}
    shares = {name: share for name, share in JOINED.items() if name in unseen and name in there}
    if not shares:
        return {}
    metrics: dict[str, float] = {}
    for name, categories in SETS.items():
        made = joined_test_recordings(every, "test", RECORDINGS, categories, shares=shares)
        step = f"diarizing joined recordings, {name} categories"
        pairs = ((r, frames(from_samples(r.samples, SAMPLE_RATE))) for r in counted(made, hook, step, RECORDINGS))
        metrics |= frame_metrics(pairs, name)
    return {key: metrics[key] for key in KEPT if key in metrics}


class OrdinaryVoices:
    """What neutral clips of each speaker say of their usual voice, up to a minute, never the clip that is scored.

    Args:
        diarizer: whose encoder and network are used.
        clips: of one corpus, scored or not.
    """

    def __init__(self, diarizer: Diarizer, clips: Iterable[Clip]):
        self.diarizer = diarizer
        self.neutral: dict[str, list[Clip]] = {}
        for clip in clips:
            if clip.emotion in ("neutral", "calm"):
                self.neutral.setdefault(clip.speaker, []).append(clip)
        self.voices: dict[Path, Voice | None] = {}

    def of(self, clip: Clip) -> Voice | None:
        """The speaker's usual voice for scoring a clip; None where no other neutral clip of theirs has speech."""
        found = [v for other in self._enrolled(clip) if (v := self._voice(other)) is not None]
        return pool_voices(found) if found else None

    def _enrolled(self, clip: Clip) -> Iterator[Clip]:
        seconds = 0.0
        for other in self.neutral.get(clip.speaker, ()):
            if other.path != clip.path and seconds < ORDINARY:
                seconds += other.duration
                yield other

    def _voice(self, clip: Clip) -> Voice | None:
        if clip.path not in self.voices:
            try:
                features = self.diarizer.encoder(load_audio(clip.path))
                self.voices[clip.path] = enrol(self.diarizer.network, [features])
            except InputError:
                self.voices[clip.path] = None
        return self.voices[clip.path]
