"""What Python makes of a sample recording, for the tests of the JavaScript in ``web/``: one file that it must equal.

    python scripts/make_web_reference.py            # writes web/tests/reference/four_moods.json.gz

Outputs of the networks are there for every frame, so that all around them is tested without them too; of what follows,
every so many frames. Arrays are float32 in base64. Somebody laughs in another recording: the sample's beginning, a
synthesised laugh, and the sample's beginning again. In three others a sound follows the sample's beginning after a
pause: a knock, a door that slams, and a voice. In one more, chords come before the sample's beginning.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import scipy
from numpy.typing import NDArray

from sedtalker.animation import idle_motion
from sedtalker.animation.animation import Animation
from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.animation.animator import Animator
from sedtalker.animation.articulation import lip_posteriors, tongue_posteriors
from sedtalker.animation.decoder import ShapeDecoder
from sedtalker.animation.performance import Motion, StreamSettings
from sedtalker.animation.visual_prosody import find_rhythm
from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE, Audio, load_audio
from sedtalker.emotion.burst_detector import burst_model, burst_posterior, burst_rows
from sedtalker.emotion.inference import frame_emotions
from sedtalker.emotion.track import BURST_KINDS, Burst, EmotionTrack
from sedtalker.export.model_constants import model_constants
from sedtalker.face.arkit import TALKING_SIDES
from sedtalker.nn import torch_threads
from sedtalker.nn.calls import alone
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import EMOTION, SPEECH, Analysis, SpeechFeatures, analyse
from sedtalker.speech.speech_stream import STREAMED, ArticulationStream

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "samples" / "four_moods.wav"
WRITTEN = ROOT / "web" / "tests" / "reference" / "four_moods.json.gz"
FPS = 30.0
"""Frames a second of the animations."""
STILL = Motion(blinks=False, gaze=False, head=False, liveliness=0.0, fps=FPS)
"""A recording's options, without what is drawn at random."""
STILL_STREAM = StreamSettings(blinks=False, gaze=False, head=False, fps=FPS)
"""A stream's options."""
LIVELY = Motion(fps=FPS)
"""The options of everybody; what is drawn is drawn by ``Drawn``."""
LIVELY_STREAM = StreamSettings(fps=FPS)
"""A stream's."""
SHORT_SECONDS = 3.01
"""Another recording: the beginning, of an odd number of frames; rounding has no say in its segments."""
STREAM_SECONDS = 9.0
"""How much of the recording is streamed."""
SPOKEN_SECONDS = 3.0
"""Speech before and after the laugh."""
SPOKEN_ALONE = slice(26_000, 42_000)
"""A second of the sample: the voice that follows a pause."""
ROOM_SECONDS, ROOM_LEVEL = 1.5, 2e-4
"""Length and deviation of the noise of a room, which a pause is."""
BURSTS = tuple(Burst(4.0 * k + 1.2, 4.0 * k + 2.5, kind, 1.0) for k, kind in enumerate(BURST_KINDS))
"""Shown by the lively recording, in which there is none."""
PIECE = 1000
"""Samples that a stream is given at a time: no hop is a multiple of it."""


class Drawn:
    """Stands for a generator of numpy: numbers that any language can draw, spread as those are."""

    def __init__(self, state: int):
        self.state = state

    def random(self) -> float:
        """The next number in [0, 1)."""
        self.state = (1103515245 * self.state + 12345) % 2**31
        return self.state / 2**31

    def uniform(self, low: float, high: float) -> float:
        """Even between two bounds."""
        return low + (high - low) * self.random()

    def standard_normal(self, size: Any) -> NDArray[np.float64]:
        """Even numbers of the deviation 1; rows first."""
        return np.array([12**0.5 * (self.random() - 0.5) for _ in range(int(np.prod(size)))]).reshape(size)

    def normal(self, mean: float, deviation: Any) -> Any:
        """The same about a mean, with one deviation or several."""
        drawn = mean + np.array(deviation) * self.standard_normal(np.shape(deviation))
        return drawn if np.ndim(drawn) else float(drawn)

    def gamma(self, shape: float, scale: float) -> float:
        """Even numbers of that mean."""
        return shape * scale * (0.5 + self.random())

    def choice(self, of: list[float]) -> float:
        """One of two."""
        return of[int(2 * self.random())]


def drawn_generators(*_: Any) -> Any:
    """In the place of ``idle_generators``."""
    return tuple(Drawn(k) for k in (1, 2, 3, 4))


def main() -> None:
    """Write the file."""
    with torch_threads(1):
        reference = make(load_audio(SAMPLE))
    WRITTEN.parent.mkdir(parents=True, exist_ok=True)
    WRITTEN.write_bytes(gzip.compress(json.dumps(reference, separators=(",", ":")).encode(), 9, mtime=0))
    print(f"{WRITTEN.relative_to(ROOT)}: {WRITTEN.stat().st_size / 1e6:.2f} MB")


def make(sound: Audio) -> dict[str, Any]:
    """Everything that is compared, by section."""
    animator, analysis = Animator.from_pretrained(), analyse(sound.samples)
    decoder = animator.decoder
    assert isinstance(decoder, ShapeDecoder)
    lips, emotion = (open_encoder(name)(sound) for name in (SPEECH, EMOTION))
    assert lips.mouth is not None
    streamed, mouth = alone(ArticulationStream(open_model(STREAMED)).steps(lips.hidden, 0))
    found = frame_emotions(animator.diarizer.network, emotion)
    animation = animator(sound, motion=STILL)
    short = Audio(sound.samples[: round(SHORT_SECONDS * sound.rate)], sound.rate)
    track = animator.track(sound, lips)
    motion = decoder.motion(lips, track)
    with mock.patch.object(idle_motion, "idle_generators", drawn_generators):
        lively = animator(sound, emotion=replace(track, bursts=BURSTS), motion=LIVELY)
        lively_stream = _stream(sound, LIVELY_STREAM)
    return {
        "constants": model_constants(),
        "features": _features(analysis),
        "hidden": {"speech": _rows(lips.hidden, 40), "emotion": _rows(emotion.hidden, 40)},
        "streamed": _phones(streamed) | {"mouth": _rows(mouth @ TALKING_SIDES, 1)},
        "articulation": _phones(decoder.phones_in(lips)) | {"mouth": _rows(lips.mouth @ TALKING_SIDES, 1)},
        "frames": {name: _rows(np.asarray(values, np.float32), 1) for name, values in asdict(found).items()},
        "track": _track(track),
        "motion": _rows(motion, 1),
        "moved": _rows(decoder.predict(lips, track), 4),
        "animation": _animation(animation),
        "short": {"seconds": SHORT_SECONDS, **_animation(animator(short, motion=STILL))},
        "lively": _animation(lively) | {"bursts": [asdict(burst) for burst in BURSTS]},
        "rhythm": _rhythm(lips),
        "stream": _stream(sound, STILL_STREAM),
        "lively_stream": lively_stream,
        "spoken": round(SPOKEN_SECONDS * sound.rate),
        "room": {"level": ROOM_LEVEL, "samples": round(ROOM_SECONDS * SAMPLE_RATE)},
        "laughter": _laughter(sound),
        "music": _music(sound),
        "short_sounds": {name: _short_sound(sound, made) for name, made in short_sounds(sound).items()},
    }


def chords() -> NDArray[np.int16]:
    """Two seconds of major chords, four a second, at 16 kHz: harmonics that die away, the higher ones sooner."""
    time, made = np.arange(12_000) / SAMPLE_RATE, np.zeros(2 * SAMPLE_RATE + 12_000)
    for place in range(8):
        for interval in (0, 4, 7):
            pitch = 220.0 * 2.0 ** ((interval + (0, 5, 7, 3)[place % 4] + 12 * (place % 2)) / 12.0)
            for harmonic in range(1, 7):
                note = np.exp(-3.0 * harmonic * time) / harmonic * np.sin(2.0 * np.pi * pitch * harmonic * time)
                made[place * 4000 : place * 4000 + len(time)] += note
    made = made[: 2 * SAMPLE_RATE]
    return np.round(0.3 * 32767.0 * made / np.abs(made).max()).astype(np.int16)


def _music(sample: Audio) -> dict[str, Any]:
    """A recording that begins with music: the music, and the face of the recording and of a stream."""
    music, spoken = chords(), sample.samples[: round(SPOKEN_SECONDS * sample.rate)]
    sound = Audio(np.concatenate([music.astype(np.float32) / 32768.0, spoken]), sample.rate)
    animation = Animator.from_pretrained()(sound, motion=STILL)
    sound_of = base64.b64encode(music.tobytes()).decode()
    return {"sound": sound_of, "animation": _animation(animation), "stream": _stream(sound, STILL_STREAM)}


def short_sounds(sample: Audio) -> dict[str, NDArray[np.int16]]:
    """A knock, half a second of a door that slams (low noise, and a panel that rings), and a voice, at 16 kHz."""
    time, rng = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE, np.random.default_rng(3)
    noise = scipy.signal.lfilter(*scipy.signal.butter(2, 0.1), rng.normal(size=len(time)))
    slam = 3.0 * noise * np.exp(-14.0 * time) + np.sin(2.0 * np.pi * 85.0 * time) * np.exp(-10.0 * time)
    knock = (np.sin(2.0 * np.pi * 120.0 * time) + noise) * np.exp(-30.0 * time)
    made = {name: 0.8 * sound / np.abs(sound).max() for name, sound in (("knock", knock), ("slam", slam))}
    made["voice"] = sample.samples[SPOKEN_ALONE]
    return {name: np.round(32767.0 * sound).astype(np.int16) for name, sound in made.items()}


def room() -> Floats:
    """The noise of a room that any language can draw."""
    return (ROOM_LEVEL * Drawn(5).standard_normal(round(ROOM_SECONDS * SAMPLE_RATE))).astype(np.float32)


def _short_sound(sample: Audio, last: NDArray[np.int16]) -> dict[str, Any]:
    """A recording with a sound after a pause: the sound, what is speech, what is shown, and the face of a stream."""
    spoken, pause = sample.samples[: round(SPOKEN_SECONDS * sample.rate)], room()
    sound = Audio(np.concatenate([spoken, pause, last.astype(np.float32) / 32768.0, pause]), sample.rate)
    track = Animator.from_pretrained().diarizer(sound)
    assert track.speech is not None
    return {
        "sound": base64.b64encode(last.tobytes()).decode(),
        "speech": _rows(track.speech.astype(np.float32), 1),
        "intensity": _rows(track.intensity, 1),
        "stream": _stream(sound, STILL_STREAM),
    }


def laugh(calls: int = 6, rate: float = 4.5, pitch: float = 240.0) -> NDArray[np.int16]:
    """A laugh of so many calls, at 16 kHz: pulses of the glottis and breath through the resonances of an open vowel."""
    rng, made = np.random.default_rng(0), []
    count = round(SAMPLE_RATE / rate)
    voiced = round(0.35 * count)
    for call in range(calls):
        rise = np.sin(np.pi * np.arange(voiced) / voiced)
        cycles = np.floor(np.cumsum(pitch * (1.0 - 0.04 * call) * (1.0 + 0.12 * rise)) / SAMPLE_RATE)
        pulses, envelope = np.zeros(count), np.zeros(count)
        pulses[:voiced], envelope[:voiced] = np.diff(cycles, prepend=0.0), rise**0.6
        after = (np.arange(count) - voiced) / SAMPLE_RATE - 0.02
        breath = 0.05 * rng.standard_normal(count) * (np.exp(-((after / 0.06) ** 2)) + 0.4 * envelope)
        sound = scipy.signal.lfilter([1.0], [1.0, -0.95], pulses) * envelope + breath
        for frequency, width in ((800, 90), (1350, 110), (2700, 150), (3700, 220)):
            radius = np.exp(-np.pi * width / SAMPLE_RATE)
            poles = [1.0, -2.0 * radius * np.cos(2.0 * np.pi * frequency / SAMPLE_RATE), radius**2]
            sound = scipy.signal.lfilter([1.0], poles, sound)
        made.append((1.0 - 0.07 * call) * sound)
    sound = np.concatenate(made)
    return np.round(0.3 * 32767 / np.abs(sound).max() * sound).astype(np.int16)


def _laughter(sample: Audio) -> dict[str, Any]:
    """A recording with a laugh in it: its sound, what the detector says, the face, and the face of a stream."""
    spoken, laughs = sample.samples[: round(SPOKEN_SECONDS * sample.rate)], laugh()
    sound = Audio(np.concatenate([spoken, laughs.astype(np.float32) / 32768.0, spoken]), sample.rate)
    animator, encoder = Animator.from_pretrained(), open_encoder(EMOTION)
    features = encoder(sound)
    detector = burst_model(encoder.sha256())
    assert detector is not None
    distance = frame_emotions(animator.diarizer.network, features).distance
    with mock.patch.object(idle_motion, "idle_generators", drawn_generators):
        animation = animator(sound, motion=LIVELY)
    track = animation.track
    assert track is not None
    assert [burst.kind for burst in track.bursts] == ["laugh"]
    return {
        "laugh": base64.b64encode(laughs.tobytes()).decode(),
        "posterior": _rows(burst_posterior(detector, burst_rows(features)), 1),
        "distance": _rows(np.asarray(distance, np.float32), 1),
        "bursts": [asdict(burst) for burst in track.bursts],
        "animation": _animation(animation),
        "stream": _stream(sound, STILL_STREAM),
    }


def _phones(logits: Floats) -> dict[str, Any]:
    return {"lips": _rows(lip_posteriors(logits), 1), "tongue": _rows(tongue_posteriors(logits), 1)}


def _features(analysis: Analysis) -> dict[str, Any]:
    prosody, speech = analysis.frames
    return {
        "mel": _rows(analysis.mel, 20),
        "means": _rows(analysis.means[None], 1),
        "prosody": _rows(prosody, 4),
        "speech": _rows(speech.astype(np.float32), 1),
    }


def _track(track: EmotionTrack) -> dict[str, Any]:
    assert track.predicted is not None
    recognised = {name: _rows(values, 4) for name, values in track.predicted._asdict().items()}
    shown = {"posterior": _rows(track.posterior, 4), "intensity": _rows(track.intensity, 4)}
    return {**shown, "recognised": recognised, "segments": [asdict(segment) for segment in track.segments()]}


def _animation(animation: Animation) -> dict[str, Any]:
    shapes = animation.face.shapes
    names = [*model_constants()["arkit"]["names"]]
    tongue = [shapes.index(name) for name in model_constants()["tongue"]["names"]]
    weights = animation.coefficients[:, [shapes.index(name) for name in names]]
    return {"fps": FPS, "weights": _rows(weights, 5), "tongue": _rows(animation.coefficients[:, tongue], 5)} | {
        "head": _rows(animation.head_rotation, 5)
    }


def _rhythm(features: SpeechFeatures) -> dict[str, Any]:
    return {name: np.asarray(values).tolist() for name, values in asdict(find_rhythm(features)).items()}


def _stream(sound: Audio, settings: StreamSettings) -> dict[str, Any]:
    """What comes out, and after how many samples each frame did."""
    streamer = Animator.from_pretrained().open_stream(settings)
    samples = sound.samples[: round(STREAM_SECONDS * sound.rate)]
    frames: list[StreamedFrame] = []
    counts = []
    for start in range(0, len(samples), PIECE):
        frames += streamer.push(samples[start : start + PIECE])
        counts.append(len(frames))
    frames += streamer.flush()
    return {
        "fps": FPS,
        "seconds": STREAM_SECONDS,
        "piece": PIECE,
        "counts": counts,
        "frames": len(frames),
        "weights": _rows(np.array([frame.weights for frame in frames]), 5),
        "tongue": _rows(np.array([frame.tongue for frame in frames]), 5),
        "head": _rows(np.array([frame.head for frame in frames]), 5),
        "intensity": _rows(np.array([frame.intensity for frame in frames]), 5),
        "emotion": [frame.emotion for frame in frames[::5]],
    }


def _rows(values: NDArray[np.floating], every: int) -> dict[str, Any]:
    """Every so many rows of an array: its shape before that, and the values."""
    chosen = np.ascontiguousarray(values[::every], np.float32)
    return {"shape": values.shape, "every": every, "values": base64.b64encode(chosen.tobytes()).decode()}


if __name__ == "__main__":
    main()
