"""Motion of a recording under a track that is being edited: only what an edit can have changed is decoded again.

The recording is encoded once. The decoder's output is kept frame by frame; when the track or the style changes, the
frames whose inputs differ, and those near enough to depend on them, are marked. Asked for a stretch of time, only its
marked frames are decoded, with seconds before them to warm the recurrent state up. Up to ``WHOLE_SECONDS`` everything
is decoded at once instead, so what is shown is exactly what is exported.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.animator import Animator
from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import eased_emotion, resting
from sedtalker.animation.recipe import Drawn, assemble, drawn_of, move, sharpened, shown_track
from sedtalker.arrays import Floats, Mask
from sedtalker.audio import Audio
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.nn import torch_threads
from sedtalker.phonetics.aligner import POOR_FIT, Alignment
from sedtalker.phonetics.pronunciation import ENGLISH
from sedtalker.phonetics.words import HARDLY_FIT, Word, align_recording, timed_words
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.speech.features import SpeechFeatures
from sedtalker.studio.document import ClipSettings

logger = logging.getLogger(__name__)

WHOLE_SECONDS = 30.0
"""Recordings up to this long are decoded as a whole."""
WARM_UP = 8.0
"""Seconds decoded before a stretch, after which little is left of how the recurrent state began: coefficients differ by
up to 0.003 from those of the whole recording (after 4 s by 0.006). Where a gain opens lips that are barely closed, the
shapes around the mouth can differ by 0.02 for a tenth of a second: they give way in one and not in the other."""
TAIL = 4.0
"""Seconds after an edit that are decoded again; beyond, coefficients differ by less than 0.01."""
AHEAD = 1.0
"""Seconds after a frame that it can depend on: attention (0.5 s), closed lips and the easing of cuts."""

MARGIN = 16
"""Frames on either side of a stretch that belong to it: gains at closed lips look 4 frames around."""


@dataclass(eq=False)
class _Layer:
    """What the decoder gives under one track and style.

    Attributes:
        style: of talking.
        inputs: (T, 8) posterior and intensity that conditioned ``motion``.
        motion: (T, 52) coefficients.
        valid: (T,) frames that belong to ``inputs``.
        exact: whether ``motion`` came from one pass over the whole recording.
    """

    style: Style
    inputs: Floats
    motion: Floats
    valid: Mask
    exact: bool = False


def _unchanged(now: tuple[object, ...], before: tuple[object, ...] | None) -> bool:
    """Whether each of these is the very one that it was."""
    return before is not None and all(one is other for one, other in zip(now, before, strict=True))


class Decoding:
    """The motion of one recording.

    Args:
        animator: whose decoder is used.
        features: what the animator's encoder gives of it.
    """

    def __init__(self, animator: Animator, sound: Audio, features: SpeechFeatures):
        self.animator, self.sound, self.features = animator, sound, features
        self.spoken = resting(features)
        """The features as the decoder reads them."""
        self.articulation = animator.articulation(self.spoken)
        self.phones: Mapping[tuple[tuple[float, float, str], ...], Alignment] = {}
        """When the phones of words that a track can have are spoken, by the words."""
        self.unspoken: Mapping[tuple[tuple[float, float, str], ...], str] = {}
        """Why lips do not follow words that a track can have, by the words."""
        self.emotional: _Layer | None = None
        self.neutral: _Layer | None = None
        self._settled: tuple[object, ...] | None = None
        """What all of the recording was last decoded for, to the end."""
        self._whole: Animation | None = None
        """The animation of all of it, once it is asked for again."""
        self._drawn: tuple[tuple[object, ...], Drawn] | None = None
        """Seed, rate and eye contact, and what they and the sound alone move."""
        self._made: tuple[tuple[object, ...] | None, Animation | None] = None, None
        """What the last animation was made of, and it: it serves again while none of that is another."""

    def place(self, track: EmotionTrack, hook: Hook = no_progress) -> None:
        """Find when the phones of a track's words are spoken; lips do not follow words that cannot be."""
        if not track.words:
            return
        try:
            spoken = timed_words([Word(*word) for word in track.words], track.language or ENGLISH)
            with one_step(hook, "aligning the words"), torch_threads(1):
                found = align_recording(spoken, self.sound, self.features)
        except InputError as error:
            said = f"lips do not follow the words: {error}"
            logger.warning(said)
            self.unspoken = {**self.unspoken, track.words: said}
            return
        self.phones = {**self.phones, track.words: replace(found, language=track.language)}

    def words_note(self, track: EmotionTrack) -> str | None:
        """A sentence about a track's words, where there is one: lips do not follow them, or they hardly fit."""
        phones = self.phones.get(track.words)
        poor = HARDLY_FIT if phones is not None and phones.fit < POOR_FIT else None
        said = self.unspoken.get(track.words) if phones is None else poor
        return None if said is None else f"{said[0].upper()}{said[1:]}{'' if said.endswith('?') else '.'}"

    @property
    def in_parts(self) -> bool:
        """Whether the recording is too long to be decoded as a whole at every edit."""
        return self.sound.duration > WHOLE_SECONDS

    def animation(
        self, track: EmotionTrack, settings: ClipSettings, face: Face, start: float = 0.0, end: float = np.inf
    ) -> Animation:
        """The animation of a track, as ``Animator`` makes it; good from ``start`` to ``end`` seconds.

        Args:
            track: as ``Base.render`` gives it, not scaled.
            start, end: beyond these, motion may be that of an older track.
        """
        asked = (track, settings, face)
        known = _unchanged((*asked, self.phones.get(track.words)), self._settled)
        if known and self._whole is not None:
            return self._whole
        in_parts = self.in_parts and not known
        with torch_threads(1):
            moved = move(
                partial(self._emotional, start=start, end=end),
                self.animator.decoder.shapes,
                self.spoken,
                track,
                settings,
                face,
                articulation=self.articulation,
                without_emotion=partial(self._neutral, start=start, end=end),
                rows=self._frames(start, end) if in_parts else slice(None),
            )
        phones = self.phones.get(track.words)
        made_of, (before, made) = (*asked, phones, moved.weights), self._made
        if made is None or not _unchanged(made_of, before):
            if phones is not None:
                moved = sharpened(moved, phones, face)
            drawn_for = settings.seed, settings.fps, settings.eye_contact
            if self._drawn is None or self._drawn[0] != drawn_for:
                drawn = drawn_of(self.spoken, settings, self.sound.duration, self.sound.sha256)
                self._drawn = drawn_for, drawn
            made = assemble(moved, self._drawn[1], settings, face)
            self._made = made_of, made
        settled = all(layer.valid.all() for layer in self._layers(settings) if layer)
        self._settled = (*asked, phones) if settled else None
        self._whole = None if in_parts else made
        return made

    def _emotional(self, track: EmotionTrack, style: Style, start: float, end: float) -> Floats:
        """(T, K) motion under a track, valid at least from ``start`` to ``end``."""
        self.emotional = self._decoded(self.emotional, track, style, start, end)
        return self.emotional.motion

    def _neutral(self, track: EmotionTrack, style: Style, start: float, end: float) -> Floats:
        """The same without emotion."""
        self.neutral = self._decoded(self.neutral, track, style, start, end)
        return self.neutral.motion

    def affected(self, start: float, end: float) -> tuple[float, float]:
        """Seconds whose motion an edit from ``start`` to ``end`` can change."""
        if not self.in_parts:
            return 0.0, self.sound.duration
        return max(0.0, start - AHEAD), min(self.sound.duration, end + TAIL)

    def _inputs(self, track: EmotionTrack) -> Floats:
        """(T, 8) what of a track the decoder reads."""
        inputs = np.column_stack(eased_emotion(self.features, track)).astype(np.float32)
        inputs[inputs[:, -1] == 0.0, :-1] = 0.0  # at intensity 0 the category does not matter
        return inputs

    def _decoded(self, layer: _Layer | None, track: EmotionTrack, style: Style, start: float, end: float) -> _Layer:
        """The layer under a track and style, valid at least from ``start`` to ``end``."""
        features, inputs = self.features, self._inputs(track)
        if layer is None or layer.style != style:
            empty = np.zeros((len(features), len(self.animator.decoder.shapes)), np.float32)
            layer = _Layer(style, inputs, empty, np.zeros(len(features), bool))
        else:
            moved = (layer.inputs != inputs).any(axis=1)
            valid = layer.valid & ~self._near(moved)
            layer = replace(layer, inputs=inputs, valid=valid, exact=layer.exact and bool(valid.all()))
        if not self.in_parts:
            if not layer.valid.all():
                motion = self._predict(track, style, 0, len(features))
                layer = replace(layer, motion=motion, valid=np.ones(len(features), bool), exact=True)
            return layer
        return self._filled(layer, track, start, end)

    def _near(self, moved: Mask) -> Mask:
        """(T,) frames whose motion can depend on the inputs of the frames ``moved``."""
        rate = self.features.clock.rate
        before, after = round(AHEAD * rate), round(TAIL * rate)
        edges = np.zeros(len(moved) + 1, np.int64)
        at = np.flatnonzero(moved)
        np.add.at(edges, np.maximum(at - before, 0), 1)
        np.add.at(edges, np.minimum(at + after + 1, len(moved)), -1)
        return np.asarray(np.cumsum(edges[:-1]) > 0)

    def _filled(self, layer: _Layer, track: EmotionTrack, start: float, end: float) -> _Layer:
        """The layer with its frames from ``start`` to ``end`` decoded where they are not valid."""
        clock, rows = self.features.clock, self._frames(start, end)
        first, last = rows.start, rows.stop
        missing = np.flatnonzero(~layer.valid[first:last]) + first
        if not len(missing):
            return layer
        motion, valid = layer.motion.copy(), layer.valid.copy()
        gaps = np.flatnonzero(np.diff(missing) > (WARM_UP + AHEAD) * clock.rate)
        for begins, ends in zip([0, *(gaps + 1)], [*(gaps + 1), len(missing)], strict=True):
            a, b = int(missing[begins]), int(missing[ends - 1]) + 1
            motion[a:b] = self._window(track, layer.style, a, b)
            valid[a:b] = True
        return replace(layer, motion=motion, valid=valid, exact=False)

    def _frames(self, start: float, end: float) -> slice:
        """The frames from ``start`` to ``end`` seconds, and a few on either side that gains and resampling look at."""
        clock, count = self.features.clock, len(self.features)
        first = int(np.clip(clock.index(start) - MARGIN, 0, count))
        last = count if end == np.inf else int(np.clip(clock.index(end) + MARGIN, first, count))
        return slice(first, last)

    def _window(self, track: EmotionTrack, style: Style, first: int, last: int) -> Floats:
        """Frames ``first`` to ``last`` decoded from the speech around them."""
        clock = self.features.clock
        a = max(0, first - round(WARM_UP * clock.rate))
        b = min(len(self.features), last + round(AHEAD * clock.rate))
        return self._predict(track, style, a, b)[first - a : last - a]

    def _predict(self, track: EmotionTrack, style: Style, first: int, last: int) -> Floats:
        """What the decoder gives of frames ``first`` to ``last`` alone."""
        part = self.spoken.part(first, last - first)
        return np.asarray(self.animator.decoder.predict(part, track, style))

    # --- The exact motion, decoded while nothing else is to do.

    def is_exact(self, settings: ClipSettings) -> bool:
        """Whether what is shown came from passes over the whole recording."""
        return all(layer is not None and layer.exact for layer in self._layers(settings))

    def _layers(self, settings: ClipSettings) -> list[_Layer | None]:
        """What motion under these settings is made of."""
        return [self.emotional, *([self.neutral] if settings.gains.split_motion else [])]

    def exact_motion(self, track: EmotionTrack, settings: ClipSettings) -> tuple[Floats, Floats | None]:
        """(T, 52) the decoder's motion of the whole recording, and its neutral motion where that is needed.

        Changes nothing, for another thread.
        """
        style, count = settings.talking_style, len(self.features)
        with torch_threads(1):
            motion = self._predict(shown_track(track, settings), style, 0, count)
            return motion, self._predict(track.scaled(0.0), style, 0, count) if settings.gains.split_motion else None

    def take_exact(self, track: EmotionTrack, settings: ClipSettings, made: tuple[Floats, Floats | None]) -> None:
        """Show what ``exact_motion`` gave of a track."""
        valid, self._settled = np.ones(len(self.features), bool), None
        style, (motion, neutral) = settings.talking_style, made
        self.emotional = _Layer(style, self._inputs(shown_track(track, settings)), motion, valid, exact=True)
        if neutral is not None:
            self.neutral = _Layer(style, self._inputs(track.scaled(0.0)), neutral, valid, exact=True)
