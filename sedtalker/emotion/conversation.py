"""A conversation: who speaks when, and an emotion track for each speaker, on one clock.

A speaker's track is made of their own speech alone, as one recording with short pauses: the long windows of the
diarizer then describe how *they* speak in general, not the mixture of everybody. The frames go back to their places
before the track is made, so that pauses, onsets and segments are those of the conversation. Moods that change from turn
to turn stand out from the voices of others instead: in one channel, what is found in a speaker's own speech and in the
recording is averaged where nobody else talks. Of one speaker alone it is the emotion of the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Mask
from sedtalker.audio import SAMPLE_RATE, Audio, as_audio
from sedtalker.emotion.inference import FrameEmotions
from sedtalker.emotion.track import Burst, EmotionTrack, Segment
from sedtalker.errors import InputError
from sedtalker.plugins import plugin
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.speakers.separation import CROSSTALK, Speakers, cut_apart
from sedtalker.speakers.turns import Turns
from sedtalker.speech.encoder import Encoder
from sedtalker.speech.features import FRAME_CLOCK, FRAME_LENGTH, SpeechFeatures

PAUSE_SECONDS = 0.3
"""Silence on either side of a turn that stays between it and the next: the words of two turns are no phrase, and
windows that hold twice as much speech as usual find fewer changes."""
CHANGED_MEANWHILE = 0.5
"""Probability of a change of emotion while others talk; chosen on conversations of development speakers in which moods
are steady and in which they change with every turn."""
ALONE = 0.9
"""Share of a recording's speech in the turns of a single speaker from which on nobody else speaks in it."""


@dataclass(frozen=True, eq=False)
class Conversation:
    """Who speaks when, and what each of them expresses.

    Attributes:
        speakers: the recording, the turns, and each speaker's own sound.
        tracks: the emotion track of each speaker by name, as long as the recording.
    """

    speakers: Speakers
    tracks: Mapping[str, EmotionTrack]

    @property
    def turns(self) -> Turns:
        """Who speaks when."""
        return self.speakers.turns

    @property
    def names(self) -> tuple[str, ...]:
        """The speakers, in the order in which they first speak."""
        return self.speakers.names

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.speakers.mixed.duration

    def segments(self) -> list[tuple[str, Segment]]:
        """Who expresses what: the segments of all speakers with their names, in order of time."""
        found = [(name, segment) for name in self.names for segment in self.tracks[name].segments()]
        return sorted(found, key=lambda row: (row[1].start, row[1].end))

    def renamed(self, names: Mapping[str, str]) -> Conversation:
        """With other names of speakers.

        Raises:
            InputError: nobody has such a name, or two get one: merge those in ``Speakers``, and diarize these.
        """
        speakers = self.speakers.renamed(names)
        if len(speakers.names) < len(self.names):
            raise InputError("two speakers get one name: merge them before their emotion is recognised")
        return Conversation(speakers, {names.get(name, name): track for name, track in self.tracks.items()})

    @staticmethod
    def load(path: str | Path, recording: Audio | Path | str | None = None) -> Conversation:
        """A conversation from the JSON that ``save`` writes.

        Args:
            recording: whose sound the speakers get; None: theirs is silence, enough for tables, plots and reports.

        Raises:
            InputError: no such file, it is no conversation, or it is of a recording of another length.
        """
        made = cast(Conversation, plugin("conversation files").read_conversation(Path(path)))
        if recording is None:
            return made
        sound = as_audio(recording, None)
        if abs(sound.duration - made.duration) > 1.0 / SAMPLE_RATE:
            raise InputError(f"{path} is of {made.duration:.2f} s, the recording of {sound.duration:.2f} s")
        return replace(made, speakers=cut_apart(sound, made.turns))

    def save(self, path: str | Path, recording: str | None = None) -> None:
        """Write it; the suffix chooses the format: ``.json`` keeps all but the sound, ``.rttm``, ``.csv``, ``.srt``,
        ``.vtt`` and ``.eaf`` say who expresses what, and when.

        Args:
            recording: its name, which ``.rttm`` has in each line; default: that of the file.

        Raises:
            InputError: no format has such a suffix, or it cannot be written there.
        """
        plugin("conversation files").write_conversation(Path(path), self, recording)

    def plot(self, path: str | Path) -> None:
        """Draw the waveform and, below it, each speaker's turns and emotion to a PNG file.

        Raises:
            InputError: its name does not end in ``.png``, or it cannot be written there.
        """
        plugin("track plot").plot_conversation(self, Path(path))


class FrameDiarizer(Protocol):
    """What is asked of a ``Diarizer`` here."""

    labels: tuple[str, ...]
    encoder: Encoder

    def frames(self, audio: Audio, features: SpeechFeatures) -> FrameEmotions:
        """The emotion of every frame of some sound, 50 a second."""

    def bursts(self, features: SpeechFeatures, frames: FrameEmotions | None = None) -> tuple[Burst, ...]:
        """The vocal bursts in some sound."""


def emotions_by_speaker(
    speakers: Speakers, diarizer: FrameDiarizer, hook: Hook = no_progress
) -> tuple[Speakers, dict[str, tuple[FrameEmotions, tuple[Burst, ...]]]]:
    """The emotion of every frame of a recording for each speaker by name, and their vocal bursts.

    Returns:
        The speakers, see ``with_bursts``, and what each of them expresses.
    """
    encoder, alone, whole = diarizer.encoder, False, None
    with one_step(hook, "finding vocal bursts"):
        if speakers.channels:
            speakers, bursts = with_bursts(speakers, lambda channel: diarizer.bursts(encoder(channel)))
        else:
            features = encoder(speakers.mixed)
            alone = speaks_alone(speakers.turns, features.speech)
            if alone or len(speakers.names) > 1:
                whole = diarizer.frames(speakers.mixed, features)
            bursts = shared_bursts(diarizer.bursts(features, whole), speakers.turns, alone)
    found = {}
    for name in speakers.names:
        with one_step(hook, f"recognising the emotion of {name}"):
            if whole is not None and alone:
                frames = whole
            else:
                own = speaker_frames(speakers, name, diarizer)
                frames = own if whole is None else averaged(own, whole, speakers.turns, name)
        found[name] = frames, bursts[name]
    return speakers, found


def with_bursts(
    speakers: Speakers, bursts_of: Callable[[Audio], tuple[Burst, ...]]
) -> tuple[Speakers, dict[str, tuple[Burst, ...]]]:
    """Speakers with a channel each, whose turns hold their vocal bursts too, and these: people laugh while others talk.

    Of bursts at the same time the loudest counts, and those that are as loud: microphones pick up others too.
    """
    every = {name: bursts_of(channel) for name, channel in speakers.channels.items()}

    def is_own(name: str, burst: Burst) -> bool:
        span = slice(round(burst.start * SAMPLE_RATE), round(burst.end * SAMPLE_RATE))
        power = {who: float(np.square(channel.samples[span]).mean()) for who, channel in speakers.channels.items()}
        others = (who for who, found in every.items() if who != name and _shared(burst, _spans(found)))
        return all(power[who] < power[name] * np.exp(CROSSTALK) for who in others)

    owned = {name: tuple(burst for burst in found if is_own(name, burst)) for name, found in every.items()}
    return speakers.also({name: _spans(bursts) for name, bursts in owned.items()}), owned


def _spans(bursts: Iterable[Burst]) -> list[tuple[float, float]]:
    return [(burst.start, burst.end) for burst in bursts]


def speaker_frames(speakers: Speakers, name: str, diarizer: FrameDiarizer) -> FrameEmotions:
    """The emotion of every frame of the recording for one speaker, made of their own speech alone."""
    sound = speakers.sounds[name]
    count = FRAME_CLOCK.frames(sound.duration)
    own = own_frames(speakers.turns, name, count)
    if not len(own):
        neutral = np.zeros((count, len(diarizer.labels)), np.float32)
        neutral[:, 0] = 1.0
        return FrameEmotions(neutral, np.zeros(count, np.float32), np.zeros(count, bool))
    spoken = joined(sound, own)
    return scattered(diarizer.frames(spoken, diarizer.encoder(spoken)), own, count)


def averaged(own: FrameEmotions, whole: FrameEmotions, turns: Turns, name: str) -> FrameEmotions:
    """A speaker's emotion with, where nobody else talks, that of the recording: means of log-posteriors and intensity.

    ``own`` is of the speaker's own speech, in its places in the recording, ``whole`` of the recording.
    """
    times = FRAME_CLOCK.times(len(own.speech))
    solo = own.speech & ~np.any([turns.active(other, times) for other in turns.speakers if other != name], axis=0)
    posterior, intensity = own.posterior.copy(), own.intensity.copy()
    both = np.sqrt(own.posterior[solo] * whole.posterior[solo])
    posterior[solo] = both / both.sum(1, keepdims=True)
    intensity[solo] = (own.intensity[solo] + whole.intensity[solo]) / 2
    return replace(own, posterior=posterior, intensity=intensity)


def speaks_alone(turns: Turns, speech: Mask) -> bool:
    """Whether a recording is of one speaker: one has turns, and nearly all its speech (T,) lies in or beside them."""
    if len(turns.speakers) != 1 or not speech.any():
        return False
    own = own_frames(turns, turns.speakers[0], len(speech))
    return bool(speech[own[own < len(speech)]].sum() >= ALONE * speech.sum())


def shared_bursts(bursts: Iterable[Burst], turns: Turns, alone: bool) -> dict[str, tuple[Burst, ...]]:
    """The vocal bursts of a recording by speaker.

    Turns say who laughs, the sound of it does not: a burst belongs to whoever's turns share most of its time, and to
    nobody where they share none. All are theirs who are ``alone``, see ``speaks_alone``.
    """
    owned: dict[str, tuple[Burst, ...]] = dict.fromkeys(turns.speakers, ())
    for burst in bursts:
        shared = {who: _shared(burst, turns.of(who)) for who in turns.speakers}
        owner = max(shared, key=lambda who: shared[who])
        if alone or shared[owner] > 0.0:
            owned[owner] += (burst,)
    return owned


def _shared(burst: Burst, spans: Iterable[tuple[float, float]]) -> float:
    """Seconds of a burst that lie in spans of time."""
    return sum(max(0.0, min(end, burst.end) - max(start, burst.start)) for start, end in spans)


def own_frames(turns: Turns, speaker: str, frames: int) -> NDArray[np.int64]:
    """Indices of the frames, 50 a second, in which a speaker talks, and of the pauses beside their turns."""
    chosen = np.zeros(frames, bool)
    for start, end in turns.of(speaker):
        first, last = FRAME_CLOCK.index(start - PAUSE_SECONDS), FRAME_CLOCK.index(end + PAUSE_SECONDS) + 1
        chosen[max(first, 0) : max(last, 0)] = True
    return np.flatnonzero(chosen)


def joined(sound: Audio, frames: NDArray[np.int64]) -> Audio:
    """The samples of some frames of a recording, one after another."""
    padded = np.pad(sound.samples, (0, -len(sound.samples) % FRAME_LENGTH)).reshape(-1, FRAME_LENGTH)
    return replace(sound, samples=np.ascontiguousarray(padded[frames[frames < len(padded)]].reshape(-1)))


def scattered(part: FrameEmotions, frames: NDArray[np.int64], count: int) -> FrameEmotions:
    """Emotions of some frames in their places among ``count``; others are silent and hold the next one's values.

    The mood may change with what others say: a change is as likely as not, at the end of what they say, so that a face
    shows the last mood after a turn and the next before one. In the pauses that stay, where two turns meet in
    ``joined``, there is none.
    """
    part_count = min(len(frames), len(part.posterior))
    frames = frames[:part_count]
    following = np.searchsorted(frames, np.arange(count)).clip(0, part_count - 1)
    spoken = np.zeros(count, bool)
    spoken[frames] = part.speech[:part_count]
    boundary = None
    if part.boundary is not None:
        boundary = np.zeros(count, np.float32)
        boundary[frames[1:][np.diff(frames) > 1] - 1] = CHANGED_MEANWHILE
        boundary[frames] = np.where(spoken[frames], part.boundary[:part_count], 0.0)
    distance = None if part.distance is None else part.distance[following]
    return FrameEmotions(part.posterior[following], part.intensity[following], spoken, boundary, distance)
