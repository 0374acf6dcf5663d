"""The ``Animator``: speech in, an animation of a face out."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.animation_stream import AnimationStream, StreamedFrame, emotion_stream
from sedtalker.animation.articulation import Articulation
from sedtalker.animation.decoder import ShapeDecoder, resting
from sedtalker.animation.listening import Company, Other
from sedtalker.animation.option_fields import with_options
from sedtalker.animation.performance import Motion, StreamSettings
from sedtalker.animation.recipe import Moved, assemble, drawn_of, move, sharpened
from sedtalker.animation.scene import Scene, directions, places_beside, with_others
from sedtalker.arrays import Reals
from sedtalker.audio import LONGEST_SECONDS, Audio, as_audio
from sedtalker.checkpoint import Kind, read_config, weights_sha256
from sedtalker.emotion.diarizer import Diarizer, Recording
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.emotion.taxonomy import project
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError, check_share, one_of
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.models import model_folder, model_names
from sedtalker.nn import find_device, torch_threads
from sedtalker.nn.engine import open_model
from sedtalker.phonetics.aligner import Alignment
from sedtalker.phonetics.pronunciation import ENGLISH
from sedtalker.phonetics.recognition import checked_words, placed_words
from sedtalker.phonetics.words import Words
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.speakers.separation import Speakers, separate
from sedtalker.speech.encoder import Encoder, open_trained_encoder
from sedtalker.speech.features import SpeechFeatures
from sedtalker.version import __version__

if TYPE_CHECKING:
    from sedtalker.animation.mouth_readout import ReadoutDecoder
    from sedtalker.animation.vertex_decoder import VertexDecoder

AnyDecoder: TypeAlias = "ShapeDecoder | ReadoutDecoder | VertexDecoder"
"""Types of decoders that can be opened; each has ``shapes``, ``styles`` and ``predict``, see ``ShapeDecoder``."""
DECODERS: tuple[Kind, ...] = ("decoder", "vertex_decoder", "readout_decoder")
"""Kinds of decoders' checkpoints."""
COMPANY = 4
"""Stream of random numbers of a face in company, after those of ``idle_generators``."""
Emotion = EmotionTrack | Path | str | None
"""Types of a given emotion: a track, its file, ``LABEL:INTENSITY``, or None (the diarizer's)."""


class Animator:
    """Speech-driven emotional facial animation.

    ```python
    animation = Animator.from_pretrained()("speech.wav", face=Face.from_mesh("head.obj"))
    animation.export("speech.glb")
    animation.render("speech.mp4")
    ```

    Attributes:
        decoder: gives the motion.
        folder: the checkpoint folder of the decoder.
        builtin: whether it is a built-in one.
        licence: SPDX identifier of the licence of the decoder's weights.
        moves_vertices: whether the decoder moves the vertices of one topology, rather than ARKit's shapes.
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
        self._diarizer, self.moves_vertices = diarizer, decoder.moves_vertices
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
            name: ``"decoder"`` or ``"whisper-base"`` (built in; the latter on an encoder of the hub), or the checkpoint
                folder of a decoder: one of your own actor, or one trained on the vertices of a corpus,
                which then animates heads of that topology; or ``"OWNER/NAME"`` of the hub that holds such a folder.
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
        decoder: AnyDecoder = open_model(folder, *DECODERS, device=device)
        return cls(decoder, open_trained_encoder(folder, decoder.config, encoder, device), folder, diarizer, device)

    def to(self, device: str) -> Animator:
        device = find_device(device)
        if device == self.device:
            return self
        diarizer = self._diarizer.to(device) if isinstance(self._diarizer, Diarizer) else self._diarizer
        decoder: AnyDecoder = open_model(self.folder, *DECODERS, device=device)
        return Animator(decoder, deepcopy(self.encoder).to(device), self.folder, diarizer, device)

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
        fill_scale: bool = False,
        coordinates: Mapping[str, tuple[float, float]] | None = None,
        words: Words | Alignment | None = None,
        language: str | None = None,
        motion: Motion = Motion(),
        provenance: Mapping[str, Any] | None = None,
        max_seconds: float = LONGEST_SECONDS,
        hook: Hook = no_progress,
        **options: Any,
    ) -> Animation:
        """Animate a face from speech.

        Args:
            audio: path of a sound file, ``Audio``, or samples (n,) in [-1, 1].
            rate: samples per second of an array.
            face: what is animated; default the built-in face. Decoders of vertices take a head of their topology.
            emotion: a track, its file or ``LABEL:INTENSITY``; default: what the diarizer says.
            enroll: other recordings of the speaker, for the diarizer.
            fill_scale: whether the diarizer measures strength by the recording's own.
            coordinates: (valence, arousal) of each category, from ``read_coordinates``; default: those of the track.
            words: what is said: a text, its file, or a file of words with times, or when each phone is spoken; or
                ``"auto"``: what is recognised (extra ``asr``). The mouth is then sharpened.
            language: of the words, as espeak-ng names it; default: English, with ``"auto"`` the one recognised.
            motion: how the face moves.
            provenance: stored with the animation, beside what is stored anyway.
            max_seconds: longer files are refused.
            hook: see ``sedtalker.progress``.
            options: fields of ``motion`` that are other than there, such as ``intensity=1.4``, by their names.

        Raises:
            InputError: bad sound, track, face or option; the message is the line that the command line prints.
        """
        if enroll and emotion is not None:
            raise InputError("enroll is for the diarizer; it does nothing with an emotion that is given")
        motion = with_options(motion, options, self)
        motion.check_names()
        spoken = words if words is None or isinstance(words, Alignment) else checked_words(words, language)
        sound = as_audio(audio, rate, max_seconds)
        face = self._face(face)
        with torch_threads(1):
            with one_step(hook, "encoding the speech"):
                features = self.encoder(sound)
            with one_step(hook, "recognising the emotion" if emotion is None else "reading the emotion track"):
                track = self.track(sound, features, emotion, enroll, motion.min_confidence, fill_scale)
                track = track if coordinates is None else project(track, coordinates)
            with one_step(hook, "moving the face"):
                moved = self._moved(features, track, motion, face)
            if spoken is not None:
                if not isinstance(spoken, Alignment):
                    spoken = placed_words(spoken, sound, features, language, hook)
                moved = sharpened(moved, spoken, face)
        spoken_in = {}
        if moved.phones is not None:
            spoken_in = {
                "words": len(moved.phones.word_times()),
                "language": moved.phones.language or language or ENGLISH,
            }
        source = self._provenance(
            moved, motion, face, sound, self.licences(emotion), spoken_in | dict(provenance or {})
        )
        drawn = drawn_of(moved.features, motion, sound.duration, sound.sha256)
        return assemble(moved, drawn, motion, face, provenance=source)

    def scene(
        self,
        recording: Path | str | Audio,
        faces: Sequence[Face] = (),
        *,
        speakers: str | int | Path | Speakers = "auto",
        tracks: Mapping[str, EmotionTrack] | None = None,
        fill_scale: bool = False,
        coordinates: Mapping[str, tuple[float, float]] | None = None,
        listening: float = 1.0,
        motion: Motion = Motion(),
        provenance: Mapping[str, Any] | None = None,
        max_seconds: float = LONGEST_SECONDS,
        hook: Hook = no_progress,
        **options: Any,
    ) -> Scene:
        """Animate a conversation: a face for each speaker, which looks at the others and answers them.

        Args:
            recording: a file, or mono sound.
            faces: of the speakers in the order in which they first speak; built-in ones follow.
            speakers: ``auto``, how many, ``channels``, an RTTM file, or what ``separate`` gave of the recording.
            tracks: emotion tracks of speakers by name, in place of what the diarizer says.
            fill_scale: whether the diarizer measures strength by each speaker's own.
            coordinates: see ``__call__``.
            listening: how much a face does while others speak, from 0, it blinks, to 1, it also nods and answers.
            motion: how the faces move; each speaker's draws differ.
            provenance: stored with each animation, beside what is stored anyway.
            max_seconds: longer files are refused.
            hook: see ``sedtalker.progress``.
            options: fields of ``motion`` that are other than there, by their names.

        Raises:
            InputError: bad sound or turns, a track of nobody, or a decoder of vertices.
        """
        motion, tracks = with_options(motion, options, self.scene), tracks or {}
        motion.check_names()
        if self.moves_vertices:
            raise InputError("a conversation needs a decoder of shapes; this one moves the vertices of one topology")
        check_share("listening", listening)
        found = speakers if isinstance(speakers, Speakers) else separate(recording, str(speakers), max_seconds)
        if strange := sorted(set(tracks) - set(found.names)):
            raise InputError(f"nobody is called {strange[0]!a}: {one_of(strange[0], found.names)}")
        given = set(found.names) == set(tracks)
        if not given:
            talk = self.diarizer.conversation(
                found.mixed, found, min_confidence=motion.min_confidence, fill_scale=fill_scale, hook=hook
            )
            found, tracks = talk.speakers, {**talk.tracks, **tracks}
        for sound in (found.mixed, *found.channels.values()):
            sound.made.clear()  # faces move by the sound of each speaker
        shown = {name: track if coordinates is None else project(track, coordinates) for name, track in tracks.items()}
        cast_faces = dict(zip(found.names, with_others(faces, len(found.names)), strict=False))
        moved = dict[str, Moved]()
        with torch_threads(1):
            for name, face in cast_faces.items():
                with one_step(hook, f"moving the face of {name}"):
                    moved[name] = self._moved(self.encoder(found.sounds[name]), shown[name], motion, face)
                    found.sounds[name].made.clear()  # which is twice the size of the sound
        places, animations = places_beside(cast_faces), dict[str, Animation]()
        seen, length = directions(cast_faces, places), found.mixed.duration
        drawn = {n: drawn_of(m.features, motion, length, found.sounds[n].sha256) for n, m in moved.items()}
        licences = self.licences("given" if given else None)
        for name, face in cast_faces.items():
            sound, spoken = found.sounds[name], moved[name]
            others = {n: Other(d, found.turns.of(n), drawn[n].rhythm, moved[n].track) for n, d in seen[name].items()}
            seed = (motion.seed, COMPANY, int(sound.sha256[:12], 16))
            company = Company(found.turns.of(name), others, listening, seed) if others else None
            more = {"speaker": name, "speakers": list(found.names), "listening": listening, **(provenance or {})}
            source = self._provenance(spoken, motion, face, found.mixed, licences, more)
            animations[name] = assemble(spoken, drawn[name], motion, face, provenance=source, company=company)
        return Scene(animations, places, found.turns)

    def _moved(self, features: SpeechFeatures, track: EmotionTrack, motion: Motion, face: Face) -> Moved:
        features = resting(features)
        decode, spoken_sounds = partial(self.decoder.predict, features), self.articulation(features)
        return move(decode, self.decoder.shapes, features, track, motion, face, articulation=spoken_sounds)

    def _provenance(
        self,
        moved: Moved,
        motion: Motion,
        face: Face,
        sound: Audio,
        licences: Mapping[str, str],
        more: Mapping[str, Any],
    ) -> dict[str, Any]:
        return {
            **face.provenance,
            "sedtalker": __version__,
            "audio_sha256": sound.sha256,
            "seed": motion.seed,
            "emotion": "diarized" if "diarizer" in licences else "given",
            "intensity": motion.intensity,
            "licences": licences,
            **({} if self.builtin else {"decoder_sha256": weights_sha256(self.folder)}),
            **({} if moved.gains.leaves_motion_as_is else {"gains": moved.gains.described()}),
            **({"style": asdict(moved.style)} if any(asdict(moved.style).values()) else {}),
            **more,
        }

    def articulation(self, features: SpeechFeatures) -> Articulation | None:
        """Constraints of a recording's phones on tongue and lips; None with a vertex decoder."""
        return None if self.moves_vertices else cast("ShapeDecoder", self.decoder).articulation(features)

    def licences(self, emotion: Emotion = None) -> dict[str, str]:
        """SPDX identifiers of the licences of the weights that are used, by what they do.

        ``voice_presence`` has the licence of ``articulation`` and counts as a part of it.
        """
        used = {"decoder": self.licence}
        if getattr(self.encoder, "articulates", False):
            used["articulation"] = model_names("articulation")["articulation"].config.licence
        return used if emotion is not None else {**used, "diarizer": self.diarizer.licence}

    def track(
        self,
        audio: Audio,
        features: SpeechFeatures,
        emotion: Emotion = None,
        enroll: Sequence[Recording] = (),
        min_confidence: float = 0.0,
        fill_scale: bool = False,
    ) -> EmotionTrack:
        """The track that conditions the motion of a recording: given, or the diarizer's.

        Args:
            audio: the recording.
            features: what ``encoder`` gives of it, so that a diarizer on the same encoder need not encode again.
            emotion: see ``__call__``.
            enroll: see ``__call__``.
            min_confidence: see ``Motion``.
            fill_scale: see ``__call__``.
        """
        if emotion is not None:
            given = emotion if isinstance(emotion, EmotionTrack) else parse_emotion(str(emotion), audio.duration)
            return given.confident(min_confidence) if min_confidence else given
        diarizer = self.diarizer
        own = self.diarizer_features(audio, features)
        voice = diarizer.voice(enroll) if enroll else None
        return diarizer.track(audio, own, voice, fill_scale=fill_scale, note=True).confident(min_confidence)

    def diarizer_features(self, audio: Audio, features: SpeechFeatures, hook: Hook = no_progress) -> SpeechFeatures:
        """What the diarizer reads of a recording: ``features`` themselves, if they are of the encoder that it reads."""
        encoder = self.diarizer.encoder
        if encoder.sha256() == self.encoder.sha256():
            return features
        with one_step(hook, "encoding the speech"):
            return encoder(audio)

    def open_stream(
        self, settings: StreamSettings = StreamSettings(), track: EmotionTrack | None = None
    ) -> AnimationStream:
        """The face while somebody speaks: sound is pushed into it, and video frames come out.

        Args:
            settings: look-ahead, frames a second, emotion and how the face moves.
            track: the emotion, in place of that of the settings.

        Raises:
            InputError: the decoder or the diarizer cannot stream, or an option is wrong.
        """
        settings.check_names()
        emotions = emotion_stream(lambda: self.diarizer, self.encoder, settings, track)
        return AnimationStream(emotions, self.decoder, settings)

    def stream(self, samples: Iterable[Reals], settings: StreamSettings = StreamSettings()) -> Iterator[StreamedFrame]:
        """Video frames of mono sound at 16 kHz, pieces or an array (N,), each once it is final; see ``open_stream``."""
        with torch_threads(1):
            stream = self.open_stream(settings)
            for piece in [samples] if isinstance(samples, np.ndarray) and samples.ndim == 1 else samples:
                yield from stream.push(piece)
            yield from stream.flush()

    def _face(self, face: Face | Mesh | None) -> Face:
        if self.moves_vertices:
            if face is None:
                raise InputError("this decoder moves heads of one topology: give it a mesh of that topology")
            if isinstance(face, Face) and face.shapes == self.decoder.shapes:
                return face
            mesh = face.mesh if isinstance(face, Face) else face
            return cast("VertexDecoder", self.decoder).face(mesh, face.name if isinstance(face, Face) else "head")
        if face is not None and not isinstance(face, Face):
            raise InputError("give a Face: Face.builtin(NAME), or Face.from_mesh, which fits the shapes to a mesh")
        return load_face() if face is None else face


# --- The networks of a process that serves.


class Models:
    """The networks, opened when they are first needed; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._animator: Animator | None = None

    def animator(self) -> Animator:
        """The built-in animator, for recordings and streams."""
        with self._lock:
            if self._animator is None:
                self._animator = Animator.from_pretrained()
            return self._animator
