"""The front door of emotion recognition: speech in, an emotion track out."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import Audio, as_audio
from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.emotion.audio_classifier import AudioClassifier, classified_emotions, load_classifier
from sedtalker.emotion.functionals import Voice
from sedtalker.emotion.inference import (
    TrackRule,
    diarize,
    emotion_track,
    encoder_of,
    enrol,
    frame_emotions,
    load_diarizer,
)
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.stream import HOP_SECONDS, LOOK_AHEAD_SECONDS, DiarizerStream
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.nn.device import find_device, torch_threads
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.speech.encoder import Encoder, MelEncoder
from sedtalker.speech.features import SpeechFeatures

log = logging.getLogger(__name__)

HUB = "hf:"
"""Before the name of a classifier on the Hugging Face hub."""

Recording = Audio | Path | str | NDArray[np.floating]
"""What a recording may be given as; an array needs its rate."""


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
        encoder_sha256: hash of the weights of the encoder it reads, or None.
        labels: the categories, in the order of the posterior.
        classifier: a classifier of the hub that gives the categories, or None.
    """

    def __init__(
        self,
        network: DiarizerNetwork,
        encode: Encoder,
        *,
        name: str = "diarizer",
        licence: str = "unknown",
        encoder_sha256: str | None = None,
        rule: TrackRule = TrackRule(),
        classifier: AudioClassifier | None = None,
    ):
        """Use ``from_pretrained``; this takes its parts.

        Args:
            network: gives the emotion of every frame.
            encode: gives the speech features it was trained on.
            name: see above.
            licence: see above.
            encoder_sha256: see above.
            rule: how the emotions of frames become a track.
            classifier: see above.
        """
        self.network, self.encode, self.rule, self.classifier = network, encode, rule, classifier
        self.name, self.licence, self.encoder_sha256 = name, licence, encoder_sha256
        self.labels = network.config.labels
        self.device = str(next(network.parameters()).device)

    @classmethod
    def from_pretrained(cls, name: str | Path = "diarizer", device: str = "cpu") -> Diarizer:
        """Open weights.

        Args:
            name: ``"diarizer"`` (built in), a checkpoint folder, or ``"hf:OWNER/NAME"``: any emotion classifier of the
                Hugging Face hub, whose categories are then combined with the built-in intensity.
            device: ``"cpu"``, ``"cuda"`` or ``"auto"``.

        Raises:
            InputError: there are no such weights, or their encoder cannot be had.
        """
        device = find_device(device)
        if str(name).startswith(HUB):
            return cls._from_classifier(str(name).removeprefix(HUB), device)
        folder = Path(name) if Path(name).is_dir() else _builtin(str(name))
        network = load_diarizer(folder).to(device)
        encode = encoder_of(network, folder, device)
        described = read_config(folder)
        return cls(network, encode, name=str(name), licence=described.licence, encoder_sha256=described.encoder_sha256)

    @classmethod
    def _from_classifier(cls, name: str, device: str) -> Diarizer:
        classifier = load_classifier(name)
        classifier.model.to(device)
        if classifier.unknown:
            log.warning("labels without a category, left out: %s", ", ".join(classifier.unknown))
        if classifier.missing:
            log.warning("%s never answers %s", classifier.name, ", ".join(classifier.missing))
        log.warning("intensity is the built-in diarizer's")
        folder = builtin_checkpoint("diarizer")
        network = load_diarizer(folder).to(device)
        encode = encoder_of(network, folder, device)
        return cls(network, encode, name=HUB + name, licence=read_config(folder).licence, classifier=classifier)

    def to(self, device: str) -> Diarizer:
        """The same diarizer on another device."""
        if self.classifier is not None:
            return Diarizer.from_pretrained(self.name, device)
        return Diarizer.from_pretrained(self.name, device) if find_device(device) != self.device else self

    def __call__(
        self,
        audio: Recording,
        rate: int | None = None,
        *,
        enroll: Sequence[Recording] = (),
        min_confidence: float = 0.0,
        max_seconds: float = 3600.0,
        hook: Hook = no_progress,
    ) -> EmotionTrack:
        """The emotion track of a recording, 50 frames a second.

        Args:
            audio: path of a sound file, ``Audio``, or samples (n,) in [-1, 1].
            rate: samples per second of an array.
            enroll: other recordings of the same speaker and microphone, to know their usual voice.
            min_confidence: segments below it are labelled ``uncertain``.
            max_seconds: longer files are refused.
            hook: see ``sedtalker.progress``.

        Raises:
            InputError: the sound cannot be read, or enrolment is asked of a classifier of the hub.
        """
        sound = as_audio(audio, rate, max_seconds)
        if self.classifier is not None and enroll:
            raise InputError("enroll is for SEDTalker's own diarizers; a classifier of the hub cannot use it")
        with torch_threads(self._threads):
            with one_step(hook, "encoding the speech"):
                features = self.encode(sound)
                voice = self.voice(enroll) if enroll else None
            with one_step(hook, "recognising the emotion"):
                track = self.track(sound, features, voice)
        return track.confident(min_confidence)

    def track(self, audio: Audio, features: SpeechFeatures, voice: Voice | None = None) -> EmotionTrack:
        """The emotion track of a recording that ``encode`` has encoded already."""
        if self.classifier is None:
            return diarize(self.network, features, audio.duration, self.rule, voice)
        frames = classified_emotions(
            self.classifier, audio, frame_emotions(self.network, features), features.clock.times(len(features))
        )
        return emotion_track(frames, features.clock, audio.duration, rule=self.rule)

    def voice(self, recordings: Iterable[Recording]) -> Voice:
        """The usual voice of a speaker, from other recordings; the first minute of each counts.

        Raises:
            InputError: nobody speaks in any of them.
        """
        return enrol(self.network, (self.encode(as_audio(recording)) for recording in recordings))

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
            InputError: these weights cannot stream, or look-ahead or hop is no multiple of 20 ms.
        """
        if self.classifier is not None or self.network.config.backbone is not None:
            raise InputError(f"{self.name}: it needs whole recordings and cannot stream; use the built-in diarizer")
        voice = self.voice(enroll) if enroll else None
        return DiarizerStream(self.network, self._stream_encoder(), look_ahead, hop, voice=voice)

    def _stream_encoder(self) -> MelEncoder:
        return MelEncoder.open(device=self.device)

    @property
    def _threads(self) -> int:
        """Threads that pay: transformers of a hundred million weights use all cores, the built-in networks one."""
        large = self.classifier is not None or self.network.config.backbone is not None
        return (os.cpu_count() or 1) if large else 1


def _builtin(name: str) -> Path:
    """Folder of built-in weights.

    Raises:
        InputError: there are none of that name.
    """
    if name.startswith("diarizer"):
        return builtin_checkpoint(name)
    raise InputError(
        f"{name}: no such checkpoint folder; the built-in weights are called diarizer, and a classifier of the hub is "
        f"given as {HUB}{name}"
    )
