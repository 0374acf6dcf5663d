"""Inputs of a face during speech: features at once, and an emotion that is given or recognised meanwhile.

Lips have to move with the sound; an expression may follow by half a second, as it does in people, and is recognised
better from more sound. So a face reads the newest sound, and a diarizer of its own pace says meanwhile what it
expresses.
"""

from __future__ import annotations

import numpy as np

from sedtalker.arrays import Floats
from sedtalker.emotion.emotion_stream import DiarizerStream, SpeechStream, StreamFrames
from sedtalker.emotion.shown import mixed
from sedtalker.emotion.track import EmotionTrack
from sedtalker.nn.calls import Steps, alone
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.speech.speech_stream import StreamedFeatures

ONSET_SECONDS = 0.15
"""Time constant with which the face takes on a newly recognised emotion."""
REFRESHED_SECONDS = 4.0
"""Sound before the newest whose hidden vectors are computed anew when the microphone's spectrum is known better."""
REFRESHED_CHANGE = 0.1
"""By how much it, or the level, has to have moved (natural log). Posterior and intensity differ by 2e-4 in the mean."""
KEPT_SECONDS = 12.0
"""Sound that a face's diarizer keeps before the frames that become final: its longest window reaches back ten seconds.
By all that it depends on, 28 s, posterior and intensity would differ by less than .001 in the mean."""
LIPS_CHANGE = 0.25
"""By how much the spectrum has to have moved for the lips' hidden vectors; heights of lips stay within .001."""
LIPS_SECONDS = 2.0
"""Sound before the newest that is kept for the lips."""


class TrackStream(SpeechStream):
    """A given track over a ``SpeechStream`` that keeps only what lips need: no diarizer is needed.

    Args:
        given: the emotion, held beyond both ends; frames that are not yet final follow another one from when it is put
            here. None: a subclass knows it from elsewhere.
        encoder: a decoder's.
        look_ahead: see ``SpeechStream``, as hop.
    """

    reads_every = False
    activity_frames = 0

    def __init__(self, given: EmotionTrack | None, encoder: MelEncoder, look_ahead: float, hop: float):
        super().__init__(encoder, look_ahead, hop, round(LIPS_SECONDS * FRAME_CLOCK.rate))
        self.encoder_stream.hidden.stale = LIPS_CHANGE
        self.given = given

    def _emotions(self, streamed: StreamedFeatures, since: int, count: int) -> Steps[StreamFrames]:
        yield from ()
        times = streamed.features.clock.times(len(streamed.features))[since : since + count]
        assert self.given is not None
        given = self.given.at(times)
        label = (given.posterior * given.intensity[:, None]).argmax(1)
        speech = streamed.features.speech[since : since + count]
        return StreamFrames(times, given.posterior, given.intensity, speech, label, given.posterior)


class LateEmotions(TrackStream):
    """Features ``look_ahead`` after they were said, with the emotion that a diarizer had recognised by then.

    Frames that have become final carry what the diarizer said last, eased over ``ONSET_SECONDS``; before it has said
    anything they are neutral. How the sound was cut into pieces does not matter, bit for bit. The diarizer's own work
    is left for ``settle``, so that the lips need not wait for it; what was not settled is done with the next hop.

    Args:
        emotions: a fresh stream of a diarizer; its labels are those of the frames.
    """

    def __init__(self, emotions: DiarizerStream, encoder: MelEncoder, look_ahead: float, hop: float):
        super().__init__(None, encoder, look_ahead, hop)
        self.emotions, self.labels, self.burst_kinds = emotions, emotions.labels, emotions.burst_kinds
        kept, hidden = emotions.encoder_stream, emotions.encoder_stream.hidden
        kept.keep = min(kept.keep, round(KEPT_SECONDS * FRAME_CLOCK.rate) + emotions.delay + emotions.hop)
        hidden.stale, hidden.refreshed = REFRESHED_CHANGE, round(REFRESHED_SECONDS * FRAME_CLOCK.rate)
        if emotions.hop in range(0, self.encoder_stream.keep, self.hop):  # whole hops of these, and still kept here
            kept.source = self.encoder_stream
        self.backlog: list[Floats] = []
        """Sound that the diarizer has not had yet."""
        self.onset = ONSET_SECONDS
        self.share = 1.0
        """Share of the given emotion, from its beginning on, in what is shown."""
        self.posterior = self.wanted = np.eye(len(emotions.labels), dtype=np.float32)[0]
        self.intensity = self.wanted_intensity = 0.0
        self.label = 0
        self.bursts = np.zeros(len(emotions.burst_kinds), np.float32)

    def begin(self, posterior: Floats, intensity: float) -> None:
        """Show an emotion, posterior (C,), until the diarizer has said something."""
        self.posterior = self.wanted = posterior
        self.intensity = self.wanted_intensity = intensity
        self.label = int(posterior.argmax())

    def settle(self) -> None:
        """Run the diarizer on buffered audio in idle time."""
        alone(self.settle_steps())

    def settle_steps(self) -> Steps[None]:
        """``settle`` with its calls of networks handed out."""
        while self.backlog:
            frames = yield from self.emotions.steps(self.backlog.pop(0))
            if len(frames.times):
                self.wanted = frames.posterior[-1]
                self.wanted_intensity = float(frames.intensity[-1])
                self.label = int(frames.label[-1])
                self.bursts = frames.bursts[-1]

    def _frames(self, samples: Floats) -> Steps[StreamFrames]:
        yield from self.settle_steps()
        frames = yield from super()._frames(samples)
        if not self.ended:
            self.backlog.append(samples)
        return frames

    def _emotions(self, streamed: StreamedFeatures, since: int, count: int) -> Steps[StreamFrames]:
        yield from ()
        posterior, intensity = np.empty((count, len(self.labels)), np.float32), np.empty(count, np.float32)
        share = np.float32(1.0 - np.exp(-1.0 / (self.onset * FRAME_CLOCK.rate)))
        for k in range(count):
            self.posterior = self.posterior + share * (self.wanted - self.posterior)
            self.intensity += float(share) * (self.wanted_intensity - self.intensity)
            posterior[k], intensity[k] = self.posterior, self.intensity
        part = slice(since, since + count)
        times = streamed.features.clock.times(since + count)[part]
        label = np.full(count, self.label, np.int64)
        if self.given is not None:
            given = self.given.at(times)
            share = self.share * (times >= self.given.times[0])
            posterior, intensity = mixed((posterior, intensity), (given.posterior, given.intensity), share)
            label = (posterior * intensity[:, None]).argmax(1)
        speech, bursts = streamed.features.speech[part], np.tile(self.bursts, (count, 1))
        return StreamFrames(times, posterior, intensity, speech, label, posterior, bursts=bursts)
