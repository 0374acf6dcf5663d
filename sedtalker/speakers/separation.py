"""Each speaker's own sound: a channel of theirs, or the recording with everybody else's turns silenced.

``separate`` is the one door: from a recording and what is known of its speakers to ``Speakers``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import combinations
from pathlib import Path

import numpy as np
import scipy

from sedtalker.arrays import Floats, Mask
from sedtalker.audio import LONGEST_SECONDS, SAMPLE_RATE, Audio, as_audio, load_channels
from sedtalker.audio.activity import speech_activity
from sedtalker.errors import InputError, one_of
from sedtalker.progress import share
from sedtalker.reading import is_file
from sedtalker.speakers.diarization import closed, find_turns, speech_frames
from sedtalker.speakers.speaker_model import STRIDE
from sedtalker.speakers.turns import MOST_SPEAKERS, NAME, Turn, Turns, turns_of
from sedtalker.speech.features import HOP_LENGTH, MEL_CLOCK, analysis_of

log = logging.getLogger(__name__)

READING = 0.1
"""Share of the time until the speakers are known in which the sound is read."""
FADE_SECONDS = 0.02
"""Over which a speaker's sound comes and goes around their turns."""
FADED_SAMPLES = 60 * SAMPLE_RATE
"""Samples that fade at once."""
MARGIN_SECONDS = 0.06
"""By which turns are widened before others are silenced: an onset is quieter than what follows."""
CROSSTALK = 1.4
"""Natural logarithms of power (6 dB) by which a channel must not be weaker than the loudest for its speech to count."""
FAINT = 2.8
"""Natural logarithms of power (12 dB) by which a channel may be weaker than the loudest and still hold sounds of its
speaker, such as laughter while another talks."""
LEVEL_FRAMES = 25
"""Frames of 10 ms over which the levels of channels are compared: about a syllable."""
CLOSED_FRAMES = 30
"""Frames for which a channel may be weaker than another without an end of its speaker's turn."""
LEAST_FRAMES = 10
"""Frames of the shortest turn on a channel."""
SAME_CHANNEL = 0.98
"""Correlation of two channels from which on they hold the same sound."""
TOGETHER = 0.8
"""Share of a channel's speech during which another one speaks too; more is said, since people take turns."""


@dataclass(frozen=True, eq=False)
class Speakers:
    """The speakers of a recording, apart.

    Attributes:
        mixed: the whole recording, mono.
        sounds: each speaker's own sound by name, as long as the recording.
        channels: each speaker's channel by name, where there is one for each; silent where another is far louder, since
            microphones pick up others. Sounds are cut from these then.
    """

    mixed: Audio
    turns: Turns
    sounds: Mapping[str, Audio]
    channels: Mapping[str, Audio] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The speakers, in the order in which they first speak."""
        return self.turns.speakers

    def also(self, spans: Mapping[str, Iterable[tuple[float, float]]]) -> Speakers:
        """With further turns (seconds) on channels: what is no speech, such as laughter, and yet a speaker's own."""
        more = [Turn(start, end, name) for name, own in spans.items() for start, end in own]
        turns = replace(self.turns, turns=(*self.turns.turns, *more))
        longer = {turn.speaker for turn in more}
        sounds = {name: sound_of(channel, turns, name) for name, channel in self.channels.items() if name in longer}
        return replace(self, turns=turns, sounds={**self.sounds, **sounds})

    def only(self, names: Iterable[str]) -> Speakers:
        """Some of them, of a recording that stays what it is."""
        kept = tuple(names)
        turns = Turns(tuple(turn for turn in self.turns.turns if turn.speaker in kept), self.turns.duration, kept)
        sounds, channels = ({n: held[n] for n in kept if n in held} for held in (self.sounds, self.channels))
        return Speakers(self.mixed, turns, sounds, channels)

    def renamed(self, names: Mapping[str, str]) -> Speakers:
        """With other names; two speakers that get one name are merged, the sounds of their channels added.

        Raises:
            InputError: nobody has such a name, or a new one is none.
        """
        unknown = [name for name in names if name not in self.turns.speakers]
        if unknown:
            raise InputError(f"there is no speaker '{unknown[0]}': {one_of(unknown[0], self.turns.speakers)}")
        turns = self.turns.renamed(names)
        if not self.channels and len(turns.speakers) < len(self.turns.speakers):
            return cut_apart(self.mixed, turns)
        return Speakers(self.mixed, turns, _renamed(self.sounds, names), _renamed(self.channels, names))


def _renamed(sounds: Mapping[str, Audio], names: Mapping[str, str]) -> dict[str, Audio]:
    """Sounds by other names; those that get one name are added."""
    made = dict[str, Audio]()
    for name, sound in sounds.items():
        new = names.get(name, name)
        if new in made:
            sound = replace(sound, samples=np.clip(made[new].samples + sound.samples, -1.0, 1.0))
        made[new] = sound
    return made


def separate(recording: Path | str | Audio, speakers: str = "auto", max_seconds: float = LONGEST_SECONDS) -> Speakers:
    """The speakers of a recording.

    Args:
        recording: a file, or mono sound.
        speakers: ``channels`` (one speaker a channel), the path of an RTTM file, ``auto``, or how many there are.
        max_seconds: longer files are refused.

    Raises:
        InputError: the sound or the turns cannot be read, or nobody speaks.
    """
    if speakers == "channels":
        if isinstance(recording, Audio):
            raise InputError("--speakers channels needs a file with a channel for each speaker")
        with share(0.0, READING):
            channels = load_channels(Path(recording), max_seconds)
        with share(READING, 1.0):
            return by_channels(channels, str(recording))
    check_speakers(speakers)
    with share(0.0, READING):
        sound = as_audio(recording, None, max_seconds)
    if speakers == "auto" or speakers.isdecimal():
        with share(READING, 1.0):
            turns = find_turns(sound, None if speakers == "auto" else int(speakers))
    else:
        turns = Turns.load(speakers, sound.duration)
    return cut_apart(sound, turns)


def check_speakers(speakers: str) -> None:
    """Raise ``InputError`` where it is neither ``channels``, ``auto``, a number nor an RTTM file that exists."""
    if speakers in ("channels", "auto") or (speakers.isdecimal() and 1 <= int(speakers) <= MOST_SPEAKERS):
        return
    if not is_file(Path(speakers)):
        if speakers.endswith(".rttm"):
            raise InputError(f"{speakers}: no such file")
        raise InputError(
            f"--speakers {speakers}: give channels, auto, a number from 1 to {MOST_SPEAKERS}, or an .rttm file"
        )


def cut_apart(recording: Audio, turns: Turns) -> Speakers:
    """The speakers of a recording whose turns are known, each with ``sound_of`` it."""
    return Speakers(recording, turns, {name: sound_of(recording, turns, name) for name in turns.speakers})


def sound_of(recording: Audio, turns: Turns, speaker: str) -> Audio:
    """The recording with silence where a speaker does not talk; overlapping speech of others stays in their turns."""
    kept = np.zeros(len(recording.samples), bool)
    for start, end in turns.of(speaker):
        first, last = (round(SAMPLE_RATE * t) for t in (start - MARGIN_SECONDS, end + MARGIN_SECONDS))
        kept[max(first, 0) : max(last, 0)] = True
    return _faded(recording, kept)


def _faded(sound: Audio, kept: Mask) -> Audio:
    """A sound where it is kept (N,), which comes and goes over ``FADE_SECONDS``, and silence elsewhere.

    Made in parts: scipy filters a line in doubles, for an hour two of half a gigabyte each.
    """
    fade, made = round(FADE_SECONDS * SAMPLE_RATE), np.empty_like(sound.samples)
    for start in range(0, len(made), FADED_SAMPLES):
        first, part = max(0, start - fade), slice(start, start + FADED_SAMPLES)
        gain = kept[first : start + FADED_SAMPLES + fade].astype(np.float32)
        smooth = scipy.ndimage.uniform_filter1d(gain, fade, mode="nearest")[start - first :][:FADED_SAMPLES]
        np.multiply(sound.samples[part], smooth, out=made[part])
    return replace(sound, samples=made)


def by_channels(channels: list[Audio], name: str) -> Speakers:
    """Speakers of a recording with a channel for each; silent channels are left out.

    A channel's speech counts where it is not much weaker than another's at that time: microphones pick up others too.

    Raises:
        InputError: fewer than two channels, all but one silent, two of the same sound, or nobody speaks.
    """
    if len(channels) < 2:
        raise InputError(f"{name} has one channel: use --speakers auto, or an .rttm file")
    if len(channels) > MOST_SPEAKERS:
        raise InputError(f"{name} has {len(channels)} channels; at most {MOST_SPEAKERS} speakers are animated")
    sounding = [k for k, channel in enumerate(channels) if np.abs(channel.samples).max() > 1e-4]
    if len(sounding) < 2:
        raise InputError(f"{name}: only one of its channels has sound: use --speakers auto, or an .rttm file")
    for a, b in combinations(sounding, 2):
        if abs(_correlation(channels[a].samples, channels[b].samples)) > SAME_CHANNEL:
            raise InputError(f"{name}: its channels hold the same sound: use --speakers auto, or an .rttm file")
    audible, spoken = _spoken([channels[k] for k in sounding])
    speaking = [k for k, row in enumerate(spoken) if row.any()]
    if not speaking:
        raise InputError(f"{name}: nobody speaks in any of its channels")
    _note_together(spoken[speaking], name)
    sources = {f"{NAME}{sounding[k] + 1}": channels[sounding[k]] for k in speaking}
    added = reduce(np.add, (channels[k].samples for k in sounding))
    mixed = Audio(np.asarray(added / len(sounding), np.float32), notes=channels[0].notes)
    turns = turns_of(spoken[speaking], MEL_CLOCK.times(spoken.shape[1]), list(sources), mixed.duration)
    sounds = {speaker: sound_of(channel, turns, speaker) for speaker, channel in sources.items()}
    kept = np.repeat(audible[speaking], HOP_LENGTH, axis=1)[:, : len(mixed.samples)]
    gates = zip(sources.items(), kept, strict=True)
    return Speakers(mixed, turns, sounds, {who: _faded(channel, gate) for (who, channel), gate in gates})


def _spoken(channels: list[Audio]) -> tuple[Mask, Mask]:
    """(S, T) each: frames of 10 ms in which a channel may hold sounds of its speaker, and those of their speech."""
    levels, active = list[Floats](), list[Mask]()
    for k, channel in enumerate(channels):
        prosody = analysis_of(channel).prosody
        levels.append(
            np.log(1e-9 + scipy.ndimage.uniform_filter1d(_power(channel.samples, len(prosody)), LEVEL_FRAMES))
        )
        loud = speech_activity(prosody[:, 0], prosody[:, 2], MEL_CLOCK.rate)
        with share(k / len(channels), (k + 1) / len(channels)):
            active.append(loud & np.repeat(speech_frames(channel), STRIDE)[: len(loud)])
    below, speech = np.max(levels, axis=0) - np.stack(levels), np.stack(active)
    spoken = closed(speech & (below < CROSSTALK), CLOSED_FRAMES) & speech
    lasting = scipy.ndimage.binary_opening(spoken, np.ones((1, LEAST_FRAMES)))
    return closed(below < FAINT, CLOSED_FRAMES), np.asarray(lasting)


def _note_together(spoken: Mask, name: str) -> None:
    """Log one line where all channels (S, T) speak at the same time, as those of a stereo microphone do."""
    if len(spoken) > 1 and (spoken.sum(0) > 1).sum() > TOGETHER * spoken.any(0).sum():
        log.warning(f"{name}: its channels speak at the same time; if each holds everybody, use --speakers auto")


def _power(samples: Floats, frames: int) -> Floats:
    """Mean power (T,) of stretches of 10 ms."""
    step = round(SAMPLE_RATE / MEL_CLOCK.rate)
    padded = np.pad(samples, (0, max(0, frames * step - len(samples))))[: frames * step]
    return np.asarray(np.square(padded).reshape(frames, step).mean(1))


def _correlation(a: Floats, b: Floats) -> float:
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-9))
