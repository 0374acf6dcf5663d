"""The ``Animator``: speech in, an animation of a face out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation import idle_motion
from sedtalker.animation.animation import Animation
from sedtalker.animation.burst_motion import burst_nods, pulses, show_bursts
from sedtalker.animation.conditioning import Style
from sedtalker.animation.gains import MAX_GAIN, Gains, apply_gains
from sedtalker.animation.idle_motion import IdleMotion
from sedtalker.animation.known_phones import sharpen
from sedtalker.animation.pretrained import AnyDecoder, load_decoder, open_decoder_encoder
from sedtalker.animation.stream import AnimationStream, StreamedFrame, StreamSettings, emotion_stream
from sedtalker.animation.tongue import TONGUE, known_constrictions, tongue_weights
from sedtalker.animation.vertex_decoder import VertexDecoder
from sedtalker.animation.visual_prosody import enliven, find_rhythm, nods
from sedtalker.animation.vocal_effort import fitting_articulation
from sedtalker.audio import LONGEST_SECONDS, Audio, FrameClock, as_audio, resample_frames
from sedtalker.checkpoint import read_config, weights_sha256
from sedtalker.emotion.diarizer import Diarizer, Recording
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.emotion.taxonomy import project
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.models import model_folder, model_names
from sedtalker.nn import find_device, torch_threads
from sedtalker.phonetics.transcript import Words, align_recording, spoken_words
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.speech.encoder import Encoder
from sedtalker.speech.features import SpeechFeatures
from sedtalker.version import __version__

logger = logging.getLogger(__name__)
Floats = NDArray[np.float32]

Emotion = EmotionTrack | Path | str | None
"""What an emotion may be given as: a track, its file, ``LABEL:INTENSITY``, or None (the diarizer's)."""


class Animator:
    """Speech-driven emotional facial animation.

    ```python
    animation = Animator.from_pretrained()("speech.wav", face=Face.from_mesh("head.obj"))
    animation.export("speech.glb")
    animation.render("speech.mp4")
    ```

    Attributes:
        decoder: gives the motion; any ``MotionDecoder``.
        folder: the checkpoint folder of the decoder.
        builtin: whether it is a built-in one.
        licence: SPDX identifier of the licence of the decoder's weights.
        device: where the networks run.
    """

    def __init__(
        self,
        decoder: AnyDecoder,
        encoder: Encoder,
        folder: Path,
        diarizer: Diarizer | str | Path = "diarizer",
        device: str = "cpu",
    ):
        """Use ``from_pretrained``; this takes its parts."""
        self.decoder, self.encoder, self.folder, self.device = decoder, encoder, folder, device
        self._diarizer = diarizer
        self.builtin = folder in [model.path for model in model_names("decoder").values()]
        self.licence = read_config(folder).licence

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "decoder",
        *,
        diarizer: Diarizer | str | Path = "diarizer",
        encoder: str | Path | None = None,
        device: str = "cpu",
    ) -> Animator:
        """Open weights.

        Args:
            name: ``"decoder"``, ``"streaming"`` or ``"whisper-base"`` (built in; the last on an encoder of the hub), or
                the checkpoint folder of a decoder: one of your own actor, or one trained on the vertices of a corpus,
                which then animates heads of that topology.
            diarizer: gives the emotion where none is given; what ``Diarizer.from_pretrained`` takes. It is opened at
                its first use.
            encoder: folder of the hub encoder's weights that the decoder reads; default: this machine's cache of the
                hub, or the hub.
            device: ``"cpu"``, ``"cuda"`` or ``"auto"``.

        Raises:
            InputError: there are no such weights, or their encoder cannot be had.
        """
        device = find_device(device)
        folder = model_folder("decoder", name)
        decoder = load_decoder(folder).to(device)
        return cls(decoder, open_decoder_encoder(decoder, folder, encoder, device), folder, diarizer, device)

    def to(self, device: str) -> Animator:
        """The same animator on another device."""
        device = find_device(device)
        if device == self.device:
            return self
        diarizer = self._diarizer.to(device) if isinstance(self._diarizer, Diarizer) else self._diarizer
        decoder, encoder = deepcopy((self.decoder, self.encoder))
        return Animator(decoder.to(device), encoder.to(device), self.folder, diarizer, device)

    @property
    def diarizer(self) -> Diarizer:
        """Gives the emotion where none is given."""
        if not isinstance(self._diarizer, Diarizer):
            self._diarizer = Diarizer.from_pretrained(self._diarizer, self.device)
        return self._diarizer

    def __call__(
        self,
        audio: Recording,
        rate: int | None = None,
        *,
        face: Face | Mesh | None = None,
        emotion: Emotion = None,
        enroll: Sequence[Recording] = (),
        min_confidence: float = 0.0,
        coordinates: Mapping[str, tuple[float, float]] | None = None,
        intensity: float = 1.0,
        gains: Gains = Gains(),
        style: Style | Literal["auto"] = Style(),
        fps: float = 30.0,
        seed: int = 0,
        idle: IdleMotion = IdleMotion(),
        words: Words | None = None,
        language: str = "en",
        provenance: Mapping[str, Any] | None = None,
        max_seconds: float = LONGEST_SECONDS,
        hook: Hook = no_progress,
    ) -> Animation:
        """Animate a face from speech.

        Args:
            audio: path of a sound file, ``Audio``, or samples (n,) in [-1, 1].
            rate: samples per second of an array.
            face: what is animated; default the built-in face. Decoders of vertices take a head of their topology.
            emotion: a track, its file or ``LABEL:INTENSITY``; default: what the diarizer says.
            enroll: other recordings of the speaker, for the diarizer.
            min_confidence: where the track is less confident the face stays neutral.
            coordinates: (valence, arousal) of each category, from ``read_coordinates``; default: those of the track.
            intensity: scales the strength of emotion.
            gains: scale the motion, see ``Gains``.
            style: talking style; ``"auto"``: mouth opening predicted from vocal effort (``vocal_effort``).
            fps: frames a second.
            seed: of blinks, gaze, brows and head motion; another one is another take.
            idle: which of them are added, and how much.
            words: what is said: a text, its file, or a file of words with times; the mouth is then sharpened.
            language: of the words, as espeak-ng names it.
            provenance: stored with the animation, beside what is stored anyway.
            max_seconds: longer files are refused.
            hook: see ``sedtalker.progress``.

        Raises:
            InputError: bad sound, track or face; the message is the line that the command line prints.
        """
        if enroll and emotion is not None:
            raise InputError("enroll is for the diarizer; it does nothing with an emotion that is given")
        sound = as_audio(audio, rate, max_seconds)
        face = self._face(face)
        spoken = None if words is None else spoken_words(words, language)
        with torch_threads(1):
            with one_step(hook, "encoding the speech"):
                features = self.encoder(sound)
            with one_step(hook, "recognising the emotion" if emotion is None else "reading the emotion track"):
                track = self.track(sound, features, emotion, enroll, min_confidence)
                track = (track if coordinates is None else project(track, coordinates)).scaled(intensity)
            with one_step(hook, "moving the face"):
                shown = track.without_uncertain() if track.min_confidence else track
                motion, style, gains = self._move(features, shown, style, gains, face)
            phones, tongue = None, self.tongue(features)
            if spoken is not None:
                with one_step(hook, "aligning the words"):
                    phones = align_recording(spoken, sound, features, self.encoder)
                    times = features.clock.times(len(motion))
                    motion = sharpen(motion, times, phones, face)
                    tongue = None if tongue is None else known_constrictions(tongue, phones, times)
        source = {
            **face.provenance,
            "sedtalker": __version__,
            "audio_sha256": sound.sha256,
            "seed": seed,
            "emotion": "diarized" if emotion is None else "given",
            "intensity": intensity,
            "licences": self.licences(emotion),
            **({} if self.builtin else {"decoder_sha256": weights_sha256(self.folder)}),
            **({} if gains.leaves_motion_as_is else {"gains": gains.described()}),
            **({"style": asdict(style)} if any(asdict(style).values()) else {}),
            **({} if phones is None else {"words": len(phones.words), "language": language}),
            **(provenance or {}),
        }
        animation = assemble(
            *(motion, self.decoder.shapes, features, track, face),
            duration=sound.duration,
            fps=fps,
            seed=seed,
            recording=sound.sha256,
            idle=idle,
            gains=gains,
            provenance=source,
            tongue=tongue,
        )
        return replace(animation, phones=phones)

    def tongue(self, features: SpeechFeatures) -> Floats | None:
        """(T, 3) how far the tongue is at the places of ``sedtalker.animation.tongue.TONGUE``, for ``assemble``."""
        return None if isinstance(self.decoder, VertexDecoder) else self.decoder.tongue(features)

    def _move(
        self, features: SpeechFeatures, track: EmotionTrack, style: Style | Literal["auto"], gains: Gains, face: Face
    ) -> tuple[Floats, Style, Gains]:
        """Motion (T, K) on the clock of ``features``, and the style and gains that it was made with."""
        fits = style == "auto"
        style = Style() if style == "auto" else style
        if fits or not gains.leaves_motion_as_is:
            self._check_gains()
        motion = self.decoder.predict(features, track, style)
        if not (fits or gains.split_motion):
            return motion, style, gains
        neutral = self.decoder.predict(features, track.scaled(0.0), style)
        if fits:
            factor = fitting_articulation(features, neutral, load_face())
            logger.info("style auto: articulation %.2f", factor)
            gains = replace(gains, articulation=min(gains.articulation * factor, MAX_GAIN))
        return apply_gains(motion, neutral, gains, face), style, gains

    def licences(self, emotion: Emotion = None) -> dict[str, str]:
        """SPDX identifiers of the licences of the weights that are used, by what they do."""
        used = {"decoder": self.licence}
        return used if emotion is not None else {**used, "diarizer": self.diarizer.licence}

    def track(
        self,
        audio: Audio,
        features: SpeechFeatures,
        emotion: Emotion = None,
        enroll: Sequence[Recording] = (),
        min_confidence: float = 0.0,
    ) -> EmotionTrack:
        """The track that conditions the motion of a recording: given, or the diarizer's.

        Args:
            audio: the recording.
            features: what ``encoder`` gives of it, so that a diarizer on the same encoder need not encode again.
            emotion: see ``__call__``.
            enroll: see ``__call__``.
            min_confidence: see ``__call__``.
        """
        if isinstance(emotion, EmotionTrack):
            return emotion
        if emotion is not None:
            return parse_emotion(str(emotion), audio.duration)
        diarizer = self.diarizer
        own = features if diarizer.encoder.sha256() == self.encoder.sha256() else diarizer.encoder(audio)
        track = diarizer.track(audio, own, diarizer.voice(enroll) if enroll else None, note=True)
        return track.confident(min_confidence)

    def stream(
        self, samples: Iterable[NDArray[np.floating]], settings: StreamSettings = StreamSettings()
    ) -> Iterator[StreamedFrame]:
        """The face while somebody speaks.

        Args:
            samples: pieces of sound as they come, mono at 16 kHz.
            settings: look-ahead, frames a second, emotion, gains, style and idle motion.

        Yields:
            Video frames, each as soon as it is final.

        Raises:
            InputError: the decoder or the diarizer cannot stream.
        """
        with torch_threads(1):
            emotions = emotion_stream(lambda: self.diarizer, self.encoder, settings)
            stream = AnimationStream(emotions, self.decoder, settings)
            for piece in samples:
                yield from stream.push(piece)
            yield from stream.flush()

    def _face(self, face: Face | Mesh | None) -> Face:
        if isinstance(self.decoder, VertexDecoder):
            if face is None:
                raise InputError("this decoder moves heads of one topology: give it a mesh of that topology")
            if isinstance(face, Face) and face.shapes == self.decoder.shapes:
                return face
            mesh = face.mesh if isinstance(face, Face) else face
            return self.decoder.face(mesh, face.name if isinstance(face, Face) else "head")
        if isinstance(face, Mesh):
            raise InputError("give a Face: Face.from_mesh fits the shapes to a mesh")
        return load_face() if face is None else face

    def _check_gains(self) -> None:
        if self.decoder.shapes != ARKIT_52:
            raise InputError("gains work on the ARKit shapes; a decoder of vertices has none")


def assemble(
    motion: Floats,
    shapes: Sequence[str],
    features: SpeechFeatures,
    track: EmotionTrack,
    face: Face,
    *,
    duration: float,
    fps: float = 30.0,
    seed: int = 0,
    recording: str = "",
    idle: IdleMotion | None = None,
    gains: Gains = Gains(),
    provenance: Mapping[str, Any] | None = None,
    tongue: Floats | None = None,
) -> Animation:
    """Put the decoder's motion on the video clock, add idle motion and bind both to a face.

    Args:
        motion: (T, K) coefficients on the clock of ``features``.
        shapes: (K,) their names.
        features: speech features of the recording.
        track: the emotion that conditioned ``motion``.
        face: the face to animate; coefficients are matched to its shapes by name.
        duration: seconds of audio; the animation lasts ``⌈duration · fps⌉`` frames.
        fps: frames a second.
        seed: of the idle motion; one independent stream for each kind, so switching one off leaves the others.
        recording: SHA-256 of the sound: with the same seed, other recordings move otherwise.
        idle: which idle motions to add; all by default.
        gains: what ``motion`` was made with; expressivity also of the head's posture, and those of single shapes are
            applied here.
        provenance: stored with the animation.
        tongue: (T, 3) how far it is at the places of ``TONGUE``, for faces that have these shapes.
    """
    idle = idle or IdleMotion()
    clock = FrameClock(fps)
    times = clock.times(clock.frames(duration))
    own = features.clock.times(len(motion))
    weights = dict(zip(shapes, resample_frames(motion, own, times).T, strict=True))
    on_frames = track.at(times)
    blink_rng, gaze_rng, head_rng, speech_rng = idle_motion.idle_generators(seed, recording)
    speech = resample_frames(features.speech.astype(np.float32), own, times) > 0.5
    rhythm, pulse = find_rhythm(features), pulses(features, times)
    arkit = "eyeBlinkLeft" in weights
    if idle.liveliness and arkit:
        weights = enliven(weights, times, rhythm, speech_rng, idle.liveliness)
        weights = show_bursts(weights, times, track.bursts, pulse, idle.liveliness)
    shifts = None
    if idle.gaze and arkit:
        looks = idle_motion.fixations(duration, gaze_rng, idle.eye_contact, rhythm.phrases)
        weights, shifts = weights | idle_motion.eye_look(looks.path(times)), looks.shifts()
    if idle.blinks and arkit:
        weights = idle_motion.close_lids(weights, idle_motion.blinks(times, blink_rng, speech, shifts))
    if tongue is not None and "jawOpen" in weights:
        placed = tongue_weights(resample_frames(tongue, own, times), weights["jawOpen"])
        weights |= dict(zip(TONGUE, placed.T, strict=True))
    head = np.zeros((len(times), 3), np.float32)
    if idle.head:
        energy = resample_frames(_loudness(features), own, times)
        shown = on_frames if gains.expressivity == 1.0 else on_frames.scaled(gains.expressivity)
        head = idle_motion.head_rotation(times, fps, head_rng, energy, shown)
        turns = nods(times, rhythm, head_rng) + burst_nods(times, track.bursts, pulse)
        head = head + np.radians(idle.liveliness * turns)
    zeros = np.zeros(len(times), np.float32)
    coefficients = np.stack([weights.get(name, zeros) for name in face.shapes], axis=1).astype(np.float32)
    coefficients = gains.of_shapes(coefficients, face.shapes)
    return Animation(coefficients, fps, face, head, on_frames, dict(provenance or {}))


def _loudness(features: SpeechFeatures) -> Floats:
    """Loudness (T,) in [0, 1]: 0 is 20 dB below the loud frames of the recording, or silence."""
    level = features.prosody[:, 0]
    return np.asarray(np.clip((level - np.percentile(level, 95)) / 4.6 + 1.0, 0.0, 1.0) * features.speech, np.float32)
