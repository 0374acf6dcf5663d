"""The authoring service of Audio2Face-3D: a clip is uploaded once, then its pose is asked for at single times.

The pose is that of ``sedtalker animate`` at that time, with the emotion and the parameters of the request, whatever the
request before had. The clip is encoded, and its emotion recognised, when it arrives; of each set of parameters only the
part until the time is decoded at first, and all of it when another time is asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.signal import lfilter

from sedtalker.animation.animation import Animation
from sedtalker.animation.animator import Animator
from sedtalker.animation.articulation import Articulation
from sedtalker.animation.decoder import resting
from sedtalker.animation.performance import Motion
from sedtalker.animation.recipe import assemble, drawn_of, move
from sedtalker.arrays import Floats
from sedtalker.audio.audio import Audio, from_samples
from sedtalker.emotion.formats.keys import WORDS, strengths_of
from sedtalker.emotion.shown import from_strengths, mixed
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.nn import one_thread
from sedtalker.server.ace_messages import ACE_FPS, AceRequest, checked_sound, made, read, wanted
from sedtalker.server.service import Service
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures

MOST_SECONDS = 600.0
"""Seconds of all clips that are kept; the ones used least recently go first."""
MOST_CLIPS = 64
"""Clips that are kept."""
POSE_AHEAD = 1.0
"""Seconds of motion after a pose that it depends on: attention, closed lips, the easing of cuts."""


class NoSuchClip(Exception):
    """The clip was never uploaded, or has gone."""


@dataclass(eq=False)
class UploadedClip:
    """An uploaded recording.

    Attributes:
        sound, features: it, and what the decoder reads.
        track: what the diarizer says.
        articulation: what its phones ask of tongue and lips.
        made: animations by what was asked, and until which second each is good.
    """

    sound: Audio
    features: SpeechFeatures
    track: EmotionTrack
    articulation: Articulation | None
    made: OrderedDict[bytes, tuple[float, Animation]] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Authoring:
    """Both methods; see there."""

    def __init__(self, service: Service):
        self.service = service
        self.clips: OrderedDict[str, UploadedClip] = OrderedDict()

    async def upload_audio_clip(self, context: Any, data: bytes) -> Any:
        """``UploadAudioClip``: its name is the hash of its sound, so the same clip is kept once."""
        message = read("AudioClip", data)
        rate = checked_sound(message.audio_header)
        if not message.content:
            raise InputError("content: the clip is empty")
        content = message.content[: len(message.content) // 2 * 2]
        samples = np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768.0)
        longest = min(self.service.limits.seconds, MOST_SECONDS)
        if len(samples) / rate > longest:
            raise InputError(f"content: longer than {longest:.0f} s: this server does not take it")
        clip = await self.service.worked(lambda hook: self._encoded(samples, rate), context.cancelled)
        self.clips[clip.sound.sha256] = clip
        self.clips.move_to_end(clip.sound.sha256)
        while len(self.clips) > MOST_CLIPS or sum(c.sound.duration for c in self.clips.values()) > MOST_SECONDS:
            self.clips.popitem(last=False)
        return made("AudioClipHandle", audio_clip_id=clip.sound.sha256, blendshape_names=ARKIT_52)

    async def get_avatar_face_pose(self, context: Any, data: bytes) -> Any:
        message = read("FacePoseRequest", data)
        clip = self.clips.get(message.audio_hash)
        if clip is None:
            raise NoSuchClip("audio_hash: there is no such clip (any more): upload it")
        self.clips.move_to_end(message.audio_hash)
        if not 0.0 <= message.time_stamp <= np.float32(clip.sound.duration):  # rounded as those of messages
            raise InputError(f"time_stamp: {message.time_stamp:g} s; the clip lasts {clip.sound.duration:.3f} s")
        asked = wanted(message.face_params, message.emotion_pp_params, message.blendshape_params)
        given = strengths_of(message.preferred_emotions, "preferred_emotions") if message.preferred_emotions else None
        second = min(float(message.time_stamp), clip.sound.duration)
        message.ClearField("time_stamp")
        key = message.SerializeToString(deterministic=True)
        return await self.service.opened(self._pose, clip, key, asked, given, second)

    def _encoded(self, samples: Floats, rate: int) -> UploadedClip:
        animator = self.service.models.animator()
        sound = from_samples(samples, rate)
        features = animator.encoder(sound)
        track, spoken = animator.track(sound, features), resting(features)
        return UploadedClip(sound, spoken, track, animator.articulation(spoken))

    def _pose(self, clip: UploadedClip, key: bytes, asked: AceRequest, given: list[float] | None, second: float) -> Any:
        """A ``BlendShapeData`` of one time."""
        with clip.lock:
            until, animation = clip.made.get(key, (-1.0, None))
            if animation is None or second > until:
                until = clip.sound.duration if animation is not None else second
                animation = self._animated(clip, asked, given, until)
                clip.made[key] = until, animation
                while len(clip.made) > 4:
                    clip.made.popitem(last=False)
        place = min(second * ACE_FPS, len(animation) - 1)
        low = int(place)
        rows = animation.coefficients[[low, min(low + 1, len(animation) - 1)], : len(ARKIT_52)]
        shown = animation.track
        assert shown is not None
        frame = shown.at(np.array([second]))
        strengths = zip(shown.labels, frame.posterior[0] * frame.intensity[0], strict=True)
        return made(
            "BlendShapeData",
            blendshapes=rows[0] + (place - low) * (rows[1] - rows[0]),
            time_code=second,
            emotions={WORDS[name]: float(value) for name, value in strengths if name in WORDS},
        )

    def _animated(self, clip: UploadedClip, asked: AceRequest, given: list[float] | None, until: float) -> Animation:
        """The clip's animation, whose frames until so many seconds are those of ``sedtalker animate``."""
        one_thread()
        animator, face, motion = self.service.models.animator(), load_face(), Motion(fps=ACE_FPS, **asked.motion)
        count = min(len(clip.features), FRAME_CLOCK.index(until + POSE_AHEAD) + 1)
        decode = partial(_padded, animator, clip.features, count)
        track = _track(clip.track, asked, given)
        moved = move(
            decode, ARKIT_52, clip.features, track, motion, face, articulation=clip.articulation, rows=slice(count)
        )
        drawn = drawn_of(clip.features, motion, clip.sound.duration, clip.sound.sha256)
        animation = assemble(moved, drawn, motion, face)
        animation.coefficients[:, : len(ARKIT_52)] = asked.finish(animation.coefficients[:, : len(ARKIT_52)])
        return animation


def _padded(animator: Animator, features: SpeechFeatures, count: int, track: EmotionTrack, style: Any) -> Floats:
    """Motion (T, 52) whose first ``count`` frames are decoded, from these frames alone."""
    decoded = animator.decoder.predict(features.part(0, count), track, style)
    return np.concatenate([decoded, np.zeros((len(features) - count, decoded.shape[1]), np.float32)])


def _track(recognised: EmotionTrack, asked: AceRequest, given: list[float] | None) -> EmotionTrack:
    """The recognised emotion, eased as asked, and mixed with what is given at all times."""
    posterior, intensity = recognised.posterior, recognised.intensity
    if asked.onset is not None:
        share = 1.0 - np.exp(-1.0 / (asked.onset * FRAME_CLOCK.rate))
        strengths = lfilter([share], [1.0, share - 1.0], posterior * intensity[:, None], axis=0)
        strengths[:, 0] = 0.0
        posterior, intensity = from_strengths(strengths)
    if given is not None and asked.share:
        theirs, strength = from_strengths(np.tile(given, (len(recognised), 1)))
        if asked.share == 1.0:
            axes = valence_arousal(theirs, strength)
            return EmotionTrack(recognised.times, theirs, strength, *axes, duration=recognised.duration)
        posterior, intensity = mixed((posterior, intensity), (theirs, strength), asked.share)
    return replace(recognised, posterior=posterior, intensity=intensity)
