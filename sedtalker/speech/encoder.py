"""Speech encoders: a recording in, one hidden vector every 20 ms out.

That of the lips reads centred log-mels through residual dilated convolutions. A hidden vector sees
``SpeechEncoderConfig.context`` frames on either side, so windows of a long recording give what one pass gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, cast

import numpy as np
from pydantic import BaseModel

from sedtalker.arrays import Floats, clamped
from sedtalker.audio import Audio
from sedtalker.checkpoint import Kind, builtin_checkpoint, is_checkpoint, read_config, weights_sha256
from sedtalker.errors import InputError, one_of
from sedtalker.models import HUB
from sedtalker.nn.engine import Model, frame_logits, open_model
from sedtalker.progress import in_parts, share
from sedtalker.reading import is_folder
from sedtalker.speech.backbone import BackboneConfig, NotHere, load_backbone, unpack_backbone
from sedtalker.speech.encoder_model import GraphEncoder, MelNetwork, with_silence
from sedtalker.speech.features import (
    EMOTION,
    FRAME_CLOCK,
    FROM_HUB,
    PHONES,
    SPEECH,
    WINDOW_SECONDS,
    SpeechFeatures,
    analysis_of,
    centre_bands,
)

if TYPE_CHECKING:
    from torch.nn import Module


# --- Recordings in, features out: what every other part of the package asks for.


class Encoder(Protocol):
    """Turns a recording at 16 kHz into the features that diarizers and decoders read, on ``FRAME_CLOCK``.

    Implementations: ``MelEncoder``, our own, and ``Backbone`` (``sedtalker.speech.backbone``), models of the hub.
    """

    @property
    def channels(self) -> int:
        """Size of a hidden vector."""

    def sha256(self) -> str:
        """Hash of its weights: networks that were trained on it keep it in ``encoder_sha256``."""

    def to(self, device: str) -> Self:
        """Move the weights there; returns itself."""

    def __call__(self, audio: Audio) -> SpeechFeatures:
        """The features of a recording."""


class MelEncoder:
    """Our own encoder: a ``SpeechEncoder`` network over log-mels.

    Args:
        network: ready for inference; it sees a bounded stretch of log-mels.
        digest: hash of the file it was read from; by default, of its parameters, those of a module of torch.
        articulates: whether the features of recordings hold ``phones`` and ``mouth``; of the encoder of the lips alone.
    """

    def __init__(self, network: MelNetwork, digest: str | None = None, articulates: bool = False):
        self.network, self._digest, self.articulates = network, digest, articulates
        self.context, self.channels = network.config.context, network.config.channels

    def sha256(self) -> str:
        """Hash of the weights."""
        if self._digest is None:
            values = cast("Module", self.network).state_dict().values()
            self._digest = hashlib.sha256(b"".join(v.cpu().numpy().tobytes() for v in values)).hexdigest()
        return self._digest

    def to(self, device: str) -> Self:
        """Move the weights there; only torch runs anywhere but on the processor."""
        if not isinstance(self.network, GraphEncoder):
            cast("Module", self.network).to(device)
        elif device != "cpu":
            self.network = open_model(self.network.folder, *BUILTIN_ENCODERS, device=device)
        return self

    def __call__(self, audio: Audio) -> SpeechFeatures:
        """Features of a recording, encoded in overlapping windows of 30 s; equal to one pass within 1e-4."""
        if not self.articulates:
            return analysis_of(audio).features(self.hidden(audio))
        with share(0.0, 0.5):  # a second encoder finds phones and mouth
            hidden = self.hidden(audio)
        with share(0.5, 1.0):
            phones, mouth = articulation_of(audio, hidden)
        return replace(analysis_of(audio).features(hidden), phones=phones, mouth=mouth)

    def hidden(self, audio: Audio) -> Floats:
        """(T, D) hidden vectors of a recording; by weights of a file they are made once as long as it is in use."""
        if self._digest is None:
            return self._encoded(audio)
        if self._digest not in audio.made:  # phones and emotions are found in the same ones
            audio.made[self._digest] = self._encoded(audio)
        return cast(Floats, audio.made[self._digest])

    def _encoded(self, audio: Audio) -> Floats:
        """(T, D) hidden vectors, see ``MelNetwork.around``."""
        network = self.network
        with share(0.0, 0.25):
            analysis = analysis_of(audio)
        count, step, margin = len(analysis.mel) // 2, int(WINDOW_SECONDS * FRAME_CLOCK.rate), network.config.context
        begin, end = -network.around, count + network.around
        hidden = np.empty((count, self.channels), np.float32)
        with share(0.25, 1.0):
            for start in in_parts(range(0, count, step)):
                first, last = max(start - margin, begin), min(start + step + margin, end)
                part = analysis.mel[2 * max(first, 0) : 2 * last]
                part = centre_bands(part, analysis.means) if network.centred else part
                part = with_silence(part, max(-first, 0), max(last - count, 0))
                made = network.stretch(part[None])[0, start - first :]
                hidden[start : start + step] = made[: min(step, count - start)]
        return hidden


# --- Phones, and the shapes of the mouth.

STREAMED = "articulation_streaming"
"""Folder of the network that finds them in the vectors of the lips' encoder alone, as streams do."""


def has_articulation(encoder_sha256: str) -> bool:
    """Whether phones and the mouth are found in the vectors of an encoder: of the one that networks for it read."""
    return read_config(builtin_checkpoint(STREAMED)).encoder_sha256 == encoder_sha256


@lru_cache(maxsize=1)
def articulation_networks() -> tuple[MelEncoder, Model]:
    """The emotion encoder, and the network that finds phones and the mouth's shapes; opened once."""
    encoder = open_encoder(EMOTION)
    assert isinstance(encoder, MelEncoder)
    return encoder, open_model("articulation")


def articulation_of(audio: Audio, hidden: Floats) -> tuple[Floats, Floats]:
    """Logits (T, 40) over ``PHONES`` in a recording, and shapes of the mouth (T, S), see ``SpeechFeatures``.

    The emotion encoder learned from hundreds of speakers and from actors, so both are found even in shouts and cries;
    the frames of the lips' encoder, whose vectors (T, D) are given, are finer.
    """
    encoder, network = articulation_networks()
    rows = np.concatenate([hidden, encoder.hidden(audio)], -1)
    return phones_and_mouth(frame_logits(network, rows, round(WINDOW_SECONDS * FRAME_CLOCK.rate)))


def phones_and_mouth(found: Floats) -> tuple[Floats, Floats]:
    """Logits (T, 40) over ``PHONES`` and shapes of the mouth (T, S), of an articulation network's (T, 40 + S)."""
    phones, mouth = np.split(found, [len(PHONES)], -1)
    return phones, clamped(mouth)


class EncoderPair:
    """Two encoders as one: their hidden vectors are joined, everything else is the first one's.

    Args:
        encoders: both by the names of their parts of the features, see ``SpeechFeatures.of``, on the same clock; the
            first gives log-mels, prosody and speech too.
    """

    def __init__(self, encoders: Mapping[str, Encoder]):
        self.encoders = dict(encoders)
        self.articulates = any(getattr(encoder, "articulates", False) for encoder in encoders.values())
        self.channels = sum(encoder.channels for encoder in encoders.values())

    def sha256(self) -> str:
        """Hash of both."""
        return hashlib.sha256("".join(e.sha256() for e in self.encoders.values()).encode()).hexdigest()

    def to(self, device: str) -> Self:
        for encoder in self.encoders.values():
            encoder.to(device)
        return self

    def __call__(self, audio: Audio) -> SpeechFeatures:
        each = {name: encoder(audio) for name, encoder in self.encoders.items()}
        hidden = np.concatenate([features.hidden for features in each.values()], axis=1)
        parts = tuple((name, features.hidden.shape[1]) for name, features in each.items())
        return replace(next(iter(each.values())), hidden=hidden, parts=parts)


BUILTIN_ENCODERS: tuple[Kind, ...] = ("speech_encoder", "emotion_encoder")
"""Kinds of encoders, which are the names of the built-in ones: of lips and phones, and of emotion."""
HUB_ENCODERS = {name: BackboneConfig(name=model.repository, side_by_side=model.layers) for name, model in HUB.items()}
"""Encoders of the hub by a short name."""


def open_encoder(
    source: str | Path | BackboneConfig | None = None,
    device: str = "cpu",
    fetch: bool = True,
    articulates: bool = True,
) -> Encoder:
    """The encoder that ``source`` names, ready for inference.

    Args:
        source: None: the built-in encoder; a checkpoint folder of ours; a folder or name of the Hugging Face hub, or a
            short name in ``HUB_ENCODERS``; or a hub model and how its layers are mixed.
        fetch: whether the hub may be asked for what is not on this machine.
        articulates: whether an encoder of the lips finds phones and the mouth, too, see ``MelEncoder``.

    Raises:
        InputError: there is no such encoder, it cannot be had, or it is none.
    """
    if isinstance(source, BackboneConfig):
        return load_backbone(source, fetch).to(device)
    if source is not None and str(source) in HUB_ENCODERS:
        return open_encoder(HUB_ENCODERS[str(source)], device)
    name = "speech_encoder" if source is None else str(source)
    folder = builtin_checkpoint(name) if name in BUILTIN_ENCODERS else Path(name)
    if is_checkpoint(folder):
        network = open_model(folder, *BUILTIN_ENCODERS, device=device)
        digest = weights_sha256(folder)
        return MelEncoder(network, digest, articulates and has_articulation(digest))
    if not is_folder(folder) and str(source).count("/") != 1:
        known = one_of(name, [*BUILTIN_ENCODERS, *HUB_ENCODERS], ", a checkpoint folder, or OWNER/NAME of the hub")
        raise InputError(f"{source}: no such encoder: {known}")
    return load_backbone(BackboneConfig(name=str(source))).to(device)


def open_trained_encoder(
    folder: Path, config: BaseModel, weights: str | Path | None = None, device: str = "cpu"
) -> Encoder:
    """The encoder that the network in a checkpoint folder was trained on, or both where it reads two.

    The hub is asked for the encoders of built-in weights and for those that the user names. A checkpoint from elsewhere
    makes no connection by naming a model: it reads what is on this machine.

    Args:
        folder: the checkpoint of a diarizer or a decoder.
        weights: folder of the hub encoder's weights, where it needs one; default: this machine's cache, or the hub.

    Raises:
        InputError: the encoder cannot be had, its weights are not those the network was trained on, or the network
            needs none of the hub.
    """
    needed, backbone = read_config(folder).encoder_sha256, getattr(config, "backbone", None)
    if backbone is None:
        if weights is not None:
            raise InputError(f"{folder}: it reads a built-in encoder; another one cannot be given")
        encoder = open_encoder(EMOTION if needed == weights_sha256(builtin_checkpoint(EMOTION)) else SPEECH, device)
    else:
        ours = folder.resolve().parent == builtin_checkpoint(BUILTIN_ENCODERS[0]).resolve().parent
        named = backbone if weights is None else backbone.model_copy(update={"name": str(weights)})
        try:
            encoder = open_encoder(unpack_backbone(named, folder), device, fetch=ours or weights is not None)
        except NotHere:
            raise InputError(
                f"{folder}: it reads {named.name} of the Hugging Face hub, which is not on this machine; if you "
                f"want it from there: sedtalker models pull {folder}"
            ) from None
    both = encoder
    if getattr(config, "second_channels", 0):
        both = EncoderPair({SPEECH if backbone is None else FROM_HUB: encoder, EMOTION: open_encoder(EMOTION, device)})
    elif read_config(folder).kind == "readout_decoder":
        both = EncoderPair({SPEECH: open_encoder(SPEECH, device), FROM_HUB: encoder})
    if needed not in (None, encoder.sha256(), both.sha256()):
        name = "the built-in speech encoder" if backbone is None else named.name
        raise InputError(f"{name}: these are not the weights that the network in {folder} was trained on")
    return both
