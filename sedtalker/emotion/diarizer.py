"""The ``Diarizer``: speech in, an emotion track out."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from copy import copy, deepcopy
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sedtalker.arrays import Reals
from sedtalker.audio import LONGEST_SECONDS, Audio, FrameClock, as_audio
from sedtalker.checkpoint import read_card, read_config, write_checkpoint
from sedtalker.emotion.burst_detector import find_bursts, of_voices
from sedtalker.emotion.diarizer_model import EmotionModel, GraphDiarizer, Voice
from sedtalker.emotion.emotion_stream import HOP_SECONDS, LOOK_AHEAD_SECONDS, DiarizerStream
from sedtalker.emotion.fine import FineEmotions
from sedtalker.emotion.inference import FrameEmotions, TrackRule, emotion_track, enrol, frame_emotions, note_unfamiliar
from sedtalker.emotion.shown import attenuation
from sedtalker.emotion.track import Burst, EmotionTrack
from sedtalker.errors import InputError, check_share, extra
from sedtalker.models import WHISPER, model_folder, model_names
from sedtalker.nn import find_device, torch_threads
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.speakers.separation import Speakers, separate
from sedtalker.speech.encoder import Encoder, EncoderPair, MelEncoder, open_trained_encoder
from sedtalker.speech.features import EMOTION, FRAME_CLOCK, FROM_HUB, SpeechFeatures

if TYPE_CHECKING:
    from torch import Tensor

    from sedtalker.emotion.adaptation import Fit, Method, SpokenRecording
    from sedtalker.emotion.conversation import Conversation
    from sedtalker.emotion.network import DiarizerNetwork
    from sedtalker.emotion.published_models import AudioClassifier

log = logging.getLogger(__name__)

HUB = "hf:"
"""Before the name of a classifier on the Hugging Face hub."""

Recording = Audio | Path | str | Reals
"""Types of a recording; an array needs its sample rate."""


class Diarizer:
    """Speech emotion diarizer: what is expressed, how strongly, and when.

    ```python
    track = Diarizer.from_pretrained()("speech.wav")
    for segment in track.segments():
        print(segment.start, segment.end, segment.label, segment.intensity, segment.confidence)
    ```

    Emotion is meant as *expressed* in the voice, as the training corpora label it, never as what a person feels.

    Attributes:
        name: of the weights.
        licence: SPDX identifier of the licence of the weights.
        network: gives the emotion of every frame.
        encoder: gives the speech features that it was trained on.
        rule: how the emotions of frames become a track.
        labels: the categories, in the order of the posterior.
        classifier: a classifier of the hub that gives the categories, or None.
        folder: the checkpoint that the weights come from, or None.
        fit: what ``adapt`` found out about the recordings it was adapted to, or None.
        method: that it was adapted by, if it was.
        fine: gives the tracks curves of fine-grained emotions, or None.
    """

    def __init__(
        self,
        network: EmotionModel,
        encoder: Encoder,
        *,
        name: str = "diarizer",
        licence: str = "unknown",
        rule: TrackRule = TrackRule(),
        classifier: AudioClassifier | None = None,
    ):
        """Use ``from_pretrained``; this takes its parts."""
        self.network, self.encoder, self.rule, self.classifier = network, encoder, rule, classifier
        self.name, self.licence = name, licence
        self.folder: Path | None = None
        self.fit: Fit | None = None
        self.method: Method | None = None
        self.fine: FineEmotions | None = None
        self.labels = network.config.labels
        self.device = _device(network)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "diarizer",
        device: str = "cpu",
        *,
        encoder: str | Path | None = None,
        trust: float = 1.0,
    ) -> Diarizer:
        """Open weights.

        Args:
            name: ``"diarizer"`` (built in), ``"whisper-base"`` (built in, on an encoder of the hub), a checkpoint
                folder, ``"OWNER/NAME"`` or ``"OWNER/NAME@REVISION"`` of the Hugging Face hub that holds such a folder
                (``hub_folder``), or ``"hf:OWNER/NAME"``: any emotion classifier of the hub, whose categories are then
                combined with the built-in intensity.
            device: ``"cpu"``, ``"cuda"`` or ``"auto"``.
            encoder: folder of the hub encoder's weights; default: this machine's cache of the hub, or the hub.
            trust: how far intensity shrinks in recordings unlike those of training, 0 to 1.

        Raises:
            InputError: there are no such weights, their encoder cannot be had, or trust is out of range.
        """
        check_share("trust", trust)
        device = find_device(device)
        classifier = None
        if str(name).startswith(HUB):
            with extra("hub"):
                from sedtalker.emotion.published_models import load_classifier

            classifier = load_classifier(str(name).removeprefix(HUB), device)
        folder = model_folder("diarizer", name if classifier is None else "diarizer")
        network: EmotionModel = open_model(folder, "diarizer", device=device)
        opened = open_trained_encoder(folder, network.config, encoder, device)
        rule = TrackRule(trust=trust)
        if classifier is None:
            rule = replace(rule, visible=network.config.visible, neutral_odds=network.config.neutral_odds)
        licence = read_config(folder).licence
        made = cls(network, opened, name=str(name), licence=licence, rule=rule, classifier=classifier)
        made.folder = folder
        return made

    def to(self, device: str) -> Diarizer:
        """The same diarizer, encoder, trust and all, on another device; this one stays where it is."""
        device = find_device(device)
        if device == self.device:
            return self
        network, encoder, classifier = deepcopy((self.in_torch(), self.encoder, self.classifier))
        if classifier is not None:
            classifier.model.to(device)
        return self._with(network.to(device), encoder=encoder.to(device), classifier=classifier)

    def in_torch(self) -> DiarizerNetwork:
        """The network as a module of torch: the one that is in use, or the same weights."""
        return cast(Any, self.network.in_torch if isinstance(self.network, GraphDiarizer) else self.network)

    def _with(self, network: EmotionModel, **parts: Any) -> Diarizer:
        """The same diarizer with another network, and other parts where given."""
        made = copy(self)
        for name, part in {"network": network, "device": _device(network), **parts}.items():
            setattr(made, name, part)
        return made

    def __call__(
        self,
        audio: Recording,
        rate: int | None = None,
        *,
        enroll: Sequence[Recording] = (),
        min_confidence: float = 0.0,
        max_seconds: float = LONGEST_SECONDS,
        hook: Hook = no_progress,
    ) -> EmotionTrack:
        """The emotion track of a recording, 50 frames a second.

        Args:
            audio: path of a sound file, ``Audio``, or samples (n,) in [-1, 1].
            rate: samples per second of an array.
            enroll: other recordings of the same speaker and microphone, as a baseline.
            min_confidence: segments below it are labelled ``uncertain``.
            max_seconds: longer files are refused.
            hook: see ``sedtalker.progress``.

        Raises:
            InputError: the sound cannot be read, a number is out of range, or a classifier of the hub cannot enrol.
        """
        check_share("min_confidence", min_confidence)
        sound = as_audio(audio, rate, max_seconds)
        if self.classifier is not None and enroll:
            raise InputError("enroll is for SEDTalker's own diarizers; a classifier of the hub cannot use it")
        with torch_threads(self._threads):
            with one_step(hook, "encoding the speech"):
                features = self.encoder(sound)
                voice = self.voice(enroll) if enroll else None
            with one_step(hook, "recognising the emotion"):
                track = self.track(sound, features, voice, note=True)
        return track.confident(min_confidence)

    def conversation(
        self,
        recording: Path | str | Audio,
        speakers: str | int | Path | Speakers = "auto",
        *,
        min_confidence: float = 0.0,
        fill_scale: bool = False,
        max_seconds: float = LONGEST_SECONDS,
        hook: Hook = no_progress,
    ) -> Conversation:
        """Who speaks when in a recording, and the emotion track of each speaker.

        Channels without a voice in them, such as one of music, are left out where there are others.

        Args:
            recording: a file, or mono sound.
            speakers: ``auto``, how many, ``channels``, an RTTM file, or what ``separate`` gave of the recording.
            min_confidence: segments below it are labelled ``uncertain``.
            fill_scale: whether each speaker's strength is measured by their own, see ``TrackRule``.
            max_seconds: longer files are refused.
            hook: see ``sedtalker.progress``.

        Raises:
            InputError: the sound or the turns cannot be read, a number is out of range, or nobody speaks.
        """
        from sedtalker.emotion.conversation import Conversation, emotions_by_speaker

        check_share("min_confidence", min_confidence)
        with torch_threads(self._threads):
            if not isinstance(speakers, Speakers):
                with one_step(hook, "finding the speakers"):
                    speakers = separate(recording, str(speakers), max_seconds)
            if not speakers.names:
                raise InputError("nobody speaks: there are no turns of anybody")
            speakers, found = emotions_by_speaker(speakers, self, hook)
            tracks = dict[str, EmotionTrack]()
            for name, (frames, bursts) in found.items():
                track = self._shaped(frames, FRAME_CLOCK, speakers.mixed.duration, fill_scale)
                tracks[name] = replace(track.confident(min_confidence), bursts=bursts)
        voices = [name for name, track in tracks.items() if np.any(track.speech) or not found[name][0].speech.any()]
        if speakers.channels and 0 < len(voices) < len(tracks):
            log.warning(f"left out, with no voice in their channels: {', '.join(sorted({*tracks} - {*voices}))}")
            speakers, tracks = speakers.only(voices), {name: tracks[name] for name in voices}
        return Conversation(speakers, tracks)

    def track(
        self,
        audio: Audio,
        features: SpeechFeatures,
        voice: Voice | None = None,
        *,
        fill_scale: bool = False,
        note: bool = False,
    ) -> EmotionTrack:
        """The emotion track of a recording that ``encoder`` has encoded already.

        Args:
            features: what ``encoder`` gives of it.
            voice: of the speaker, see ``voice``.
            fill_scale: whether strength is measured by the recording's own, see ``TrackRule``.
            note: whether one line is logged where the recording is unlike anything trained on (``unfamiliarity``).
        """
        frames = self.frames(audio, features, voice)
        track = self._shaped(frames, features.clock, audio.duration, fill_scale)
        if note and self.classifier is None and track.segments():
            note_unfamiliar(frames, features.clock.rate)
        extras = track.extras if self.fine is None else self.fine(features)
        return replace(track, bursts=self.bursts(features, frames), extras=extras)

    def frames(self, audio: Audio, features: SpeechFeatures, voice: Voice | None = None) -> FrameEmotions:
        """The emotion of every frame, by the network and, where there is one, the classifier."""
        if self.classifier is None:
            return frame_emotions(self.network, features, voice)
        from sedtalker.emotion.published_models import classify

        own, times = frame_emotions(self.network, features), features.clock.times(len(features))
        return FrameEmotions(classify(self.classifier, audio, times), own.intensity, own.speech)

    def _shaped(self, frames: FrameEmotions, clock: FrameClock, duration: float, fill_scale: bool) -> EmotionTrack:
        """The track of such frames."""
        return emotion_track(frames, clock, duration, self.labels, replace(self.rule, fill_scale=fill_scale))

    def bursts(self, features: SpeechFeatures, frames: FrameEmotions | None = None) -> tuple[Burst, ...]:
        """Vocal bursts by the encoder of emotion, where it is the encoder or one of the two; ``frames``: if known."""
        own, encoder = features, self.encoder
        if isinstance(encoder, EncoderPair):
            own, encoder = features.of(EMOTION), encoder.encoders[EMOTION]
        found = find_bursts(own, encoder.sha256())
        if not found:
            return found
        known = frames if frames is not None and self.classifier is None else frame_emotions(self.network, features)
        return of_voices(found, attenuation(known.distance))

    def with_fine(self, source: str | Path | None = None) -> Diarizer:
        """The same diarizer, whose tracks also have curves of fine-grained emotions (``extras``).

        Args:
            source: a checkpoint folder of ``experiment=fine_emotions``; None: the built-in heads.

        Raises:
            InputError: no such heads, or they were trained on another encoder.
        """
        made, config = copy(self), self.network.config
        built_in = model_names("fine-grained emotions")["emotion_encoder" if config.backbone is None else WHISPER]
        folder = built_in.path if source is None else Path(source)
        model = open_model(folder, "fine_emotions")
        own: Encoder = self.encoder
        own = own.encoders.get(FROM_HUB, own) if isinstance(own, EncoderPair) else own
        if read_config(folder).encoder_sha256 != own.sha256():
            raise InputError(f"{folder}: these fine-grained heads were trained on another encoder than the diarizer's")
        projection = self.in_torch().projection(model.config.hidden_channels) if config.layer_channels else None
        made.fine = FineEmotions(model, projection)
        return made

    def voice(self, recordings: Iterable[Recording]) -> Voice:
        """The speaker baseline from other recordings; the first minute of each counts.

        Raises:
            InputError: nobody speaks in any of them.
        """
        return enrol(self.network, (self.encoder(as_audio(recording)) for recording in _each(recordings)))

    def speech(
        self, recording: Recording, rate: int | None = None, max_seconds: float = LONGEST_SECONDS
    ) -> list[Tensor]:
        """Functionals of a recording for ``adapt``, in pieces of ten seconds of speech; empty without speech.

        Raises:
            InputError: the sound cannot be read, or a classifier of the hub gives the categories.
        """
        if self.classifier is not None:
            raise InputError(f"{self.name}: only SEDTalker's own diarizers can be adapted")
        from sedtalker.emotion.adaptation import speech_of

        with torch_threads(self._threads):
            return speech_of(self.in_torch(), self.encoder(as_audio(recording, rate, max_seconds)))

    @extra("torch")
    def adapt(
        self,
        recordings: Iterable[Recording],
        strength: float | None = None,
        method: Method | None = None,
        *,
        labels: Sequence[str | None] = (),
        speakers: Sequence[str | None] = (),
    ) -> Diarizer:
        """A diarizer that fits recordings of one kind better: a speaker, a language, a studio, a telephone line.

        Args:
            recordings: of that kind, in all the moods that occur; without labels five or more.
            strength: how far, 0 to 1; None: as far as ``sedtalker.emotion.adaptation`` goes usually.
            method: how, where there are no labels; see there.
            labels: the category of each recording, None where it is not known. One to twenty of each category are
                enough, see ``sedtalker.emotion.few_shot``.
            speakers: who speaks in each, where there are several.

        Raises:
            InputError: a sound cannot be read, there is too little speech to tell, a label is no category or of no
                recording, or torch is not installed.
        """
        from sedtalker.emotion.adaptation import SpokenRecording

        read = list[SpokenRecording]()
        for sound, label, who in zip_longest(_each(recordings), labels, speakers):
            if sound is None:
                raise InputError(f"there are more labels or speakers than recordings, which are {len(read)}")
            read.append(SpokenRecording(tuple(self.speech(sound)), label, who))
        return self.adapt_to(read, strength, method)

    def adapt_to(
        self, recordings: Sequence[SpokenRecording], strength: float | None = None, method: Method | None = None
    ) -> Diarizer:
        """``adapt`` for recordings that ``speech`` has read already."""
        from sedtalker.emotion.adaptation import METHOD, STRENGTH, Fit, adapted, check_fit, fit_of, seconds_of
        from sedtalker.emotion.few_shot import learned

        own, method = self.in_torch(), method or METHOD
        check_share("strength", strength := STRENGTH if strength is None else strength)
        speech = [piece for recording in recordings for piece in recording.speech]
        labelled = sum(recording.label is not None for recording in recordings)
        with torch_threads(1):
            if labelled:
                network = learned(own, recordings, strength)
                fit = Fit(len(speech), seconds_of(speech), labelled=labelled)
            else:
                fit = fit_of(own, speech, strength, method) if speech else Fit(0, 0.0)
                check_fit(fit)
                network = adapted(own, speech, strength, method)
        return self._with(network, name=f"{self.name}, adapted", fit=fit, method=method)

    def save(self, folder: str | Path) -> None:
        """Write a checkpoint folder that ``from_pretrained`` and ``--model`` open.

        Raises:
            InputError: it cannot be written there, or these weights are not from a checkpoint.
        """
        if self.folder is None or self.classifier is not None:
            raise InputError(f"{self.name}: only diarizers from a checkpoint can be saved")
        described = {"model": self.network.config.model_dump(mode="json"), "encoder_sha256": self.encoder.sha256()}
        config = read_config(self.folder).model_copy(update=described)
        if self.fit is not None:  # figures of other recordings are no longer its own
            config = config.model_copy(update={"metrics": {}, "held_out": {}})
        from sedtalker.emotion.adaptation import adapted_card

        card = read_card(self.folder)
        card = card if self.fit is None or self.method is None else adapted_card(card, self.fit, self.method)
        write_checkpoint(Path(folder), config, self.in_torch().state_dict(), card)

    def stream(
        self,
        look_ahead: float = LOOK_AHEAD_SECONDS,
        hop: float = HOP_SECONDS,
        enroll: Sequence[Recording] = (),
    ) -> DiarizerStream:
        """Begin a stream: ``push`` samples as they come, mono at 16 kHz, and get the frames that have become final.

        Args:
            look_ahead: seconds of sound that a frame waits for.
            hop: seconds of sound between results.
            enroll: other recordings of the speaker.

        Raises:
            InputError: these weights, or the heads of ``with_fine``, cannot stream, or look-ahead or hop is no multiple
                of 20 ms.
        """
        if self.classifier is not None or not isinstance(self.encoder, MelEncoder):
            raise InputError(f"{self.name}: it needs whole recordings and cannot stream")
        voice = self.voice(enroll) if enroll else None
        return DiarizerStream(self.network, self.encoder, look_ahead, hop, voice, self.rule.trust, self.fine)

    @property
    def _threads(self) -> int:
        """Threads that pay: transformers of a hundred million weights use all cores, the built-in networks one."""
        large = self.classifier is not None or self.network.config.backbone is not None
        return (os.cpu_count() or 1) if large else 1


def _each(recordings: Iterable[Recording]) -> Iterable[Recording]:
    """The recordings; one may be given alone."""
    return [recordings] if isinstance(recordings, str | Path | Audio) else recordings


def _device(network: EmotionModel) -> str:
    return "cpu" if isinstance(network, GraphDiarizer) else str(next(cast(Any, network).parameters()).device)
